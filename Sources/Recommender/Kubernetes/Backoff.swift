// Waiting between tries: 0.8 s doubling to 30 s, with jitter; after two minutes of health it starts anew.
//
// kubernetes/client-go tools/cache/reflector.go: NewExponentialBackoffManager(800ms, 30s, 2min, 2.0, 1.0).

public struct Backoff: Sendable {
    private static let first = 0.8
    private static let longest = 30.0
    private static let healthySeconds = 120.0

    private var next = Self.first
    private var last = -Double.infinity

    public init() {}

    /// Seconds to wait before the next try.
    /// - Parameter jitter: 0..<1, random.
    public mutating func wait(now: Double, jitter: Double, atLeast minimum: Double = 0) -> Double {
        if now - last > Self.healthySeconds { next = Self.first }
        last = now
        defer { next = min(next * 2, Self.longest) }
        return max(next * (1 + jitter), minimum)
    }
}

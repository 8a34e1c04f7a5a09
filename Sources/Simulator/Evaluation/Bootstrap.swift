// Confidence intervals without assumptions about distributions: resampling (Efron 1979).

/// A mean with its 95 % interval.
public struct Estimate: Sendable, Equatable {
    public let mean: Double
    public let low: Double
    public let high: Double

    public init(mean: Double, low: Double, high: Double) {
        self.mean = mean
        self.low = low
        self.high = high
    }
}

public enum Bootstrap {
    /// Resamples; 2,000 leave the ends of a 95 % interval within a few percent of its width.
    public static let resamples = 2000

    /// The mean of `groups`' values, and the percentile interval over resampled groups: windows of one application are
    /// not independent of each other, so applications are drawn, with all of their windows.
    /// - Returns: `nil` when there is no value.
    public static func mean(of groups: [[Double]], seed: UInt64) -> Estimate? {
        let sums = groups.filter { !$0.isEmpty }.map { (sum: $0.reduce(0, +), count: Double($0.count)) }
        guard !sums.isEmpty else { return nil }
        let total = sums.reduce((0, 0)) { ($0.0 + $1.sum, $0.1 + $1.count) }
        var random = SimulationRandom(seed: seed)
        var means = (0..<resamples).map { _ in
            var sum = 0.0
            var count = 0.0
            for _ in sums {
                let drawn = sums[Int(random.next() % UInt64(sums.count))]
                sum += drawn.sum
                count += drawn.count
            }
            return sum / count
        }
        means.sort()
        return Estimate(
            mean: total.0 / total.1, low: means[resamples * 25 / 1000], high: means[resamples * 975 / 1000 - 1])
    }
}

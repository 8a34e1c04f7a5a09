// Keeps an object cache like the server: list, then watch from there, again from the last place, or list anew.
//
// kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes"; client-go tools/cache.

import Foundation

/// What the outcome of a list or watch asks for next. Pure: the thread obeys.
struct ReflectorState {
    enum Step: Equatable { case list, watch(from: String) }

    /// A kind that is not installed, or that we have no right to, is looked for again so often.
    static let slowSeconds = 300.0

    private(set) var step = Step.list
    private var backoff = Backoff()

    mutating func listed(_ version: String) { step = .watch(from: version) }

    mutating func saw(_ version: String) { if !version.isEmpty { step = .watch(from: version) } }

    /// The watch ended by itself. Returns the seconds to wait: none when it lived, for a time limit is normal.
    mutating func ended(afterSeconds: Double, events: Int, now: Double, jitter: Double) -> Double {
        afterSeconds < 1 && events == 0 ? backoff.wait(now: now, jitter: jitter) : 0
    }

    /// Something failed. Returns the seconds to wait.
    mutating func failed(_ error: KubernetesError, now: Double, jitter: Double) -> Double {
        switch error.remedy {
        case .listAgain:
            step = .list
            return backoff.wait(now: now, jitter: jitter)
        case .rediscover, .slowRetry:
            step = .list
            return Self.slowSeconds * (0.9 + 0.2 * jitter)
        case .retry(let after): return backoff.wait(now: now, jitter: jitter, atLeast: after ?? 0)
        case .bug:
            // Perhaps the version to watch from: start from what is there.
            step = .list
            return backoff.wait(now: now, jitter: jitter, atLeast: 10)
        default: return backoff.wait(now: now, jitter: jitter)
        }
    }
}

/// A thread that keeps one cache up to date until it is stopped.
final class Reflector<Object: Sendable>: @unchecked Sendable {
    /// Servers send a bookmark about every minute: longer silence is a dead peer.
    private static var stallSeconds: Int { 150 }

    private let resource: Resource
    private let namespace: String?
    private let cache: ObjectCache<Object>
    private let read: @Sendable (JSON) -> Object?
    private let changed: @Sendable (_ before: Object?, _ after: Object?) -> Void
    private let client: KubernetesClient
    private let cancellation: Cancellation
    private let log: @Sendable (String) -> Void

    /// - Parameters:
    ///   - read: takes from an object what is needed; `nil` leaves it out.
    ///   - changed: hears of every change, on this reflector's thread.
    init(
        _ resource: Resource, namespace: String?, _ access: ClusterAccess, into cache: ObjectCache<Object>,
        cancellation: Cancellation, log: @escaping @Sendable (String) -> Void,
        read: @escaping @Sendable (JSON) -> Object?,
        changed: @escaping @Sendable (_ before: Object?, _ after: Object?) -> Void = { _, _ in }
    ) {
        self.resource = resource
        self.namespace = namespace
        self.cache = cache
        self.read = read
        self.changed = changed
        self.cancellation = cancellation
        self.log = log
        client = KubernetesClient(access, cancellation: cancellation, log: log)
    }

    func start() {
        let thread = Thread { self.run() }
        thread.name = "watch \(resource.plural)"
        thread.stackSize = 4 << 20
        thread.start()
    }

    private func run() {
        var state = ReflectorState()
        while !cancellation.isCancelled {
            do {
                let wait = try advance(&state)
                sleep(wait)
            } catch {
                guard !error.isCancelled else { return }
                note(error)
                sleep(state.failed(error, now: Self.now, jitter: Double.random(in: 0..<1)))
            }
        }
    }

    /// One list or one watch. Returns the seconds to wait after it.
    private func advance(_ state: inout ReflectorState) throws(KubernetesError) -> Double {
        switch state.step {
        case .list:
            var objects: [String: Object] = [:]
            let version = try client.list(resource, namespace: namespace) { item in
                if let object = read(item) { objects[Self.key(item)] = object }
            }
            let before = cache.replace(objects)
            for (key, object) in objects { changed(before[key], object) }
            for (key, object) in before where objects[key] == nil { changed(object, nil) }
            state.listed(version)
            return 0
        case .watch(let version):
            let begun = Self.now
            var events = 0
            var failure: KubernetesError?
            var reached = state
            do throws(KubernetesError) {
                try client.watch(
                    resource, namespace: namespace, from: version, seconds: Int.random(in: 300...600),
                    stallSeconds: Self.stallSeconds
                ) { line in
                    events += 1
                    failure = self.take(line, &reached)
                    return failure == nil
                }
            } catch {
                state = reached
                // Silence is not an error of the stream's place: go on from there.
                if error.reason == "Timeout", events > 0 || Self.now - begun > 60 { return 0 }
                throw error
            }
            state = reached
            if let failure { throw failure }
            return state.ended(
                afterSeconds: Self.now - begun, events: events, now: Self.now, jitter: Double.random(in: 0..<1))
        }
    }

    /// Takes one line of the watch in. Returns what ends it.
    private func take(_ line: [UInt8], _ state: inout ReflectorState) -> KubernetesError? {
        do {
            switch try WatchEvent(line) {
            case .stored(let object, let version):
                let key = Self.key(object)
                if let new = read(object) {
                    changed(cache.store(new, at: key), new)
                } else if let old = cache[key] {
                    cache.remove(key)
                    changed(old, nil)
                }
                state.saw(version)
            case .deleted(let object, let version):
                let key = Self.key(object)
                let old = cache[key]
                cache.remove(key)
                if let old { changed(old, nil) }
                state.saw(version)
            case .bookmark(let version): state.saw(version)
            case .failed(let error): return error
            }
            if cache.condition != .current { cache.set(.current) }
            return nil
        } catch {
            // Half a line: the stream broke. What it would have said comes again from the last place.
            return KubernetesError(status: 0, reason: "Malformed", message: "watch of \(resource): \(error)")
        }
    }

    private func note(_ error: KubernetesError) {
        let before = cache.condition
        switch error.remedy {
        case .rediscover: cache.set(.absent)
        case .listAgain: return
        default: cache.set(.failing(error.description))
        }
        if cache.condition != before, error.remedy != .rediscover { log("\(resource): \(error)") }
    }

    private func sleep(_ seconds: Double) {
        let end = Self.now + seconds
        while Self.now < end, !cancellation.isCancelled { usleep(UInt32(min(end - Self.now, 0.2) * 1e6)) }
    }

    private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }

    static func key(_ object: JSON) -> String {
        let metadata = object["metadata"]
        return "\(metadata?["namespace"]?.string ?? "")/\(metadata?["name"]?.string ?? "")"
    }
}

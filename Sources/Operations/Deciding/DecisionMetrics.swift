// What the metrics tell of decisions beyond what each agent knows itself: how long they took, and what the guards changed.

import Dispatch
import Scaling
import Synchronization

public final class DecisionMetrics: Sendable {
    /// Upper bounds of the buckets of `durations`, in seconds.
    public static let bounds = [
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    private struct Counts {
        /// By the buckets of `DecisionMetrics.bounds`, not cumulated; one more than there are bounds.
        var durations = [UInt64](repeating: 0, count: DecisionMetrics.bounds.count + 1)
        var seconds = 0.0
        /// Decisions changed, by the raw value of the guard's rule.
        var guards = [Int](repeating: 0, count: GuardRecord.Rule.allCases.count)
    }

    private let counts = Mutex(Counts())

    /// Nanoseconds of a clock that never jumps.
    static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

    /// Notes that `count` decisions, handed over together at `begun`, are on disk.
    /// - Returns: how long that took, in seconds.
    func committed(_ count: Int, since begun: UInt64) -> Double {
        let now = Self.now
        let seconds = now > begun ? Double(now - begun) * 1e-9 : 0
        counts.withLock { counts in
            let bucket = DecisionMetrics.bounds.firstIndex { seconds <= $0 } ?? DecisionMetrics.bounds.count
            counts.durations[bucket] += UInt64(count)
            counts.seconds += Double(count) * seconds
        }
        return seconds
    }

    /// Counts each guard once that changed something about a decision.
    public func count(_ records: [GuardRecord]) {
        guard !records.isEmpty else { return }
        var rules: UInt32 = 0
        for record in records { rules |= 1 << record.rule.rawValue }
        counts.withLock { counts in
            for rule in counts.guards.indices where rules & 1 << rule != 0 { counts.guards[rule] += 1 }
        }
    }

    public var durations: (counts: [UInt64], sumSeconds: Double) { counts.withLock { ($0.durations, $0.seconds) } }
    public var guards: [Int] { counts.withLock { $0.guards } }
}

// What the metrics tell of decisions beyond what each agent knows itself: how long they took, and what the guards changed.

import Dispatch
import HTTPServer
import Scaling
import Synchronization

final class DecisionMetrics: Sendable {
    private struct Counts {
        /// By the buckets of `LatencyHistogram.bounds`, not cumulated; one more than there are bounds.
        var durations = [UInt64](repeating: 0, count: LatencyHistogram.bounds.count + 1)
        var seconds = 0.0
        /// Decisions changed, by the raw value of the guard's rule.
        var guards = [Int](repeating: 0, count: GuardRecord.Rule.allCases.count)
    }

    private let counts = Mutex(Counts())

    /// Nanoseconds of a clock that never jumps.
    static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

    /// Notes that `count` decisions, handed over together at `begun`, are on disk.
    func committed(_ count: Int, since begun: UInt64) {
        let now = Self.now
        let seconds = now > begun ? Double(now - begun) * 1e-9 : 0
        counts.withLock { counts in
            let bucket = LatencyHistogram.bounds.firstIndex { seconds <= $0 } ?? LatencyHistogram.bounds.count
            counts.durations[bucket] += UInt64(count)
            counts.seconds += Double(count) * seconds
        }
    }

    /// Counts each guard once that changed something about a decision.
    func count(_ records: [GuardRecord]) {
        guard !records.isEmpty else { return }
        var rules: UInt32 = 0
        for record in records { rules |= 1 << record.rule.rawValue }
        counts.withLock { counts in
            for rule in counts.guards.indices where rules & 1 << rule != 0 { counts.guards[rule] += 1 }
        }
    }

    var durations: (counts: [UInt64], sumSeconds: Double) { counts.withLock { ($0.durations, $0.seconds) } }
    var guards: [Int] { counts.withLock { $0.guards } }
}

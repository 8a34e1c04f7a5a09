// What the loop says of itself: figures for Prometheus, and whether it is alive and ready.

import Synchronization

/// Counters and gauges of one recommender, shared by the loop and whoever scrapes it.
public final class LoopFigures: Sendable {
    struct Values: Sendable {
        var intervals = 0
        var failures = 0
        var queries = 0
        var writes = 0
        var workloads = 0
        var byMode: [String: Int] = [:]
        var refusals: [String: Int] = [:]
        var isLeading = false
        var awareIsAway = false
        var prometheusIsAway = false
        var lastSeconds = 0.0
        /// Seconds since 1970 of the last interval that went through; 0 before the first.
        var lastSuccess = 0.0
        var problem: String?
    }

    let values = Mutex(Values())

    public init() {}

    /// Why the loop cannot do its work; `nil` while it can.
    public var problem: String? { values.withLock { $0.problem } }

    /// In the Prometheus text format 0.0.4.
    public var text: String {
        let values = values.withLock { $0 }
        var text = ""
        func add(_ name: String, _ type: String, _ help: String, _ samples: [(String, Double)]) {
            text += "# HELP aware_recommend_\(name) \(help)\n# TYPE aware_recommend_\(name) \(type)\n"
            for (labels, value) in samples {
                text += "aware_recommend_\(name)\(labels) \(Int(exactly: value).map(String.init) ?? "\(value)")\n"
            }
        }
        add("intervals_total", "counter", "Intervals that went through.", [("", Double(values.intervals))])
        add("failures_total", "counter", "Intervals that did not.", [("", Double(values.failures))])
        add("prometheus_queries", "gauge", "Queries of the last interval.", [("", Double(values.queries))])
        add("writes_total", "counter", "Writes to the API server.", [("", Double(values.writes))])
        add("workloads", "gauge", "Workloads that ask for aware, by mode.",
            values.byMode.sorted { $0.key < $1.key }.map { ("{mode=\"\($0.key)\"}", Double($0.value)) })
        add("refusals", "gauge", "Workloads for which something that was asked for is not done, by reason.",
            values.refusals.sorted { $0.key < $1.key }.map { ("{reason=\"\($0.key)\"}", Double($0.value)) })
        add("leader", "gauge", "1 while this process acts.", [("", values.isLeading ? 1 : 0)])
        add("aware_away", "gauge", "1 while aware does not answer.", [("", values.awareIsAway ? 1 : 0)])
        add("prometheus_away", "gauge", "1 while Prometheus does not answer.", [("", values.prometheusIsAway ? 1 : 0)])
        add("interval_seconds", "gauge", "Duration of the last interval's work.", [("", values.lastSeconds)])
        add("last_success_timestamp_seconds", "gauge", "When an interval last went through.", [("", values.lastSuccess)])
        return text
    }
}

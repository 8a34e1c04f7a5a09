// The queries of one interval: at most eight, each for the whole cluster, however many workloads there are.

/// The labels that a Prometheus gives to the series of containers, and what selects one cluster of several.
public struct MetricLabels: Sendable, Equatable {
    public var namespace = "namespace"
    public var pod = "pod"
    public var container = "container"
    /// Further matchers, such as `cluster="prod"`.
    public var matchers = ""

    public init() {}
}

/// A query that a workload brings along in an annotation.
struct OwnQuery: Hashable, Sendable {
    /// `namespace/name`, as an element's label `aware`.
    var workload: String
    var text: String
}

/// What one interval asks for.
struct ClusterQueries {
    enum Measure: String, CaseIterable {
        case cpu, memory, throttling, pressure, age, requests, failures, latency
    }

    var labels = MetricLabels()
    /// Window of rates: at least four scrapes.
    var windowSeconds = 120
    var presets = TrafficPreset.all
    /// Percentiles that somebody's objective has.
    var percentiles: [Double] = [99]
    var ownRequests: [OwnQuery] = []
    var ownLatencies: [OwnQuery] = []

    private var window: String { "\(windowSeconds)s" }

    private func containers(_ metric: String, _ more: String = "") -> String {
        let matchers = [
            "\(labels.container)!=\"\"", "\(labels.container)!=\"POD\"", more, labels.matchers,
        ].filter { !$0.isEmpty }.joined(separator: ",")
        return "\(metric){\(matchers)}"
    }

    private var byContainer: String { "by (\(labels.namespace),\(labels.pod),\(labels.container))" }

    /// Every query of an interval.
    var all: [(measure: Measure, text: String)] { Measure.allCases.map { ($0, text($0)) }.filter { !$0.1.isEmpty } }

    private func text(_ measure: Measure) -> String {
        switch measure {
        case .cpu: "sum \(byContainer) (rate(\(containers("container_cpu_usage_seconds_total"))[\(window)]))"
        // The highest within the window: what an OOM kill depends on.
        case .memory:
            "max \(byContainer) (max_over_time(\(containers("container_memory_working_set_bytes"))[\(window)]))"
        case .throttling:
            "sum \(byContainer) (rate(\(containers("container_cpu_cfs_throttled_periods_total"))[\(window)])) / sum \(byContainer) (rate(\(containers("container_cpu_cfs_periods_total"))[\(window)]))"
        case .pressure:
            "max \(byContainer) (rate(\(containers("container_pressure_memory_waiting_seconds_total"))[\(window)]))"
        // A vanished series lives on for minutes: its samples' own times tell.
        case .age:
            "min by (\(labels.namespace),\(labels.pod)) (time() - timestamp(\(containers("container_memory_working_set_bytes"))))"
        case .requests: joined(presets.map { $0.requestRate(labels, window: window) }, ownRequests)
        case .failures: joined(presets.map { $0.failureRate(labels, window: window) }, [])
        case .latency:
            joined(
                percentiles.flatMap { percentile in
                    presets.map { preset in
                        let value = preset.latencySeconds(labels, quantile: percentile / 100, window: window)
                        return "label_replace(\(value),\"percentile\",\"\(Self.text(percentile))\",\"\",\"\")"
                    }
                }, ownLatencies)
        }
    }

    /// As a label has it: 99, not 99.0.
    static func text(_ percentile: Double) -> String {
        Int(exactly: percentile).map(String.init) ?? "\(percentile)"
    }

    /// The first source that knows a workload wins; own queries carry their workload's name as a label.
    private func joined(_ sources: [String], _ own: [OwnQuery]) -> String {
        let named = own.map { query in
            "label_replace(sum(\(query.text)),\"aware\",\"\(query.workload)\",\"\",\"\")"
        }
        return (sources + named).map { "(\($0))" }.joined(separator: " or ")
    }
}

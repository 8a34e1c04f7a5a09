// A workload's past from Prometheus: range queries in pieces that its limit of 11,000 points a series allows.

import Foundation

/// Reads series of the past. Not thread-safe.
public final class PrometheusHistory {
    public static let stepSeconds = 60.0
    private static let pieceSeconds = 7 * 86_400.0

    private let client: PrometheusClient

    public init(_ access: PrometheusAccess) { client = PrometheusClient(access) }

    /// Every series of `query`, a point a minute.
    /// - Throws: what Prometheus or the network says, as text.
    public func series(
        _ query: String, from start: Double, to end: Double
    ) throws -> [[(time: Double, value: Double)]] {
        var series: [[String: String]: [(time: Double, value: Double)]] = [:]
        var from = (start / Self.stepSeconds).rounded(.down) * Self.stepSeconds
        while from < end {
            let to = min(end, from + Self.pieceSeconds - Self.stepSeconds)
            for found in try client.queryRange(query, from: from, to: to, step: Self.stepSeconds) {
                series[found.labels, default: []] += found.points
            }
            from += Self.pieceSeconds
        }
        return Array(series.values)
    }

    /// What is asked of a workload that `aware recommend` could look after, by the names of the history's measures.
    /// Each gives one series.
    public static func queries(
        namespace: String, workload: String, labels: MetricLabels = MetricLabels(),
        presets: [TrafficPreset] = TrafficPreset.all
    ) -> [String: String] {
        // Rates over five minutes, so that slow scrapes have two samples in them.
        let window = "5m"
        let (deployment, statefulSet) = TrafficPreset.podSuffixes
        let pods = "\(labels.namespace)=\"\(namespace)\",\(labels.pod)=~\"\(workload)-(\(deployment)|\(statefulSet))\""
        let own = [pods, labels.matchers].filter { !$0.isEmpty }.joined(separator: ",")
        let containers = "\(own),\(labels.container)!=\"\",\(labels.container)!=\"POD\""
        // Only the elements of this workload, whatever the preset called it before.
        let named =
            "on(namespace,workload) label_replace(label_replace(vector(1),\"namespace\",\"\(namespace)\",\"\",\"\"),\"workload\",\"\(workload)\",\"\",\"\")"
        func traffic(_ part: (TrafficPreset) -> String) -> String {
            presets.map { "((\(part($0))) and \(named))" }.joined(separator: " or ")
        }
        func limit(_ resource: String) -> String {
            "max(sum by (\(labels.pod)) (kube_pod_container_resource_limits{namespace=\"\(namespace)\",pod=~\"\(workload)-.+\",resource=\"\(resource)\"}))"
        }
        return [
            "requestRate": "max(\(traffic { $0.requestRate(labels, window: window) }))",
            "latencySeconds": "max(\(traffic { $0.latencySeconds(labels, quantile: 0.99, window: window) }))",
            "cpuCores": "sum(rate(container_cpu_usage_seconds_total{\(containers)}[\(window)]))",
            "memoryBytes": "sum(container_memory_working_set_bytes{\(containers)})",
            "replicas": "count(count by (\(labels.pod)) (container_memory_working_set_bytes{\(containers)}))",
            "cpuLimit": "\(limit("cpu")) * 1000",
            "memoryLimit": limit("memory"),
            "oomKills": "sum(increase(container_oom_events_total{\(containers)}[1m]))",
        ]
    }
}

// What Prometheus says of the whole cluster at one moment.

/// A container of a pod.
struct ContainerKey: Hashable {
    var namespace: String
    var pod: String
    var container: String
}

/// A pod, or a workload.
struct ObjectKey: Hashable {
    var namespace: String
    var name: String
}

/// The answers of one interval. What is not in here was not measured: never zero.
struct ClusterMetrics {
    var cpu: [ContainerKey: Double] = [:]
    var memory: [ContainerKey: Double] = [:]
    var throttling: [ContainerKey: Double] = [:]
    var pressure: [ContainerKey: Double] = [:]
    /// Seconds since a pod's last sample.
    var age: [ObjectKey: Double] = [:]
    var requests: [ObjectKey: Double] = [:]
    var failures: [ObjectKey: Double] = [:]
    /// Seconds, by percentile.
    var latency: [String: [ObjectKey: Double]] = [:]
    /// From own queries, by `namespace/name`.
    var ownRequests: [String: Double] = [:]
    var ownLatencies: [String: Double] = [:]
    /// Why measures are missing, by measure.
    var problems: [ClusterQueries.Measure: String] = [:]
    /// Nobody answered at all.
    var isAway = false

    /// Takes in the samples of one measure.
    mutating func take(_ samples: [Sample], of measure: ClusterQueries.Measure, _ labels: MetricLabels) {
        for sample in samples where sample.value.isFinite && sample.value >= 0 {
            let namespace = sample.labels[labels.namespace] ?? ""
            let pod = sample.labels[labels.pod] ?? ""
            let container = ContainerKey(
                namespace: namespace, pod: pod, container: sample.labels[labels.container] ?? "")
            let workload = ObjectKey(
                namespace: sample.labels["namespace"] ?? "", name: sample.labels["workload"] ?? "")
            switch measure {
            case .cpu: cpu[container] = sample.value
            case .memory: memory[container] = sample.value
            case .throttling: throttling[container] = min(sample.value, 1)
            case .pressure: pressure[container] = min(sample.value, 1)
            case .age: age[ObjectKey(namespace: namespace, name: pod)] = sample.value
            case .requests:
                if let own = sample.labels["aware"] { ownRequests[own] = sample.value } else { requests[workload] = sample.value }
            case .failures: failures[workload] = sample.value
            case .latency:
                if let own = sample.labels["aware"] {
                    ownLatencies[own] = sample.value
                } else {
                    latency[sample.labels["percentile"] ?? "", default: [:]][workload] = sample.value
                }
            }
        }
    }
}

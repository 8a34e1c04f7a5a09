// Everything of the cluster that one interval looks at.

struct ClusterSnapshot: Sendable {
    var workloads: [WorkloadID: Workload] = [:]
    var pods: [WorkloadID: [Pod]] = [:]
    /// VerticalPodAutoscalers and MultidimPodAutoscalers, whoever recommends for them.
    var autoscalers: [PodAutoscaler] = []
    var applications: [ApplicationClaim] = []
    var others: [OtherScaler] = []
    /// Kinds of other scalers that could not be read: nothing is written while a conflict cannot be excluded.
    var unreadable: [String] = []
}

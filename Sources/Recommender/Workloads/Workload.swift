// A Deployment or StatefulSet, reduced to what scaling needs.

/// Kinds that can be scaled here.
public enum WorkloadKind: String, Sendable, Hashable, CaseIterable {
    case deployment = "Deployment"
    case statefulSet = "StatefulSet"

    var resource: Resource { self == .deployment ? .deployments : .statefulSets }
}

/// Which workload is meant.
public struct WorkloadID: Sendable, Hashable, CustomStringConvertible {
    public var kind: WorkloadKind
    public var namespace: String
    public var name: String

    public var description: String { "\(kind.rawValue) \(namespace)/\(name)" }

    /// The name that aware knows it by: a namespace has no dots, so that no two workloads of a kind share one.
    var application: String { kind == .deployment ? "\(namespace).\(name)" : "\(namespace).statefulset.\(name)" }
}

/// One workload at one version.
struct Workload: Sendable, Equatable {
    static let annotationPrefix = "aware.dev/"

    var id: WorkloadID
    var uid: String
    var version: String
    /// Those that begin with `aware.dev/`, without the prefix.
    var annotations: [String: String]
    /// What the scale asks for.
    var replicas: Int
    /// What exists, surge included.
    var existing: Int
    var ready: Int
    var isRollingOut: Bool
    var containers: [Container]
    /// The pod has resources as a whole (`spec.resources`): sizes of containers alone would not be what counts.
    var hasPodResources: Bool

    init?(_ json: JSON, kind: WorkloadKind) {
        let metadata = json["metadata"]
        let spec = json["spec"]
        let status = json["status"]
        guard let namespace = metadata?["namespace"]?.string, let name = metadata?["name"]?.string else { return nil }
        id = WorkloadID(kind: kind, namespace: namespace, name: name)
        uid = metadata?["uid"]?.string ?? ""
        version = metadata?["resourceVersion"]?.string ?? ""
        annotations = [:]
        for (key, value) in metadata?["annotations"]?.strings ?? [:] where key.hasPrefix(Self.annotationPrefix) {
            annotations[String(key.dropFirst(Self.annotationPrefix.count))] = value
        }
        replicas = spec?["replicas"]?.integer ?? 1
        existing = status?["replicas"]?.integer ?? 0
        ready = status?["readyReplicas"]?.integer ?? 0
        isRollingOut = Self.isRollingOut(kind, metadata, status, replicas)
        let pod = spec?["template"]?["spec"]
        containers = (pod?["containers"]?.array ?? []).compactMap { Container($0) }
        hasPodResources = !(pod?["resources"]?.object ?? [:]).isEmpty
    }

    /// kubernetes.io, "Complete Deployment"; kubectl rollout status.
    private static func isRollingOut(_ kind: WorkloadKind, _ metadata: JSON?, _ status: JSON?, _ replicas: Int) -> Bool {
        let generation = metadata?["generation"]?.integer ?? 0
        if (status?["observedGeneration"]?.integer ?? 0) < generation { return true }
        if kind == .statefulSet {
            guard let update = status?["updateRevision"]?.string, let current = status?["currentRevision"]?.string
            else { return false }
            return update != current
        }
        let existing = status?["replicas"]?.integer ?? 0
        let updated = status?["updatedReplicas"]?.integer ?? 0
        // Pods of the old template beside those of the new one. Fewer than asked for alone is scaling, not a rollout.
        return existing > updated
    }
}

// Objects that ask for aware: a VerticalPodAutoscaler or MultidimPodAutoscaler that names it, or an Application.

/// What a workload wants of aware.
public enum Mode: String, Sendable, CaseIterable {
    /// Leave it alone.
    case off
    /// Decide and show, write nothing.
    case shadow
    case vertical, horizontal, both

    var isVertical: Bool { self == .vertical || self == .both }
    var isHorizontal: Bool { self == .horizontal || self == .both }
}

/// The object that a claim is for.
struct TargetReference: Sendable, Hashable {
    var kind: String
    var name: String

    init?(_ json: JSON?) {
        guard let name = json?["name"]?.string else { return nil }
        self.name = name
        kind = json?["kind"]?.string ?? "Deployment"
    }

    func id(in namespace: String) -> WorkloadID? {
        WorkloadKind(rawValue: kind).map { WorkloadID(kind: $0, namespace: namespace, name: name) }
    }
}

/// What is allowed for a container (`resourcePolicy.containerPolicies[]`).
struct ContainerPolicy: Sendable, Equatable {
    var isOff = false
    var minAllowed: [SizedResource: Int] = [:]
    var maxAllowed: [SizedResource: Int] = [:]
    var controlled: Set<SizedResource> = Set(SizedResource.allCases)
    /// Limits stay as they are.
    var requestsOnly = false

    init() {}

    init(_ json: JSON) {
        isOff = json["mode"]?.string == "Off"
        minAllowed = Resources.amounts(json["minAllowed"])
        maxAllowed = Resources.amounts(json["maxAllowed"])
        if let names = json["controlledResources"] {
            controlled = Set(names.array.compactMap { $0.string.flatMap(SizedResource.init) })
        }
        requestsOnly = json["controlledValues"]?.string == "RequestsOnly"
    }
}

/// A VerticalPodAutoscaler or a MultidimPodAutoscaler.
struct PodAutoscaler: Sendable, Equatable {
    var resource: Resource
    var namespace: String
    var name: String
    var generation: Int
    /// RFC 3339: of two on one target the oldest wins.
    var created: String
    var target: TargetReference?
    var updateMode: String
    var recommenders: [String]
    /// By container; `*` stands for the others.
    var policies: [String: ContainerPolicy]
    /// Replicas that a MultidimPodAutoscaler allows.
    var minReplicas: Int?
    var maxReplicas: Int?
    var status: JSON?

    init?(_ json: JSON, _ resource: Resource) {
        let metadata = json["metadata"]
        let spec = json["spec"]
        guard let namespace = metadata?["namespace"]?.string, let name = metadata?["name"]?.string else { return nil }
        let isMultidim = resource == .multidimPodAutoscalers
        self.resource = resource
        self.namespace = namespace
        self.name = name
        generation = metadata?["generation"]?.integer ?? 0
        created = metadata?["creationTimestamp"]?.string ?? ""
        target = TargetReference(spec?[isMultidim ? "scaleTargetRef" : "targetRef"])
        // Absent is Recreate, for upstream's updater and for us.
        updateMode = spec?[isMultidim ? "policy" : "updatePolicy"]?["updateMode"]?.string ?? "Recreate"
        recommenders = (spec?["recommenders"]?.array ?? []).compactMap { $0["name"]?.string }
        policies = [:]
        for policy in spec?["resourcePolicy"]?["containerPolicies"]?.array ?? [] {
            if let container = policy["containerName"]?.string { policies[container] = ContainerPolicy(policy) }
        }
        let replicas = spec?["constraints"]?["global"] ?? spec?["constraints"]
        minReplicas = replicas?["minReplicas"]?.integer
        maxReplicas = replicas?["maxReplicas"]?.integer
        status = json["status"]
    }

    func policy(_ container: String) -> ContainerPolicy { policies[container] ?? policies["*"] ?? ContainerPolicy() }

    /// Of two on one target (VPA: creationTimestamp, then name).
    static func isOlder(_ a: PodAutoscaler, _ b: PodAutoscaler) -> Bool { (a.created, a.name) < (b.created, b.name) }
}

/// Our own object: `aware.dev/v1alpha1 Application`, a profile that lives beside the workload.
struct ApplicationClaim: Sendable, Equatable {
    var namespace: String
    var name: String
    var generation: Int
    var created: String
    var target: TargetReference?
    var mode: Mode
    /// As `PUT /v1/applications/{app}` takes it; what it leaves out is derived from the workload.
    var profile: JSON?
    var settings: [String: String]
    var status: JSON?

    init?(_ json: JSON) {
        let metadata = json["metadata"]
        let spec = json["spec"]
        guard let namespace = metadata?["namespace"]?.string, let name = metadata?["name"]?.string else { return nil }
        self.namespace = namespace
        self.name = name
        generation = metadata?["generation"]?.integer ?? 0
        created = metadata?["creationTimestamp"]?.string ?? ""
        target = TargetReference(spec?["targetRef"])
        mode = spec?["mode"]?.string.flatMap(Mode.init) ?? .shadow
        profile = spec?["profile"]
        settings = spec?["metrics"]?.strings ?? [:]
        status = json["status"]
    }
}

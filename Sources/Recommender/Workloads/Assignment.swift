// One workload that asked for aware: how, by which objects, and what must not be written.

/// What aware does with one workload in one interval.
struct Assignment: Sendable {
    /// Who carries out a number of replicas.
    enum Horizontal: Sendable, Equatable {
        case nobody
        /// We write the scale.
        case scale
        /// Another controller reads our recommendation.
        case delegated(String)
    }

    /// Who carries out a size.
    enum Vertical: Sendable, Equatable {
        case nobody
        /// VPA's updater and admission controller, by the status that we write.
        case autoscaler
        /// We resize the pods.
        case pods
    }

    /// Why something that was asked for is not done.
    struct Refusal: Sendable, Equatable {
        var reason: String
        var message: String
    }

    var workload: Workload
    var application: String
    var mode: Mode
    var horizontal = Horizontal.nobody
    var vertical = Vertical.nobody
    /// What is sized.
    var resources: Set<SizedResource> = Set(SizedResource.allCases)
    /// Names of the containers that are sized, in the template's order.
    var containers: [String]
    /// The VPA or MPA whose status shows the recommendation.
    var autoscaler: PodAutoscaler?
    var claim: ApplicationClaim?
    var refusals: [Refusal] = []
    /// `aware.dev/` annotations and the Application's metrics settings.
    var settings: [String: String]

    var id: WorkloadID { workload.id }

    func policy(_ container: String) -> ContainerPolicy { autoscaler?.policy(container) ?? ContainerPolicy() }
}

/// An object that asks for aware and cannot be served.
struct Orphan: Sendable {
    var autoscaler: PodAutoscaler?
    var claim: ApplicationClaim?
    var refusal: Assignment.Refusal
}

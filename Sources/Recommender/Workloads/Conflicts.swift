// Two that scale one thing work against each other: aware gives way and says so.

/// Takes from an assignment what somebody else does already.
enum Conflicts {
    static func check(
        _ assignment: inout Assignment, others: [OtherScaler], autoscalers: [PodAutoscaler], unreadable: [String]
    ) {
        if !unreadable.isEmpty, assignment.horizontal == .scale || assignment.vertical == .pods {
            assignment.horizontal = .nobody
            assignment.vertical = .nobody
            assignment.refusals.append(
                .init(
                    reason: "ConflictsUnknown",
                    message: "Other autoscalers cannot be looked for (\(unreadable.sorted().joined(separator: ", "))): nothing is written."
                ))
        }
        horizontal(&assignment, others)
        vertical(&assignment, others, autoscalers)
    }

    /// Only one may write the scale. One that reads our recommendation is our hand, not a conflict.
    private static func horizontal(_ assignment: inout Assignment, _ others: [OtherScaler]) {
        guard assignment.horizontal == .scale else { return }
        let scaled = Set(others.filter { $0.kind == "ScaledObject" }.map { "ScaledObject \($0.name)" })
        let scalers = others.filter { other in
            // KEDA's own HPA is looked at by its ScaledObject.
            !(other.kind == "HorizontalPodAutoscaler" && other.application.map(scaled.contains) == true)
        }
        guard !scalers.isEmpty else { return }
        if scalers.allSatisfy({ $0.application == assignment.application }), let hand = scalers.first {
            assignment.horizontal = .delegated("\(hand.kind) \(hand.name)")
            return
        }
        assignment.horizontal = .nobody
        let names = scalers.map { "\($0.kind) \($0.name)" }.sorted().joined(separator: ", ")
        assignment.refusals.append(
            .init(
                reason: "ScaledByAnother",
                message: "\(names) scales this workload: aware does not write its replicas. Delete one of the two."))
    }

    /// Of two VPAs the oldest wins; a resource whose utilisation an HPA acts on must not be sized.
    private static func vertical(
        _ assignment: inout Assignment, _ others: [OtherScaler], _ autoscalers: [PodAutoscaler]
    ) {
        guard assignment.vertical != .nobody else { return }
        let active = autoscalers.filter { $0.updateMode != "Off" }.sorted(by: PodAutoscaler.isOlder)
        if let other = active.first {
            assignment.vertical = .nobody
            assignment.refusals.append(
                .init(
                    reason: "SizedByAnother",
                    message: "\(other.resource.plural) \(other.name) sizes these pods: aware does not. Set its mode to Off or delete it."
                ))
        }
        let utilization = others.reduce(into: Set<SizedResource>()) { $0.formUnion($1.utilization) }
        for resource in assignment.resources.intersection(utilization).sorted(by: { $0.rawValue < $1.rawValue }) {
            assignment.resources.remove(resource)
            assignment.refusals.append(
                .init(
                    reason: "ResourceScaledByAnother",
                    message: "An autoscaler acts on this workload's \(resource.rawValue) utilisation: \(resource.rawValue) is not sized."
                ))
        }
        if assignment.resources.isEmpty { assignment.vertical = .nobody }
    }
}

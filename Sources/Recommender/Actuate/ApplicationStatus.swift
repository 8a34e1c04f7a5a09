// The status of our own object: the decision, who acts, what was done last, and why something is not done.

import Scaling

enum ApplicationStatus {
    /// Actions that are shown.
    private static let actionsMax = 10

    static func status(
        of claim: ApplicationClaim, _ recommendation: Recommendation?, refusals: [Assignment.Refusal], action: String?,
        at time: Double
    ) -> JSON {
        let old = claim.status
        var conditions = [
            Condition(
                "Supported", refusals.isEmpty, refusals.first?.reason ?? "Supported",
                refusals.map(\.message).joined(separator: " "))
        ]
        var members: [String: JSON] = ["observedGeneration": .integer(claim.generation)]
        if let recommendation {
            let isAnswered = if case .aware = recommendation.origin { true } else { false }
            conditions.append(
                Condition(
                    "Decided", isAnswered, isAnswered ? "AwareAnswers" : "AwareUnreachable", recommendation.sentence))
            members["current"] = allocation(recommendation.current)
            members["desired"] = allocation(recommendation.desired)
            if case .aware(let decision) = recommendation.origin {
                members["stage"] = .string(decision.stage)
                members["source"] = .string(decision.source)
                members["reason"] = .string(decision.reason)
                members["modelVersion"] = .integer(decision.modelVersion)
                members["decision"] = .string(decision.id)
            }
        }
        members["mode"] = .string(claim.mode.rawValue)
        var actions = old?["lastActions"]?.array ?? []
        if let action {
            actions.insert(["time": .string(KubernetesTime.text(time)), "action": .string(action)], at: 0)
        }
        members["lastActions"] = .array(Array(actions.prefix(actionsMax)))
        members["conditions"] = Condition.merged(
            conditions, into: old?["conditions"]?.array ?? [], generation: claim.generation, at: time)
        return .object(members)
    }

    private static func allocation(_ allocation: Allocation) -> JSON {
        [
            "replicas": .integer(allocation.replicas), "cpu": .string(Quantity.text(millicores: allocation.cpuMillicores)),
            "memory": .string(Quantity.text(bytes: allocation.memoryBytes)),
        ]
    }
}

// The status of a VerticalPodAutoscaler or a MultidimPodAutoscaler, in the form on which upstream's updater acts.
//
// kubernetes/autoscaler, vertical-pod-autoscaler/pkg/updater: a pod is touched only while a request lies outside the bounds.
// So the bounds are tight around a target that is wanted, and wide where nothing shall change.

import Scaling

enum AutoscalerStatus {
    /// - Parameters:
    ///   - recommendation: `nil` when the object cannot be served.
    ///   - refusals: why something that was asked for is not done.
    static func status(
        of autoscaler: PodAutoscaler, _ recommendation: Recommendation?, refusals: [Assignment.Refusal], at time: Double
    ) -> JSON {
        var members: [String: JSON] = [
            "conditions": Condition.merged(
                conditions(recommendation, refusals), into: autoscaler.status?["conditions"]?.array ?? [], generation: nil,
                at: time),
            "observedGeneration": .integer(autoscaler.generation),
        ]
        if let recommendation {
            members["recommendation"] = ["containerRecommendations": .array(containers(recommendation))]
        } else if let old = autoscaler.status?["recommendation"] {
            members["recommendation"] = old
        }
        if autoscaler.resource == .multidimPodAutoscalers, let recommendation {
            members["currentReplicas"] = .integer(recommendation.current.replicas)
            members["desiredReplicas"] = .integer(recommendation.desired.replicas)
            if recommendation.changesReplicas {
                members["lastScaleTime"] = .string(KubernetesTime.text(time))
            } else if let last = autoscaler.status?["lastScaleTime"] {
                members["lastScaleTime"] = last
            }
        }
        return .object(members)
    }

    private static func conditions(_ recommendation: Recommendation?, _ refusals: [Assignment.Refusal]) -> [Condition] {
        var conditions: [Condition] = []
        if let recommendation {
            conditions.append(Condition("RecommendationProvided", true, "Decided", recommendation.sentence))
            let hasPods = recommendation.pods.contains { !$0.isOver }
            conditions.append(
                Condition("NoPodsMatched", !hasPods, hasPods ? "PodsMatched" : "NoPods", hasPods ? "" : "The target has no pods."))
            let isAway = if case .localRules = recommendation.origin { true } else { false }
            conditions.append(
                Condition(
                    "LowConfidence", isAway, isAway ? "AwareUnreachable" : "AwareAnswers",
                    isAway ? "aware is away: the local rules act, and take nothing away." : ""))
        }
        conditions.append(
            Condition(
                "ConfigUnsupported", !refusals.isEmpty, refusals.first?.reason ?? "Supported",
                refusals.map(\.message).joined(separator: " ")))
        return conditions
    }

    private static func containers(_ recommendation: Recommendation) -> [JSON] {
        let assignment = recommendation.assignment
        let wanted = recommendation.resources
        let now = recommendation.observed.sizing.resources(recommendation.current, only: assignment.resources) {
            assignment.policy($0).requestsOnly
        }
        let acts = assignment.vertical == .autoscaler && recommendation.changesSize
        return assignment.containers.compactMap { name in
            guard let target = wanted[name], !target.requests.isEmpty else { return nil }
            let policy = assignment.policy(name)
            var lists: [String: [String: JSON]] = [:]
            for (resource, request) in target.requests {
                let capped = min(max(request, policy.minAllowed[resource] ?? 0), policy.maxAllowed[resource] ?? .max)
                let isWanted = acts && capped != now[name]?.requests[resource]
                func set(_ list: String, _ amount: Int) {
                    lists[list, default: [:]][resource.rawValue] = .string(Resources.text(amount, resource))
                }
                set("target", capped)
                set("uncappedTarget", request)
                let (least, most) = resource == .cpu ? (1, 1_000_000) : (1 << 20, 1 << 44)
                set("lowerBound", isWanted ? capped : policy.minAllowed[resource] ?? least)
                set("upperBound", isWanted ? capped : policy.maxAllowed[resource] ?? most)
            }
            var members = lists.mapValues { JSON.object($0) }
            members["containerName"] = .string(name)
            return .object(members)
        }
    }
}

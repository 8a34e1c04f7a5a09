// Conditions of a status: `lastTransitionTime` moves only when `status` does (Kubernetes API conventions).

/// One condition to show.
struct Condition: Sendable, Equatable {
    var type: String
    var isTrue: Bool
    var reason: String
    var message: String

    init(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String) {
        self.type = type
        self.isTrue = isTrue
        self.reason = reason
        self.message = message
    }

    /// The list to write, given the list that stands there.
    static func merged(_ conditions: [Condition], into old: [JSON], generation: Int?, at time: Double) -> JSON {
        .array(
            conditions.map { condition in
                let status = condition.isTrue ? "True" : "False"
                let before = old.first { $0["type"]?.string == condition.type }
                let moved = before?["status"]?.string != status
                let since = moved ? KubernetesTime.text(time) : before?["lastTransitionTime"]?.string ?? KubernetesTime.text(time)
                var members: [String: JSON] = [
                    "type": .string(condition.type), "status": .string(status), "reason": .string(condition.reason),
                    "message": .string(condition.message), "lastTransitionTime": .string(since),
                ]
                if let generation { members["observedGeneration"] = .integer(generation) }
                return .object(members)
            })
    }
}

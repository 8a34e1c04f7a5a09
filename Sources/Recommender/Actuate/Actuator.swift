// Carries out what was decided: writes the scale, resizes pods, and shows it in the status of whoever asked.

import Scaling

/// Writes to the API server. Not thread-safe. Every write is conditional: on the version that was decided upon, or it says
/// only what shall be, so that doing it twice changes nothing.
final class Actuator {
    private let client: KubernetesClient
    private let log: @Sendable (String) -> Void
    /// Objects whose writing was refused, and the version that was refused: not again until they change.
    private var refused: [String: String] = [:]
    private(set) var writes = 0

    init(_ client: KubernetesClient, log: @escaping @Sendable (String) -> Void) {
        self.client = client
        self.log = log
    }

    /// Carries out a recommendation.
    /// - Returns: what was done, in a sentence, or `nil`; and why something could not be.
    func carryOut(_ recommendation: Recommendation) -> (action: String?, refusals: [Assignment.Refusal]) {
        let assignment = recommendation.assignment
        guard assignment.mode != .shadow, assignment.mode != .off else { return (nil, []) }
        var done: [String] = []
        var refusals: [Assignment.Refusal] = []
        if assignment.horizontal == .scale, recommendation.changesReplicas {
            attempt("\(assignment.id) scale", assignment.workload.version, &refusals) { () throws(KubernetesError) in
                try scale(recommendation)
                done.append("scaled from \(recommendation.current.replicas) to \(recommendation.desired.replicas) replicas")
            }
        }
        if assignment.vertical == .pods {
            let count = resize(recommendation, &refusals)
            if count > 0 { done.append("resized \(count) pods") }
        }
        guard !done.isEmpty else { return (nil, refusals) }
        let action = "\(done.joined(separator: " and ")): \(recommendation.sentence)"
        log("\(assignment.id): \(action)")
        return (action, refusals)
    }

    /// A merge patch with the version that the decision saw: 409 when somebody else was faster, and then it is decided anew.
    private func scale(_ recommendation: Recommendation) throws(KubernetesError) {
        let workload = recommendation.assignment.workload
        writes += 1
        _ = try client.patch(
            workload.id.kind.resource.path(workload.id.namespace, workload.id.name, "scale"), .merge,
            [
                "metadata": ["resourceVersion": .string(workload.version)],
                "spec": ["replicas": .integer(recommendation.desired.replicas)],
            ])
    }

    /// Brings every pod to the size that is wanted. A pod whose resize is under way, or that cannot be resized, is left.
    private func resize(_ recommendation: Recommendation, _ refusals: inout [Assignment.Refusal]) -> Int {
        let wanted = recommendation.resources
        var count = 0
        for pod in recommendation.pods where !pod.isOver && !pod.isTerminating {
            switch pod.resize {
            case .inProgress, .deferred: continue
            case .infeasible(let why):
                refusals.append(.init(reason: "ResizeInfeasible", message: "Pod \(pod.name) cannot be resized: \(why)"))
                continue
            case .failed(let why):
                refusals.append(.init(reason: "ResizeFailed", message: "Pod \(pod.name): \(why)"))
            case .none: break
            }
            let changes = pod.containers.compactMap { container -> JSON? in
                guard let target = wanted[container.name], Self.differs(target, from: container.resources) else { return nil }
                return ["name": .string(container.name), "resources": Self.json(target)]
            }
            guard !changes.isEmpty else { continue }
            attempt("pod \(pod.namespace)/\(pod.name)", "\(changes)", &refusals) { () throws(KubernetesError) in
                writes += 1
                _ = try client.patch(
                    Resource.pods.path(pod.namespace, pod.name, "resize"), .strategic,
                    ["spec": ["containers": .array(changes)]])
                count += 1
            }
        }
        return count
    }

    /// Whether a container's spec asks for something else than what is wanted.
    private static func differs(_ wanted: Resources, from spec: Resources) -> Bool {
        wanted.requests.contains { spec.requests[$0.key] != $0.value } || wanted.limits.contains { spec.limits[$0.key] != $0.value }
    }

    private static func json(_ resources: Resources) -> JSON {
        func list(_ amounts: [SizedResource: Int]) -> JSON {
            .object(
                Dictionary(
                    uniqueKeysWithValues: amounts.map { ($0.key.rawValue, .string(Resources.text($0.value, $0.key))) }))
        }
        var members: [String: JSON] = [:]
        if !resources.requests.isEmpty { members["requests"] = list(resources.requests) }
        if !resources.limits.isEmpty { members["limits"] = list(resources.limits) }
        return .object(members)
    }

    /// Shows a status where it has changed.
    func show(_ status: JSON, of autoscaler: PodAutoscaler) {
        guard status != autoscaler.status else { return }
        let path = autoscaler.resource.path(autoscaler.namespace, autoscaler.name, "status")
        var ignored: [Assignment.Refusal] = []
        attempt("status of \(autoscaler.resource) \(autoscaler.namespace)/\(autoscaler.name)", status.text, &ignored) {
            () throws(KubernetesError) in
            writes += 1
            // The form that upstream's recommender writes.
            _ = try client.patch(path, .json, [["op": "add", "path": "/status", "value": status]])
        }
    }

    func show(_ status: JSON, of claim: ApplicationClaim) {
        guard status != claim.status else { return }
        let path = Resource.applications.path(claim.namespace, claim.name, "status")
        var ignored: [Assignment.Refusal] = []
        attempt("status of application \(claim.namespace)/\(claim.name)", status.text, &ignored) { () throws(KubernetesError) in
            writes += 1
            _ = try client.patch(path, .merge, ["status": status])
        }
    }

    /// Tries a write. What cannot succeed before something changes is not tried again until then.
    private func attempt(
        _ what: String, _ version: String, _ refusals: inout [Assignment.Refusal],
        _ write: () throws(KubernetesError) -> Void
    ) {
        guard refused[what] != version else {
            refusals.append(.init(reason: "Refused", message: "\(what) was refused and has not changed since."))
            return
        }
        do throws(KubernetesError) {
            try write()
            refused[what] = nil
        } catch {
            log("\(what): \(error)")
            switch error.remedy {
            case .waitForChange, .bug, .slowRetry:
                refused[what] = version
                refusals.append(.init(reason: error.status == 403 ? "Forbidden" : "Refused", message: "\(what): \(error.message)"))
            // The next interval reads again, decides again and writes again.
            default: refusals.append(.init(reason: "NotWritten", message: "\(what): \(error.message)"))
            }
        }
    }
}

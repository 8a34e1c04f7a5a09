// Which workloads ask for aware, how, and what stands in the way: a pure function of the cluster.

/// Finds the assignments of one interval.
struct WorkloadFinder {
    /// The name in `spec.recommenders` that means us.
    var recommender = "aware"
    /// Whether this process is responsible for a workload; several share a cluster by this.
    var isOurs: @Sendable (WorkloadID) -> Bool = { _ in true }

    struct Result: Sendable {
        var assignments: [Assignment] = []
        var orphans: [Orphan] = []
    }

    func find(in cluster: ClusterSnapshot) -> Result {
        var result = Result()
        let autoscalers = claims(cluster.autoscalers.filter { $0.recommenders.first == recommender }, &result)
        let applications = claims(cluster.applications, &result)
        let others = Dictionary(grouping: cluster.others) { $0.target.id(in: $0.namespace) }
        let foreign = Dictionary(grouping: cluster.autoscalers.filter { $0.recommenders.first != recommender }) {
            $0.target?.id(in: $0.namespace)
        }
        for (id, autoscaler) in autoscalers where cluster.workloads[id] == nil && isOurs(id) {
            result.orphans.append(Orphan(autoscaler: autoscaler, refusal: Self.noTarget(id)))
        }
        for (id, claim) in applications where cluster.workloads[id] == nil && isOurs(id) {
            result.orphans.append(Orphan(claim: claim, refusal: Self.noTarget(id)))
        }
        for (id, workload) in cluster.workloads where isOurs(id) {
            let (autoscaler, claim) = (autoscalers[id], applications[id])
            guard let mode = mode(workload, autoscaler, claim), mode != .off else { continue }
            var assignment = Assignment(
                workload: workload, application: id.application, mode: mode,
                containers: workload.containers.map(\.name), autoscaler: autoscaler, claim: claim,
                settings: workload.annotations.merging(claim?.settings ?? [:]) { $1 })
            assign(&assignment)
            Conflicts.check(
                &assignment, others: others[id] ?? [], autoscalers: foreign[id] ?? [],
                unreadable: cluster.unreadable)
            result.assignments.append(assignment)
        }
        result.assignments.sort { $0.application < $1.application }
        return result
    }

    private static func noTarget(_ id: WorkloadID) -> Assignment.Refusal {
        .init(reason: "TargetNotFound", message: "There is no \(id).")
    }

    /// The oldest claim of each workload; all others are told that they count for nothing.
    private func claims(_ autoscalers: [PodAutoscaler], _ result: inout Result) -> [WorkloadID: PodAutoscaler] {
        var oldest: [WorkloadID: PodAutoscaler] = [:]
        for autoscaler in autoscalers.sorted(by: PodAutoscaler.isOlder) {
            guard let id = autoscaler.target?.id(in: autoscaler.namespace) else {
                result.orphans.append(Orphan(autoscaler: autoscaler, refusal: Self.badTarget(autoscaler.target)))
                continue
            }
            guard let first = oldest[id] else {
                oldest[id] = autoscaler
                continue
            }
            if isOurs(id) {
                result.orphans.append(
                    Orphan(
                        autoscaler: autoscaler,
                        refusal: .init(
                            reason: "AnotherAutoscaler", message: "\(first.name) is older and has the same target.")))
            }
        }
        return oldest
    }

    private func claims(_ applications: [ApplicationClaim], _ result: inout Result) -> [WorkloadID: ApplicationClaim] {
        var oldest: [WorkloadID: ApplicationClaim] = [:]
        for claim in applications.sorted(by: { ($0.created, $0.name) < ($1.created, $1.name) }) {
            guard let id = claim.target?.id(in: claim.namespace) else {
                result.orphans.append(Orphan(claim: claim, refusal: Self.badTarget(claim.target)))
                continue
            }
            guard let first = oldest[id] else {
                oldest[id] = claim
                continue
            }
            if isOurs(id) {
                result.orphans.append(
                    Orphan(
                        claim: claim,
                        refusal: .init(
                            reason: "AnotherApplication", message: "\(first.name) is older and has the same target.")))
            }
        }
        return oldest
    }

    private static func badTarget(_ target: TargetReference?) -> Assignment.Refusal {
        .init(
            reason: "TargetNotSupported",
            message: target.map { "A \($0.kind) cannot be scaled by aware, only a Deployment or a StatefulSet." }
                ?? "There is no target.")
    }

    /// The annotation on the workload has the last word: it is the way out. Then our own object, then the autoscaler.
    private func mode(_ workload: Workload, _ autoscaler: PodAutoscaler?, _ claim: ApplicationClaim?) -> Mode? {
        if let text = workload.annotations["mode"] {
            // A misspelt mode must not move anything.
            return Mode(rawValue: text) ?? .shadow
        }
        if let claim { return claim.mode }
        guard let autoscaler else { return nil }
        if autoscaler.updateMode == "Off" { return .shadow }
        return autoscaler.resource == .multidimPodAutoscalers ? .both : .vertical
    }

    /// Who would carry it out, before conflicts are looked for.
    private func assign(_ assignment: inout Assignment) {
        let workload = assignment.workload
        if let text = workload.annotations["mode"], Mode(rawValue: text) == nil {
            assignment.refusals.append(
                .init(
                    reason: "UnknownMode",
                    message: "aware.dev/mode: \(text.prefix(40)) is not one of: \(Mode.allCases.map(\.rawValue).joined(separator: ", ")). Nothing is written."))
        }
        let off = assignment.containers.filter { assignment.policy($0).isOff }
        assignment.containers.removeAll { off.contains($0) }
        if let names = assignment.settings["containers"] {
            let wanted = names.split(separator: ",").map { $0.trimmingPrefix { $0 == " " } }.map(String.init)
            assignment.containers.removeAll { !wanted.contains($0) }
        }
        assignment.resources = assignment.containers.reduce(into: []) { all, container in
            all.formUnion(assignment.policy(container).controlled)
        }
        if assignment.mode.isHorizontal { assignment.horizontal = .scale }
        if assignment.mode.isVertical {
            let vpa = assignment.autoscaler.flatMap { $0.resource == .verticalPodAutoscalers ? $0 : nil }
            assignment.vertical = vpa.map { $0.updateMode != "Off" } == true ? .autoscaler : .pods
        }
        if workload.hasPodResources {
            assignment.vertical = .nobody
            assignment.refusals.append(
                .init(
                    reason: "PodLevelResources",
                    message: "The pod has resources as a whole (spec.resources): sizes of its containers are left alone."))
        }
        if workload.replicas == 0 {
            assignment.horizontal = .nobody
            assignment.refusals.append(
                .init(reason: "ScalingDisabled", message: "The workload has 0 replicas: autoscaling is off."))
        }
    }
}

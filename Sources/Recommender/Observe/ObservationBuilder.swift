// From a workload, its pods and the cluster's metrics to one observation. What was not measured stays out: never zero.

import Scaling

/// What one interval saw of one workload.
struct Observed: Sendable {
    var observation: Observation
    var sizing: Sizing
    /// Kills that the observation tells of.
    var kills: Int
    /// What a person should know: limits that are missing, metrics that are stale.
    var notes: [Assignment.Refusal] = []
}

struct ObservationBuilder {
    /// Samples older than this are of another time: as if nothing had been measured.
    static let staleSeconds = 120.0

    var metrics: ClusterMetrics
    /// Seconds since 1970.
    var time: Double

    /// - Parameters:
    ///   - percentile: of the latency objective.
    ///   - last: what was decided in the interval before; whether it runs now is what `applied` says.
    func observe(
        _ assignment: Assignment, pods: [Pod], kills: Int, percentile: Double, last: Allocation?
    ) -> Observed {
        let workload = assignment.workload
        let living = pods.filter { !$0.isOver && !$0.isTerminating }
        let template = Dictionary(workload.containers.map { ($0.name, $0.resources) }, uniquingKeysWith: { $1 })
        // A pod that runs shows what its node gives; the template shows what the next one will get.
        let sample = living.last { $0.isReady } ?? living.last
        let sizing = Sizing(containers: assignment.containers) { name in
            sample.flatMap { pod in pod.containers.first { $0.name == name }.map { pod.resources(of: $0) } } ?? template[name]
        }
        var observation = Observation(replicas: workload.replicas)
        observation.time = time
        observation.existingReplicas = living.isEmpty ? workload.existing : living.count
        observation.readyReplicas = living.isEmpty ? workload.ready : living.count { $0.isReady }
        observation.rolloutInProgress = workload.isRollingOut || living.contains { $0.resize == .inProgress }
        observation.cpuMillicores = sizing.total(.cpu)
        observation.memoryBytes = sizing.total(.memory)
        observation.oomKills = kills
        var observed = Observed(observation: observation, sizing: sizing, kills: kills)
        measure(living, assignment, &observed)
        traffic(assignment, percentile, &observed)
        if let last { observed.observation.applied = Self.runs(last, workload, sizing) }
        for resource in sizing.withoutLimit.sorted(by: { $0.rawValue < $1.rawValue }) {
            observed.notes.append(
                .init(
                    reason: "NoLimit",
                    message: "Containers have no \(resource.rawValue) limit: utilisation is measured against their requests."))
        }
        for resource in sizing.unsized.sorted(by: { $0.rawValue < $1.rawValue }) {
            observed.notes.append(
                .init(
                    reason: "NoRequest",
                    message: "No container asks for \(resource.rawValue): its use cannot be judged, so nothing is taken away."))
        }
        return observed
    }

    /// Whether what was decided last is what runs, within what rounding to MiB and to shares does.
    private static func runs(_ last: Allocation, _ workload: Workload, _ sizing: Sizing) -> Bool {
        func isClose(_ found: Int?, _ wanted: Int) -> Bool {
            guard let found, wanted > 0 else { return true }
            return abs(Double(found) / Double(wanted) - 1) < 0.02
        }
        return workload.replicas == last.replicas && isClose(sizing.total(.cpu), last.cpuMillicores)
            && isClose(sizing.total(.memory), last.memoryBytes)
    }

    /// Usage of the containers that are sized, over what they may use.
    private func measure(_ pods: [Pod], _ assignment: Assignment, _ observed: inout Observed) {
        let fresh = pods.filter { pod in
            (metrics.age[ObjectKey(namespace: pod.namespace, name: pod.name)] ?? 0) <= Self.staleSeconds
        }
        if fresh.count < pods.count {
            observed.notes.append(
                .init(reason: "StaleMetrics", message: "The metrics of \(pods.count - fresh.count) pods are older than \(Int(Self.staleSeconds)) s: they do not count."))
        }
        var (cpu, cpuBase, memory, memoryBase) = (0.0, 0.0, 0.0, 0.0)
        var peak: Double?
        var throttled: [Double] = []
        var pressure: Double?
        for pod in fresh {
            for container in pod.containers where assignment.containers.contains(container.name) {
                let key = ContainerKey(namespace: pod.namespace, pod: pod.name, container: container.name)
                let resources = pod.resources(of: container)
                if let used = metrics.cpu[key], let base = resources.limits[.cpu] ?? resources.requests[.cpu] {
                    cpu += used
                    cpuBase += Double(base) / 1000
                }
                if let used = metrics.memory[key], let base = resources.limits[.memory] ?? resources.requests[.memory] {
                    memory += used
                    memoryBase += Double(base)
                    peak = max(peak ?? 0, used / Double(base))
                }
                if let share = metrics.throttling[key] { throttled.append(share) }
                if let share = metrics.pressure[key] { pressure = max(pressure ?? 0, share) }
            }
        }
        if cpuBase > 0 { observed.observation.cpuUtilization = cpu / cpuBase }
        if memoryBase > 0 { observed.observation.memoryUtilization = memory / memoryBase }
        observed.observation.memoryPeakUtilization = peak
        observed.observation.memoryPressure = pressure
        if !throttled.isEmpty { observed.observation.throttledRatio = throttled.reduce(0, +) / Double(throttled.count) }
    }

    private func traffic(_ assignment: Assignment, _ percentile: Double, _ observed: inout Observed) {
        let key = ObjectKey(namespace: assignment.id.namespace, name: assignment.settings["service"] ?? assignment.id.name)
        let own = "\(assignment.id.namespace)/\(assignment.id.name)"
        let rate = metrics.ownRequests[own] ?? metrics.requests[key]
        observed.observation.requestRate = rate
        if let rate { observed.observation.throughput = max(0, rate - (metrics.failures[key] ?? 0)) }
        observed.observation.latencySeconds =
            metrics.ownLatencies[own] ?? metrics.latency[ClusterQueries.text(percentile)]?[key]
    }
}

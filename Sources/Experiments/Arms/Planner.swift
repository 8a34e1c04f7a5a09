// The ceiling: a planner that knows the model, the load and even the noise to come.

import ClusterModel
import Scaling

/// Receding horizon on the true cluster: every step it tries allocations, holds each for a few steps in copies of the
/// cluster, and carries out the first step of the best. Not proven optimal, only hard to beat.
public struct PlannerController: Clairvoyant, Sendable {
    /// Decision steps that a candidate is held for. The best over these lengths of (mean reward until then, followed by
    /// what the longest hold earns afterwards) is unknown; five steps cover start-up and the next rise.
    public var horizon = 5
    /// Headroom over the highest memory that the horizon will need, as a factor.
    public var memoryMargin = 1.005
    /// Objective: the reported reward, less `weights` when the planner shall keep to what training pays for.
    public var weights: Profile.RewardWeights?

    public init(weights: Profile.RewardWeights? = nil) { self.weights = weights }

    public mutating func decide(cluster: Cluster, future: ArraySlice<Double>) -> Allocation {
        let step = max(1, Int(Double(cluster.profile.stepSeconds) / Cluster.subStepSeconds))
        let load = future.prefix(horizon * step)
        guard !load.isEmpty else { return cluster.allocation }
        var best = cluster.allocation
        var bestScore = -Double.infinity
        for candidate in candidates(cluster: cluster, load: load, step: step) {
            let score = score(candidate, cluster: cluster, load: load, step: step)
            if score > bestScore { (best, bestScore) = (candidate, score) }
        }
        return best
    }

    /// Mean reward of holding `candidate` over `load`.
    private func score(_ candidate: Allocation, cluster: Cluster, load: ArraySlice<Double>, step: Int) -> Double {
        var copy = cluster
        var total = 0.0
        var count = 0.0
        var start = load.startIndex
        while start + step <= load.endIndex {
            let outcome = copy.step(desired: candidate, load: load[start..<start + step])
            total += outcome.reward - penalty(outcome)
            count += 1
            start += step
        }
        return count > 0 ? total / count : 0
    }

    private func penalty(_ outcome: StepOutcome) -> Double {
        guard let weights else { return 0 }
        return (outcome.violated ? weights.violation : 0) + weights.oom * Double(outcome.oomKills)
            + (outcome.replicasChanged ? weights.replicaChange : 0) + (outcome.resized ? weights.resize : 0)
            + weights.unusedCpu * max(0, 1 - outcome.cpuUtilization)
    }

    /// Allocations worth trying: the current one, and for every number of replicas and CPU size that the load could
    /// make sense of, the memory that it needs over the horizon.
    private func candidates(cluster: Cluster, load: ArraySlice<Double>, step: Int) -> [Allocation] {
        let profile = cluster.profile
        let busy = (load.max() ?? 0) * cluster.service.cpuSeconds
        let mean = load.reduce(0, +) / Double(load.count) * cluster.service.cpuSeconds
        var result = [cluster.allocation]
        for replicas in profile.minReplicas...profile.maxReplicas {
            var inRange: [Int] = []
            for cpu in stride(from: profile.cpu.min, through: profile.cpu.max, by: profile.cpu.step) {
                let cores = Double(replicas * cpu) / 1000
                if cores > 0.8 * busy, mean > 0.3 * cores { inRange.append(cpu) }
            }
            // Where nothing fits, the extremes: an idle load needs the smallest, an impossible one the largest.
            if inRange.isEmpty, replicas == profile.minReplicas { inRange = [profile.cpu.min] }
            if inRange.isEmpty, replicas == profile.maxReplicas { inRange = [profile.cpu.max] }
            for cpu in inRange {
                var candidate = Allocation(
                    replicas: replicas, cpuMillicores: cpu, memoryBytes: cluster.allocation.memoryBytes)
                candidate.memoryBytes = memory(for: candidate, cluster: cluster, load: load, step: step)
                result.append(profile.clamp(candidate))
            }
        }
        return result
    }

    /// The highest memory of one replica over the horizon: in-flight requests by Little's law at the highest load that
    /// each sub-step brings, in whole MiB.
    private func memory(
        for candidate: Allocation, cluster: Cluster, load: ArraySlice<Double>, step: Int
    ) -> Int {
        let service = cluster.service
        let cores = Double(candidate.cpuMillicores) / 1000 / cluster.workFactor
        let each = service.capacity(cores: cores)
        // Replicas that are ready carry the load until the new ones are.
        let ready = Double(max(1, min(cluster.readyReplicas, candidate.replicas)))
        let later = Double(candidate.replicas)
        let delay = Int((service.startupSeconds * cluster.dynamics.startupFactor / Cluster.subStepSeconds).rounded(.up))
        var highest = 0.0
        for (offset, rate) in load.enumerated() {
            let share = min(rate / (offset < delay ? ready : later), each)
            let mean = service.meanLatency(cores: cores, load: share / each)
            highest = max(highest, min(ServiceModel.requestsInFlightMax, share * mean))
        }
        if cluster.backlog > 0 { highest = ServiceModel.requestsInFlightMax }
        let bytes = (service.baseBytes + highest * service.bytesPerRequest) * memoryMargin
        return Int((bytes / 1_048_576).rounded(.up)) << 20
    }
}

// What acts while aware is away: the same rules as aware's fallback, fed in every interval so that they know the load. They
// only add: whoever cannot ask does not take away.

import Deciding
import Scaling

/// One workload's rules.
struct LocalRules {
    private var controller: DecisionController

    init(_ sizing: Sizing, current: Allocation) {
        var profile = Profile()
        profile.minReplicas = max(1, min(profile.minReplicas, current.replicas))
        profile.maxReplicas = max(profile.maxReplicas, 4 * current.replicas)
        profile.cpu.max = max(profile.cpu.max, 4 * current.cpuMillicores)
        profile.memory.max = max(profile.memory.max, 4 * current.memoryBytes)
        profile.cpu.min = min(profile.cpu.min, max(1, current.cpuMillicores))
        profile.memory.min = min(profile.memory.min, max(1 << 20, current.memoryBytes))
        profile.objective = .none
        controller = DecisionController(rulesOf: profile, fixedCpu: current.cpuMillicores)
    }

    /// Takes in an observation; what the rules say of it, never less than what runs.
    mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        let wanted = controller.decide(observation, current: current)
        // Somebody has switched it off, or no metric says anything.
        guard current.replicas > 0 else { return current }
        return Allocation(
            replicas: max(wanted.replicas, current.replicas), cpuMillicores: max(wanted.cpuMillicores, current.cpuMillicores),
            memoryBytes: max(wanted.memoryBytes, current.memoryBytes))
    }
}

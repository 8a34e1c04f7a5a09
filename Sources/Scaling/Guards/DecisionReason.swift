// The short reason of a decision, as Kubernetes writes reasons: one CamelCase word for people and for filters.

/// Why a decision is what it is, as far as the observation shows.
public enum DecisionReason: String, Sendable, CaseIterable {
    case pinned = "Pinned"
    case paused = "Paused"
    /// No replica is wanted: somebody switched the application off, and it stays off.
    case autoscalingOff = "AutoscalingOff"
    /// A change was wanted and waits for a person (`actuation: approve`).
    case awaitingApproval = "AwaitingApproval"
    case badData = "BadData"
    case oomKilled = "OOMKilled"
    case latencyAboveSLO = "LatencyAboveSLO"
    case throughputBelowSLO = "ThroughputBelowSLO"
    case sloViolated = "SLOViolated"
    case cpuAboveTarget = "CpuAboveTarget"
    case memoryNearLimit = "MemoryNearLimit"
    /// More is given although nothing is short yet.
    case headroom = "Headroom"
    case idle = "Idle"
    case cpuBelowTarget = "CpuBelowTarget"
    case memoryBelowTarget = "MemoryBelowTarget"
    /// A change was wanted and a guard held it back.
    case heldByGuard = "HeldByGuard"
    case hold = "Hold"

    /// Memory utilisation from which on a rise is explained by it.
    static let memoryNearLimitFrom = 0.85
    /// CPU utilisation below which an application counts as idle.
    static let idleBelow = 0.02

    /// - Parameters:
    ///   - parts: the observation's reward parts (for whether it violates the objective).
    ///   - current: the observed allocation, `guarded` what was made of the proposal.
    public static func of(
        _ observation: Observation, parts: RewardParts, quality: ObservationQuality, current: Allocation,
        guarded: Guarded, profile: Profile
    ) -> DecisionReason {
        if quality.contains(.noReplicas) { return .autoscalingOff }
        switch guarded.override {
        case .pin: return .pinned
        case .hold: return quality.holds ? .badData : .paused
        case .rules, nil: break
        }
        if guarded.records.contains(.approval) { return .awaitingApproval }
        let next = guarded.allocation
        let isMore =
            next.replicas > current.replicas || next.cpuMillicores > current.cpuMillicores
            || next.memoryBytes > current.memoryBytes
        if isMore { return more(observation, parts, current: current, next: next, profile) }
        guard next != current else {
            if quality.forbidsDown, guarded.records.contains(.badData) { return .badData }
            return guarded.records.isEmpty ? .hold : .heldByGuard
        }
        let cpu = observation.cpuUtilization ?? 1
        if observation.requestRate == 0 || cpu < idleBelow { return .idle }
        let isOnlyMemory = next.replicas == current.replicas && next.cpuMillicores == current.cpuMillicores
        return isOnlyMemory ? .memoryBelowTarget : .cpuBelowTarget
    }

    private static func more(
        _ observation: Observation, _ parts: RewardParts, current: Allocation, next: Allocation, _ profile: Profile
    ) -> DecisionReason {
        let memoryRises = next.memoryBytes > current.memoryBytes
        if memoryRises, (observation.oomKills ?? 0) > 0 { return .oomKilled }
        if parts.violated {
            switch profile.objective {
            case .latency: return .latencyAboveSLO
            case .throughput: return .throughputBelowSLO
            case .none: return .sloViolated
            }
        }
        let isWider = next.replicas > current.replicas || next.cpuMillicores > current.cpuMillicores
        if isWider, (observation.cpuUtilization ?? 0) > profile.fallback.cpuTarget { return .cpuAboveTarget }
        if memoryRises, (observation.memoryUtilization ?? 0) >= memoryNearLimitFrom { return .memoryNearLimit }
        return .headroom
    }
}

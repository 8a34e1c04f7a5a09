// The rewards that can be chosen in the tabular environment: the published one and the three of the exercise.

/// How a state, and the action that led to it, are paid. All stay in -1...1.
public enum TabularReward: String, Sendable, CaseIterable {
    /// 0.3 utilisation + 0.7 SLO preservation; -1 for an illegal action, a reversal, or no container (AWARE, USENIX ATC 2023).
    case published
    /// SLO preservation alone (exercise task 3.1): more is never worse.
    case overProvisioning
    /// Utilisation alone (task 3.2): fewer is never worse.
    case tightPacking
    /// The mean of both, with -1 for an illegal action, a reversal, or no container (tasks 3.3 and 3.4).
    case balanced

    /// The reward of a state without regard to how it was reached.
    public func value(utilization: Double, sloPreservation: Double) -> Double {
        switch self {
        case .published: 0.3 * utilization + 0.7 * sloPreservation
        case .overProvisioning: sloPreservation
        case .tightPacking: utilization
        case .balanced: 0.5 * (utilization + sloPreservation)
        }
    }

    /// Whether what is undesired is punished.
    private var punishes: Bool { self == .published || self == .balanced }

    func value(_ state: TabularState, isReversal: Bool) -> Double {
        if punishes && (isReversal || state.latency == .infinity && state.utilization == 0) { return -1 }
        return value(utilization: state.utilization, sloPreservation: state.sloPreservation)
    }

    /// What an action that could not be carried out earns.
    func illegal(_ state: TabularState) -> Double {
        punishes ? -1 : value(utilization: state.utilization, sloPreservation: state.sloPreservation)
    }
}

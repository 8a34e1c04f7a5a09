// Decisions that are made and not yet on disk, with the agents that made them.

import Agents

/// What one loop has decided since it was woken; it is committed as a whole.
public struct DecisionGroup: Sendable {
    public private(set) var pending: [PendingDecision] = []
    private(set) var agents: [Agent] = []

    public init() {}

    public var isEmpty: Bool { pending.isEmpty }

    /// Whether one of them was made before another commit failed, by an agent that was read again since or will be: it would stand
    /// beside what the application decides from then on.
    var isVoid: Bool { pending.indices.contains { agents[$0].isVoid(pending[$0].seq) } }

    public mutating func append(_ decision: borrowing Decision, closed: ClosedEpisode?, by agent: Agent) {
        pending.append(PendingDecision(decision, closed: closed))
        agents.append(agent)
    }

    public mutating func append(_ other: DecisionGroup) {
        pending += other.pending
        agents += other.agents
    }

    /// Gives the group away and begins a new one, which keeps the memory.
    public mutating func take() -> DecisionGroup {
        let taken = self
        pending.removeAll(keepingCapacity: true)
        agents.removeAll(keepingCapacity: true)
        return taken
    }
}

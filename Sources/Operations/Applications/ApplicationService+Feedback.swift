// What is told of a decision after it: feedback on what became of it, and an operator's approval.

import Agents
import Scaling

extension ApplicationService {
    /// The decision of `name` that a caller means by `id`: its own id or the one it was answered with.
    /// - Throws: `notFound`.
    public func decision(_ id: String, of name: String) throws -> Decision {
        let agent = try agent(named: name)
        guard let seq = agent.seq(ofClientID: id) ?? agent.seq(ofID: id),
            let decision = try store.decision(seq: seq, of: agent.id)
        else { throw OperationError(.notFound, "\(name) has no decision with the id \"\(id.prefix(64))\".") }
        return decision
    }

    /// Stores feedback once. The next observation takes it in; one that comes after it still counts for training.
    /// - Returns: the decision, and whether the next observation had been made already.
    /// - Throws: `conflict` when other feedback is known.
    public func note(
        _ feedback: DecisionFeedback, on id: String, of name: String, at time: Double
    ) throws -> (decision: Decision, isLate: Bool) {
        let agent = try agent(named: name)
        try agent.checkUnsealed()
        let decision = try decision(id, of: name)
        let (stored, correction) = try store.insert(feedback, on: decision.seq, application: agent.id, at: time)
        if let correction { trainer.carryOut(.correct(correction), for: agent, at: time) { _ in } }
        guard stored == feedback else {
            throw OperationError(
                .conflict,
                "Another outcome of this decision is known: applied \(stored.applied), reward \(stored.reward.map { "\($0)" } ?? "none")."
            )
        }
        return (decision, !agent.note(feedback, of: decision.seq))
    }

    /// Lets the waiting decision be carried out: it is what is answered until another one is approved.
    /// - Parameter id: of the decision that the operator has seen; `nil` for whichever is the last.
    /// - Returns: the decision's id and what is approved.
    /// - Throws: `conflict` when nothing waits, or another decision does.
    public func approve(
        _ agent: Agent, _ id: String?, by action: OperatorAction
    ) throws -> (id: String, allocation: Allocation) {
        guard agent.profile.actuation == .approve else {
            throw OperationError(
                .conflict,
                "The profile's actuation is \(agent.profile.actuation.rawValue), not approve: nothing waits for approval.")
        }
        let seq = agent.status(nil).lastSeq
        guard let decision = try store.decision(seq: seq, of: nil), let wanted = decision.waiting else {
            throw OperationError(.conflict, "No decision of \(agent.name) waits for approval.")
        }
        let current = agent.id(of: decision)
        guard id == nil || id == current || id == decision.clientID else {
            throw OperationError(.conflict, "The decision \(id ?? "") is not the last one any more: \(current) is.")
        }
        try controls.change(agent, audit: action.entry("{\"id\":\"\(current)\"}")) { $0.approved = wanted }
        return (current, wanted)
    }
}

extension Decision {
    /// What would have been answered without the need for approval; `nil` when nothing waits.
    public var waiting: Allocation? {
        let held = guards.filter { $0.rule == .approval }
        guard !held.isEmpty else { return nil }
        var wanted = desired
        for record in held {
            switch record.field {
            case .replicas: wanted.replicas = record.before
            case .cpu: wanted.cpuMillicores = record.before
            case .memory: wanted.memoryBytes = record.before
            }
        }
        return wanted
    }
}

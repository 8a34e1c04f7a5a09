// Holds what a decision costs as a count of allocations.

import BasePolicy
import CCounter
import Learning
import Scaling
import Testing

@testable import Agents

@Suite struct CountTests {
    /// What is left: the decision's own arrays (state, memory, guards), its record, and texts of reasons.
    static let allocationsMax = 20

    @Test func aDecisionByTheBasePolicyAllocatesLittle() throws {
        let policy = try Policy(decoding: BasePolicy.bytes)
        let table = ServingTable()
        table.publish(
            ActivePolicy(stage: .serving, policy: policy, version: 1, explores: false, rulesReward: 0.5), for: 1)
        let agent = Agent(id: 1, name: "shop-web", created: 0, profile: Profile(), revision: 1, seed: 3)
        try agent.restore(state: nil, decisions: [], policy: nil)
        var context = DecisionContext(table: table)
        var replicas = 3
        var stored = 0
        func decide(_ step: Int) {
            let observation = Observation.make(replicas: replicas, cpu: 0.5 + Double(step % 7) * 0.05)
            let result = agent.decide(
                observation, at: 1_780_000_000 + 60 * Double(step), clientID: nil, warnings: [], isDryRun: false,
                context: &context, sequence: { Int64(step) })
            guard case .decided(let decision, let closed) = result else { return }
            replicas = decision.desired.replicas
            stored += PendingDecision(decision, closed: closed).record.count
        }
        for step in 1...1000 { decide(step) }
        let before = counter_allocations()
        for step in 1001...2000 { decide(step) }
        let count = (counter_allocations() - before) / 1000
        #expect(count <= Self.allocationsMax, "\(count) allocations a decision")
        #expect(stored / 2000 < 1000, "\(stored / 2000) bytes a decision")
    }
}

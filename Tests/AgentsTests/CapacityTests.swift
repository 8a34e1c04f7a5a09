// Applications that share a total: growth stops at what is left of it, nothing is taken away, and nothing leaks.

import Scaling
import Testing

@testable import Agents

@Suite struct CapacityTests {
    private static let size = (cpu: 1000, memory: 1 << 30)

    /// An agent that shares `ledger`, and a way to have it decide on a busy application of `replicas`.
    private static func agent(_ id: Int64, _ ledger: CapacityLedger, _ table: ServingTable) throws -> Agent {
        let agent = Agent(id: id, name: "app-\(id)", created: 0, profile: Profile(), revision: 1, seed: 1)
        try agent.restore(state: nil, decisions: [], policy: nil)
        agent.share(ledger)
        return agent
    }

    private static func decide(
        _ agent: Agent, replicas: Int, cpu: Double = 1.2, step: Int = 1, isDryRun: Bool = false, _ table: ServingTable
    ) throws -> Decision {
        var observation = Observation.make(replicas: replicas, cpu: cpu, latency: 0.4)
        (observation.cpuMillicores, observation.memoryBytes) = (size.cpu, size.memory)
        var context = DecisionContext(table: table)
        let result = agent.decide(
            observation, at: 1_780_000_000 + 60 * Double(step), clientID: nil, warnings: [], isDryRun: isDryRun,
            context: &context, sequence: { Int64(step) })
        guard case .decided(let decision, _) = result else { throw Subject.Unanswered() }
        return decision
    }

    @Test func growthStopsAtWhatTheOthersLeave() throws {
        let table = ServingTable()
        let ledger = CapacityLedger(total: Capacity(cpuMillicores: 10_000, memoryBytes: .max))
        let (first, second) = (try Self.agent(1, ledger, table), try Self.agent(2, ledger, table))
        #expect(try Self.decide(first, replicas: 4, table).desired.replicas > 4)
        let held = try Self.decide(first, replicas: 4, step: 2, table).desired.replicas
        let cut = try Self.decide(second, replicas: 3, table)
        #expect(cut.desired.replicas == max(3, 10 - held))
        #expect(cut.guards.contains { $0.rule == .capacity })
        // A dry run takes nothing; what there is already is never taken away.
        #expect(try Self.decide(second, replicas: 9, step: 2, isDryRun: true, table).desired.replicas == 9)
        #expect(try Self.decide(second, replicas: 3, step: 2, table).desired.replicas == cut.desired.replicas)
        // What a deleted application held is free again.
        first.retire()
        let free = try Self.decide(second, replicas: 5, step: 3, table)
        #expect(free.desired.replicas > 5)
    }

    @Test func aRestartRemembersWhatWasGivenAndWhy() throws {
        let table = ServingTable()
        let ledger = CapacityLedger(total: Capacity(cpuMillicores: 5000, memoryBytes: .max))
        let agent = try Self.agent(1, ledger, table)
        let decision = try Self.decide(agent, replicas: 4, table)
        #expect(decision.desired.replicas == 5 && decision.guards.contains { $0.rule == .capacity })
        let restored = try Self.agent(1, CapacityLedger(total: Capacity(cpuMillicores: 5000, memoryBytes: .max)), table)
        try restored.restore(state: nil, decisions: [decision], policy: nil)
        for step in 2...4 {
            #expect(
                try Self.decide(restored, replicas: 5, step: step, table).desired
                    == Self.decide(agent, replicas: 5, step: step, table).desired)
        }
    }
}

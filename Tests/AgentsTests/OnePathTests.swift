// The server's agent, an evaluation's controller and a replay's are one path: the same decisions, bit by bit.

import BasePolicy
import ClusterModel
import Deciding
@testable import Experiments
import Learning
import Scaling
import Testing

@testable import Agents

@Suite struct OnePathTests {
    /// What a simulated application was observed to do while the rules acted, with gaps, kills and missing metrics.
    private static func recorded(_ application: SyntheticApplication) -> [Observation] {
        var cluster = Cluster(application: application, seed: 3, startTime: 1_780_000_000)
        var generator = LoadGenerator(options: .init(), seed: 5)
        let scale = 0.5 * application.capacity(profile: application.profile)
        var rules = DecisionController(rulesOf: application.profile)
        var observations: [Observation] = []
        for step in 0..<400 {
            cluster.metricsAvailable = step % 97 != 96
            let desired = observations.last.map { rules.decide($0, current: cluster.allocation) } ?? cluster.allocation
            let load = (0..<12).map { _ in generator.next() * scale }
            observations.append(cluster.step(desired: desired, load: load).observation)
        }
        return observations
    }

    /// The answers of the service's agent with `policy` on duty (the rules without one).
    private static func served(_ observations: [Observation], _ profile: Profile, _ policy: Policy?) throws -> [Allocation] {
        let table = ServingTable()
        let agent = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: 1)
        try agent.restore(state: nil, decisions: [], policy: nil)
        if let policy {
            table.publish(
                ActivePolicy(stage: .serving, policy: policy, version: 1, explores: false, rulesReward: nil), for: 1)
        }
        var context = DecisionContext(table: table)
        var seq: Int64 = 0
        return observations.map { observation in
            let result = agent.decide(
                observation, at: observation.time ?? 0, clientID: nil, warnings: [], isDryRun: false, context: &context,
                sequence: {
                    seq += 1
                    return seq
                })
            guard case .decided(let decision, _) = result else { return Allocation(replicas: -1, cpuMillicores: 0, memoryBytes: 0) }
            return decision.desired
        }
    }

    /// The same by a controller of evaluation and replay.
    private static func played(_ observations: [Observation], _ controller: DecisionController) -> [Allocation] {
        var controller = controller
        return observations.map { observation in
            controller.decide(
                observation,
                current: Allocation(
                    replicas: observation.replicas, cpuMillicores: observation.cpuMillicores ?? 0,
                    memoryBytes: observation.memoryBytes ?? 0))
        }
    }

    @Test(arguments: [true, false]) func serverEvaluationAndReplayDecideAlike(_ hasPolicy: Bool) throws {
        let policy = hasPolicy ? try Policy(decoding: BasePolicy.bytes) : nil
        for application in SyntheticApplication.split(seed: 1).test.prefix(4) {
            var profile = application.profile
            // Every tenth episode is the rules': evaluation has none.
            profile.controlEpisodes = false
            let observations = Self.recorded(application)
            let served = try Self.served(observations, profile, policy)
            let evaluated = Self.played(
                observations,
                policy.map { DecisionController(policy: $0, profile: profile) } ?? DecisionController(rulesOf: profile))
            let replayed = Self.played(
                observations,
                policy.map { DecisionController(policy: $0, profile: profile, knowing: DecisionCore(profile)) }
                    ?? DecisionController(rules: DecisionCore(profile)))
            #expect(served == evaluated, "\(application.name)")
            #expect(served == replayed, "\(application.name)")
            #expect(Set(served.map(\.replicas)).count > 1, "something was decided")
        }
    }
}

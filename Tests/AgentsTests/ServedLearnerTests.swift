// Every learner that a profile can choose learns for its application, acts under its own name, and is stored.

@testable import Agents
@testable import Base
import BasePolicy
@testable import ClusterModel
@testable import Experiments
import Foundation
import Learning
import Neural
import Scaling
import Synchronization
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct ServedLearnerTests {
    private static let application = SyntheticApplication.split(seed: 1).test[0]

    private static func life(_ algorithm: Profile.Algorithm, _ change: (inout Profile) -> Void = { _ in }) throws -> ServedLife {
        var profile = application.profile
        profile.algorithm = algorithm
        // Compared with rules as they are: what is tested is that it learns.
        profile.fallback.calibrate = false
        change(&profile)
        return try ServedLife(application, profile: profile, base: try Policy(decoding: BasePolicy.bytes), seed: 1)
    }

    /// Measured, mean value of a step against the rules' over 120 episodes (0.04 is a tenth of the bill), applications 0 and 4:
    /// PPO 0.56 and 0.50, REINFORCE the same (both act by the base policy), DQN 0.45 and 0.47, DDPG 0.53 and 0.33 (both practise
    /// from fresh weights, 7 s); PPO without bootstrapping 0.49 and 0.36, DQN 0.36 and 0.30.
    @Test(arguments: [Profile.Algorithm.reinforce, .dqn, .ddpg]) func itServesUnderItsOwnName(_ algorithm: Profile.Algorithm) throws {
        let life = try Self.life(algorithm)
        #expect(try life.live(atMost: 45) { $0.stage == .serving } != nil, "\(life.events.map(ServedLife.line))")
        for _ in 0..<10 { try life.episode() }
        let policys = life.episodes.filter { $0.controller == .policy }.map { $0.gain }
        #expect(policys.mean > 0.1, "\(policys.mean)")
        let contents = life.store.contents.withLock { $0 }
        #expect(Set(contents.models.values.map(\.algorithm)) == [algorithm.rawValue])
        let stored = try #require(contents.trainer)
        let learner = try ApplicationLearner(decoding: stored, base: nil, seed: 1) {
            try contents.models[$0].map { try Policy(decoding: $0.weights) }
        }
        #expect(learner.algorithm == algorithm && learner.learner.shape == life.table.activePolicy(of: 1)?.policy?.shape)
        #expect(learner.policy?.encode() == life.table.activePolicy(of: 1)?.policy?.encode())
        #expect(learner.encodeState() == stored.state && learner.encodeOptimizer() == stored.optimizer)
    }

    /// What another learner made is not the new one's: the rules act until it has something of its own.
    @Test func anotherAlgorithmBeginsAnewWhereTheRulesAct() throws {
        let life = try Self.life(.reinforce)
        _ = try life.live(atMost: 20) { $0.stage == .serving }
        var profile = life.agent.profile
        profile.algorithm = .dqn
        life.agent.update(profile: profile, revision: 2)
        try life.episode()
        #expect(life.stage == .offline && life.table.activePolicy(of: 1)?.policy == nil)
        try life.episode()
        #expect(try life.episode().controller == .rules)
    }

    /// Who starts without bootstrapping explores inside the guards, learns from it, and is stopped when it costs too much.
    @Test func withoutBootstrappingItExploresAndLearns() throws {
        let life = try Self.life(.dqn) { $0.bootstrap = false }
        try life.episode()
        #expect(life.table.activePolicy(of: 1)?.explores == true && life.table.activePolicy(of: 1)?.exploration ?? 0 > 0)
        for _ in 0..<4 { try life.episode() }
        let exploring = life.store.contents.withLock { $0.decisions.values.filter(\.exploring).count }
        #expect(exploring > 100)
        #expect(try life.live(atMost: 45) { $0.stage == .serving } != nil, "\(life.events.map(ServedLife.line))")
    }

    /// aware is updated and ships a better base policy: applications that act by the old one get it as a candidate, as a version
    /// of its own. What was served under the old number stays what it was.
    @Test func aNewBasePolicyIsAVersionOfItsOwn() throws {
        let shipped = try Policy(decoding: BasePolicy.bytes).restrained(by: 8)
        let sluggish = shipped.restrained(by: 26)
        let life = try ServedLife(Self.application, profile: Self.application.profile, base: sluggish, seed: 1)
        #expect(try life.live(atMost: 45) { $0.stage == .serving } != nil, "\(life.events.map(ServedLife.line))")
        let first = try #require(life.table.activePolicy(of: 1))
        #expect(first.policy?.encode() == sluggish.encode())
        try life.restart(base: shipped)
        #expect(life.table.activePolicy(of: 1)?.policy?.encode() == sluggish.encode())
        _ = try life.live(atMost: 60) { $0.table.activePolicy(of: 1)?.policy?.encode() == shipped.encode() }
        let models = life.store.contents.withLock { $0.models }
        #expect(models[first.version]?.weights == sluggish.encode())
        let new = try #require(models.values.first { $0.weights == shipped.encode() })
        #expect(new.version > first.version && life.table.activePolicy(of: 1)?.version == new.version)
    }

    @Test func qLearningGoesOnFromItsOwnPolicy() throws {
        let shape = PolicyShape(observationSize: 3, heads: [3, 2])
        let learner = DQN(shape: shape, seed: 7)
        let again = DQN(policy: learner.policy, seed: 8)
        #expect(zip(again.policy.parameters, learner.policy.parameters).allSatisfy { abs($0 - $1) <= 1e-4 * max(1, abs($0)) })
        let actor = DDPG(shape: shape, seed: 7)
        #expect(DDPG(policy: actor.policy, seed: 8).policy.parameters == actor.policy.parameters)
    }
}

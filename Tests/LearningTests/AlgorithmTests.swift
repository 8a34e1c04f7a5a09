// Every algorithm solves the identity world, gives the same bytes for a seed, and goes on from its own bytes.

import Learning
import Neural
import Testing
@testable import Base

struct AlgorithmTests {
    private let shape = PolicyShape(observationSize: 4, heads: [4])

    /// 2,000 steps in episodes of 25; mean greedy reward of 100 steps afterwards.
    private func solve<L: Learner>(_ learner: L, steps: Int = 2000, episodes: Int, seed: UInt64) -> Float {
        var learner = learner
        var world = IdentityEnvironment()
        var generator = RandomGenerator(seed: seed)
        play(&learner, &world, updates: steps / 25 / episodes, episodes: episodes, using: &generator)
        let policy = learner.policy
        return policy.play(
            &world, steps: 100, greedy: true, embedding: learner.embedding, scratch: policy.makeScratch(),
            using: &generator
        ).totalReward / 100
    }

    private func play<L: Learner>(
        _ learner: inout L, _ world: inout IdentityEnvironment, updates: Int, episodes: Int,
        using generator: inout RandomGenerator
    ) {
        for _ in 0..<updates {
            let policy = learner.policy
            let scratch = policy.makeScratch()
            var batch: [Episode] = []
            for _ in 0..<episodes {
                batch.append(
                    policy.play(
                        &world, steps: 25, exploration: learner.exploration, embedding: learner.embedding,
                        scratch: scratch, using: &generator))
            }
            _ = learner.update(batch)
        }
    }

    private func reinforce(_ seed: UInt64) -> REINFORCE {
        var options = REINFORCE.Options()
        options.discount = 0.1
        options.learningRate = 1e-2
        return REINFORCE(shape: shape, options: options, seed: seed)
    }

    private func dqn(_ seed: UInt64) -> DQN {
        var options = DQN.Options()
        options.discount = 0.1
        options.explorationDecay = 400
        options.targetInterval = 50
        return DQN(shape: shape, options: options, seed: seed)
    }

    private func ddpg(_ seed: UInt64) -> DDPG {
        var options = DDPG.Options()
        options.discount = 0.1
        options.actorRate = 1e-3
        options.explorationDecay = 5e-4
        return DDPG(shape: shape, options: options, seed: seed)
    }

    private func meta(_ seed: UInt64) -> MetaPPO {
        var options = PPO.Options()
        options.discount = 0.5
        options.learningRate = 3e-3
        options.minibatch = .steps(32)
        return MetaPPO(
            shape: PolicyShape(observationSize: 4, embeddingSize: 4, heads: [4]), options: options,
            buffer: EpisodeBuffer(capacity: 4), seed: seed)
    }

    @Test(arguments: 1...5) func reinforceSolvesIdentity(seed: Int) {
        #expect(solve(reinforce(UInt64(seed)), episodes: 1, seed: UInt64(seed)) > 0.9)
    }

    @Test(arguments: 1...5) func dqnSolvesIdentity(seed: Int) {
        #expect(solve(dqn(UInt64(seed)), episodes: 1, seed: UInt64(seed)) > 0.9)
    }

    @Test(arguments: 1...5) func ddpgSolvesIdentity(seed: Int) {
        #expect(solve(ddpg(UInt64(seed)), episodes: 1, seed: UInt64(seed)) > 0.9)
    }

    @Test(arguments: 1...5) func metaLearnedPPOSolvesIdentity(seed: Int) {
        #expect(solve(meta(UInt64(seed)), episodes: 4, seed: UInt64(seed)) > 0.9)
    }

    /// The continuous counterpart: the best action is the observation itself.
    @Test(arguments: 1...5) func ddpgFollowsANumber(seed: Int) {
        var options = DDPG.Options()
        options.discount = 0.1
        options.actorRate = 1e-3
        options.criticRate = 3e-3
        var learner = DDPG(observationSize: 1, actionSize: 1, options: options, seed: UInt64(seed))
        var generator = RandomGenerator(seed: UInt64(seed))
        func draw() -> [Float] { [generator.uniform() * 1.6 - 0.8] }
        var observation = draw()
        for _ in 0..<2000 {
            let action = learner.act(observation, exploring: true)
            let next = draw()
            let distance = action[0] - observation[0]
            _ = learner.observe(
                observation: observation, action: action, reward: 1 - distance * distance, next: next,
                terminated: false)
            observation = next
        }
        for value in [Float(-0.6), -0.2, 0.3, 0.7] {
            #expect(abs(learner.act([value], exploring: false)[0] - value) < 0.25)
        }
    }

    private func continues<L: Learner>(_ make: (UInt64) -> L) throws {
        var (first, second) = (make(3), make(3))
        var (world, other) = (IdentityEnvironment(), IdentityEnvironment())
        var (generator, another) = (RandomGenerator(seed: 8), RandomGenerator(seed: 8))
        play(&first, &world, updates: 12, episodes: 1, using: &generator)
        play(&second, &other, updates: 12, episodes: 1, using: &another)
        #expect(first.encode() == second.encode())
        var resumed = try L(decoding: second.encode())
        play(&first, &world, updates: 6, episodes: 1, using: &generator)
        play(&resumed, &other, updates: 6, episodes: 1, using: &another)
        #expect(first.encode() == resumed.encode())
    }

    @Test func sameSeedSameBytesAndResumption() throws {
        try continues(reinforce)
        try continues(dqn)
        try continues(ddpg)
        try continues(meta)
    }

    @Test func cloningImitatesAndThenImproves() {
        // Half of the recorded actions are right, half are any: a clone is as good as its teacher, improvement better.
        var generator = RandomGenerator(seed: 1)
        var world = IdentityEnvironment()
        let episodes = (0..<40).map { _ -> Episode in
            var episode = Episode()
            var observation = [Float](repeating: 0, count: 4)
            world.reset(using: &generator)
            for _ in 0..<25 {
                observation.withUnsafeMutableBufferPointer { world.observe(into: $0) }
                let shown = observation.firstIndex(of: 1) ?? 0
                let action = Int32(generator.uniform() < 0.3 ? shown : generator.below(4))
                let outcome = [action].withUnsafeBufferPointer { world.step($0, using: &generator) }
                episode.observations += observation
                episode.actions.append(action)
                episode.rewards.append(outcome.reward)
                episode.logProbabilities.append(0)
                episode.values.append(0)
            }
            return episode
        }
        func sampledReward(_ policy: Policy) -> Float {
            policy.play(&world, steps: 1000, scratch: policy.makeScratch(), using: &generator).totalReward / 1000
        }
        var options = BehaviorCloning.Options()
        options.epochs = 20
        options.discount = 0.1
        var clone = BehaviorCloning(shape: shape, options: options, seed: 1)
        _ = clone.update(episodes)
        let imitated = sampledReward(clone.policy)
        #expect(abs(imitated - 0.475) < 0.08)
        options.temperature = BehaviorCloning.Options.improvement.temperature
        var improvement = BehaviorCloning(policy: clone.policy, options: options, seed: 2)
        _ = improvement.update(episodes)
        #expect(sampledReward(improvement.policy) > imitated + 0.2)
    }
}

// PPO learns what can be learned, the same way each time, and goes on from a checkpoint as if it had never stopped.

import Learning
import Neural
import Testing
@testable import Base

struct PPOTests {
    /// Plays and learns for so many steps; returns the mean reward of a greedy policy afterwards.
    private func train<World: DiscreteEnvironment>(
        _ world: World, shape: PolicyShape, options: PPO.Options, steps: Int, episodeSteps: Int, seed: UInt64
    ) -> (reward: Float, trainer: PPO) {
        var world = world
        var generator = RandomGenerator(seed: seed)
        var trainer = PPO(shape: shape, options: options, seed: seed)
        var played = 0
        while played < steps {
            let policy = trainer.policy
            let scratch = policy.makeScratch()
            let episodes = (0..<options.episodesPerUpdate).map { _ in
                policy.play(&world, steps: episodeSteps, scratch: scratch, using: &generator)
            }
            played += options.episodesPerUpdate * episodeSteps
            _ = trainer.update(episodes)
        }
        let policy = trainer.policy
        let episode = policy.play(
            &world, steps: 100, greedy: true, scratch: policy.makeScratch(), using: &generator)
        return (episode.totalReward / 100, trainer)
    }

    private var quick: PPO.Options {
        var options = PPO.Options()
        options.discount = 0.5
        options.learningRate = 3e-3
        options.episodesPerUpdate = 4
        options.minibatch = .steps(32)
        return options
    }

    @Test(arguments: 1...5)
    func solvesIdentity(seed: Int) {
        let shape = PolicyShape(observationSize: 4, heads: [4])
        let result = train(
            IdentityEnvironment(), shape: shape, options: quick, steps: 2000, episodeSteps: 25, seed: UInt64(seed))
        #expect(result.reward > 0.95)
    }

    @Test func remembersWithARecurrentPolicy() {
        var options = quick
        options.minibatch = .episodes(4)
        options.episodesPerUpdate = 16
        options.learningRate = 1e-2
        let shape = PolicyShape(observationSize: 3, recurrentSize: 16, heads: [3])
        let result = train(
            EchoEnvironment(), shape: shape, options: options, steps: 16_000, episodeSteps: 20, seed: 1)
        #expect(result.reward > 0.9)
    }

    @Test func sameSeedSameBytes() {
        let shape = PolicyShape(observationSize: 4, recurrentSize: 8, heads: [4, 4])
        let world = IdentityEnvironment(heads: 2)
        let first = train(world, shape: shape, options: quick, steps: 300, episodeSteps: 25, seed: 7)
        let second = train(world, shape: shape, options: quick, steps: 300, episodeSteps: 25, seed: 7)
        #expect(first.trainer.encode() == second.trainer.encode())
    }

    @Test func resumesWithTheSameBytes() throws {
        let shape = PolicyShape(observationSize: 4, heads: [4])
        var trainer = train(
            IdentityEnvironment(), shape: shape, options: quick, steps: 300, episodeSteps: 25, seed: 7
        ).trainer
        var resumed = try PPO(decoding: trainer.encode())
        var generator = RandomGenerator(seed: 3)
        var world = IdentityEnvironment()
        let policy = trainer.policy
        let episode = policy.play(&world, steps: 50, scratch: policy.makeScratch(), using: &generator)
        let first = trainer.update([episode])
        let second = resumed.update([episode])
        #expect(first == second)
        #expect(trainer.encode() == resumed.encode())
    }

    @Test func refusesDamagedBytes() throws {
        let bytes = PPO(shape: PolicyShape(observationSize: 2, hidden: [4], heads: [2]), seed: 1).encode()
        for length in 0..<bytes.count {
            #expect(throws: CodingFailure.self) { try PPO(decoding: Array(bytes[..<length])) }
        }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x40
            #expect(throws: CodingFailure.self) { try PPO(decoding: damaged) }
        }
    }

    @Test func skipsEpisodesThatAreNotValid() {
        var trainer = PPO(shape: PolicyShape(observationSize: 2, hidden: [4], heads: [2]), seed: 1)
        let before = trainer.parameters.values
        var episode = Episode()
        episode.rewards = [1]
        episode.actions = [5]
        #expect(trainer.update([episode]).skippedEpisodes == 1)
        #expect(trainer.parameters.values == before)
    }
}

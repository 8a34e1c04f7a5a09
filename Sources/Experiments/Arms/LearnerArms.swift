// Any algorithm of the learning core as an arm: trained across applications, tested on others.

import Base
import Learning
import Neural

/// Trains a `Learner` in the cluster, one application an episode. For feed-forward policies; the recurrent PPO of the
/// base policy, which stays with an application for several episodes, has `ClusterTrainer`.
public struct LearnerTraining<Algorithm: Learner>: Sendable {
    public private(set) var learner: Algorithm
    /// Episodes of 100 steps, and how many of them an update learns from.
    public let episodes: Int
    public let episodesPerUpdate: Int
    public private(set) var episodesDone = 0
    private var world: ClusterEnvironment
    private var generator: RandomGenerator

    public init(
        _ learner: Algorithm, curriculum: ClusterCurriculum, episodes: Int, episodesPerUpdate: Int, seed: UInt64
    ) {
        self.learner = learner
        self.episodes = episodes
        self.episodesPerUpdate = episodesPerUpdate
        world = ClusterEnvironment(curriculum)
        generator = RandomGenerator(seed: seed)
    }

    /// Trains to the end. `report` is told the episodes so far and the mean step reward (penalties included, as played,
    /// exploration included) of the last update, and may return false to stop early.
    public mutating func run(report: (Int, Double) -> Bool = { _, _ in true }) {
        while episodesDone < episodes {
            let policy = learner.policy
            let scratch = policy.makeScratch()
            let played = (0..<episodesPerUpdate).map { _ in
                policy.play(
                    &world, steps: 100, exploration: learner.exploration, embedding: learner.embedding,
                    scratch: scratch, using: &generator)
            }
            _ = learner.update(played)
            episodesDone += played.count
            let steps = played.reduce(0) { $0 + $1.count }
            let reward = played.reduce(0) { $0 + Double($1.totalReward) } / Double(max(1, steps))
            guard report(episodesDone, reward) else { return }
        }
    }
}

/// Settings of algorithms without a memory for the cluster, tried on training applications.
public enum ClusterPresets {
    public static let episodesPerUpdate = 16

    /// One learning step for every eighth transition: the same work a step as PPO's four passes.
    public static var dqn: DQN.Options {
        var options = DQN.Options()
        options.learningRate = 3e-4
        options.capacity = 100_000
        options.stepsPerTransition = 0.125
        options.explorationDecay = 50_000
        return options
    }

    public static func reinforce(episodes: Int) -> REINFORCE.Options {
        var options = REINFORCE.Options()
        options.learningRate = 2e-3
        options.finalLearningRate = 1e-4
        options.annealedUpdates = episodes / episodesPerUpdate
        options.entropy = 0.01
        options.finalEntropy = 0.003
        return options
    }
}

// Which learner learns for an application: the profile's `algorithm`, with the settings that it is served with.
//
// A learner of one's own is a file in Learning with a type that is a `Learner`, a name in `Profile.Algorithm`, and a line here.

import Deciding
import Learning
import Scaling

extension Profile.Algorithm {
    /// Whether it can learn on from a policy with a memory, which the shipped base policy is. What replays single transitions
    /// cannot: it begins with weights of its own, without a memory.
    var hasMemory: Bool { self == .ppo || self == .reinforce }

    /// Whether it learns from what others did, too.
    var isOffPolicy: Bool { self == .dqn || self == .ddpg }

    /// A learner that goes on from `policy`, or begins with fresh weights where it has none or cannot.
    ///
    /// - Parameter updates: after which its rates have reached their end: many episodes of practice, or a life.
    func learner(from policy: Policy?, updates: Int = 150, practises: Bool = false, seed: UInt64) -> any Learner {
        let policy = policy.flatMap { hasMemory || $0.shape.recurrentSize == 0 ? $0 : nil }
        let shape = policy?.shape ?? ApplicationLearner.shape
        switch self {
        case .ppo, .rules:
            let options = practises ? Self.practice(shape, updates: updates) : ApplicationLearner.options(for: shape)
            return policy.map { PPO(policy: $0, options: options, seed: seed) } ?? PPO(shape: shape, options: options, seed: seed)
        case .reinforce:
            var options = REINFORCE.Options()
            options.learningRate = shape.recurrentSize > 0 ? 3e-4 : practises ? 2e-3 : 5e-4
            options.finalLearningRate = 1e-4
            options.annealedUpdates = updates
            options.entropy = practises ? 0.01 : 0.003
            options.finalEntropy = 0.003
            return policy.map { REINFORCE(policy: $0, options: options, seed: seed) }
                ?? REINFORCE(shape: shape, options: options, seed: seed)
        case .dqn:
            var options = DQN.Options()
            options.learningRate = 3e-4
            options.stepsPerTransition = practises ? 0.125 : 1
            options.explorationDecay = practises ? 50_000 : 2_000
            // The replay is stored with the learner: some 40 episodes, a megabyte or two.
            options.capacity = practises ? 100_000 : 4_000
            if !practises { (options.firstExploration, options.lastExploration) = (0.1, 0.02) }
            return policy.map { DQN(policy: $0, options: options, seed: seed) } ?? DQN(shape: shape, options: options, seed: seed)
        case .ddpg:
            var options = DDPG.Options()
            options.criticRate = 1e-3
            options.stepsPerTransition = practises ? 0.125 : 1
            options.explorationDecay = practises ? 1e-5 : 5e-5
            options.capacity = practises ? 100_000 : 4_000
            if !practises { options.firstExploration = 0.1 }
            return policy.map { DDPG(policy: $0, options: options, seed: seed) } ?? DDPG(shape: shape, options: options, seed: seed)
        }
    }

    /// PPO as it is configured for practice: the recipe across applications, with less data an update.
    private static func practice(_ shape: PolicyShape, updates: Int) -> PPO.Options {
        var options = PPO.Options.cluster
        options.episodesPerUpdate = FittedReplay.practiceEpisodesPerUpdate
        options.minibatch = shape.recurrentSize > 0 ? .episodes(4) : .steps(256)
        options.learningRate = shape.recurrentSize > 0 ? 3e-4 : 1e-3
        options.finalLearningRate = 5e-5
        options.annealedUpdates = updates
        return options
    }

    /// Reads what a learner of this kind wrote of itself.
    ///
    /// - Parameter weights: of the version on duty, which PPO does not store again.
    func learner(decoding bytes: [UInt8], weights: Policy?) throws -> any Learner {
        switch self {
        case .ppo, .rules: try PPO(decoding: bytes, weights: weights)
        case .reinforce: try REINFORCE(decoding: bytes)
        case .dqn: try DQN(decoding: bytes)
        case .ddpg: try DDPG(decoding: bytes)
        }
    }
}

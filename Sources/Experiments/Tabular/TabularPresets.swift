// The configurations with which each algorithm solves the tabular environment, found by measurement.

import Learning
import Neural

/// Options by algorithm. Schedules depend on the length of an episode and never on how many iterations were asked for:
/// a run of 50 iterations and a resumption to 100 must give what 100 give.
public enum TabularPresets {
    public static func shape(embeddingSize: Int = 0) -> PolicyShape {
        PolicyShape(observationSize: 6, embeddingSize: embeddingSize, heads: [5])
    }

    /// What DQN learns best with.
    public static var reluShape: PolicyShape { PolicyShape(observationSize: 6, heads: [5], activation: .relu) }

    /// Episodes between two updates: at least 200 steps, and five episodes as published. DQN and DDPG take one: what
    /// they play with should be as new as what they learn.
    public static func episodesPerIteration(steps: Int) -> Int { Swift.max(5, 200 / Swift.max(steps, 1)) }

    /// With illegal choices masked 7.93 of 7.95 at T = 10 on 24 seeds of 24, and 188.3 of 188.85 at T = 200. Without the
    /// mask 19 of 24 at T = 10: taking shares away earns what doing nothing earns until, unobserved, there are none left
    /// to take, and a policy that explores hardly ever gets there.
    public static func ppo(steps: Int) -> PPO.Options {
        var options = PPO.Options()
        options.discount = 0.9
        options.learningRate = steps > 50 ? 2e-3 : 1e-3
        options.finalLearningRate = options.learningRate / 20
        options.annealedUpdates = steps > 50 ? 200 : 300
        options.entropy = steps > 50 ? 0.01 : 0.1
        options.finalEntropy = steps > 50 ? nil : 0.003
        options.epochs = steps > 50 ? 3 : 4
        options.minibatch = .steps(steps > 50 ? 250 : 64)
        options.episodesPerUpdate = episodesPerIteration(steps: steps)
        return options
    }

    /// Whole returns need more entropy at first: with 0.2 one seed in five missed a load, with 0.3 none.
    public static func reinforce(steps: Int) -> REINFORCE.Options {
        var options = REINFORCE.Options()
        options.learningRate = 3e-3
        options.finalLearningRate = 1.5e-4
        options.annealedUpdates = 2500
        options.entropy = 0.5
        options.finalEntropy = 0.01
        options.episodesPerUpdate = episodesPerIteration(steps: steps)
        return options
    }

    /// For `reluShape`. A shorter horizon than the others': with 0.9 a load stays wrong on most seeds.
    public static var dqn: DQN.Options {
        var options = DQN.Options()
        options.discount = 0.8
        options.learningRate = 3e-4
        options.explorationDecay = 8000
        return options
    }

    /// FIRM's critic rate of 3e-3 misses a load on one seed in ten; a third of it on none of ten.
    public static var ddpg: DDPG.Options {
        var options = DDPG.Options()
        options.criticRate = 1e-3
        options.explorationDecay = 5e-5
        return options
    }

    /// Iterations after which each has converged.
    public static func iterations(_ algorithm: String, steps: Int) -> Int {
        switch algorithm {
        case "reinforce": 2500
        case "dqn", "ddpg": 3000
        case "q-learning": 500
        case "random", "rules": 20
        default: steps > 50 ? 200 : 300
        }
    }
}

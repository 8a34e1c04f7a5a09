// The configurations with which each algorithm solves the tabular environment, found by measurement.

import Learning

/// Options by algorithm. Schedules depend on the length of an episode and never on how many iterations were asked for:
/// a run of 50 iterations and a resumption to 100 must give what 100 give.
public enum TabularPresets {
    public static func shape(embeddingSize: Int = 0) -> PolicyShape {
        PolicyShape(observationSize: 6, embeddingSize: embeddingSize, heads: [5])
    }

    /// Episodes between two updates: about 200 steps, as the published run of 200 steps has five times over.
    public static func episodesPerIteration(steps: Int) -> Int { Swift.max(5, 200 / Swift.max(steps, 1)) }

    /// 7.93 of 7.95 at T = 10 for seeds 1 to 8, 188.3 of 188.85 at T = 200. Loads 7 and 8 pay only behind five bad
    /// steps: in short episodes it takes much entropy at first (0.1; with 0.03 or 0.06 every fourth seed misses a load).
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

    /// The same with more entropy: whole returns need it. With 0.2 one seed in five missed a load.
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

    /// A shorter horizon than the others': with 0.9 one load in eight stays wrong on most seeds.
    public static var dqn: DQN.Options {
        var options = DQN.Options()
        options.discount = 0.8
        options.learningRate = 3e-4
        options.explorationDecay = 8000
        return options
    }

    public static var ddpg: DDPG.Options {
        var options = DDPG.Options()
        options.explorationDecay = 5e-5
        return options
    }

    /// Iterations after which each has converged.
    public static func iterations(_ algorithm: String, steps: Int) -> Int {
        switch algorithm {
        case "reinforce": 2500
        case "dqn", "ddpg": 200
        case "q-learning": 500
        case "random", "rules": 20
        default: steps > 50 ? 200 : 300
        }
    }
}

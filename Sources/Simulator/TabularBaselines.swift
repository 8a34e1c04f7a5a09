// Ways of acting in the tabular environment that learn nothing, or keep a plain table.

import Learning
import Neural

/// The rules' counterpart of a tabular policy: HPA's proportional rule, one container at a time.
public enum TabularRules {
    /// Towards ceil(n * utilisation / target); out when there is no container.
    /// - Parameter target: utilisation to keep; Kubernetes' examples and the fallback of a profile take 0.7.
    public static func action(_ world: TabularEnvironment, target: Double = 0.7) -> Int {
        guard world.containers > 0 else { return 1 }
        let state = TabularState(containers: world.containers, load: world.load)
        // Utilisation says no more than "full" where the queue grows; HPA then sees demand above capacity.
        let demand = Double(world.load) / 1.5
        let desired = (state.utilization < 1 ? state.utilization * Double(world.containers) : demand) / target
        let wanted = Int(desired.rounded(.up))
        if wanted > world.containers && world.containers < TabularEnvironment.maxContainers { return 1 }
        return wanted < world.containers ? 2 : 0
    }
}

/// Tabular Q-learning over (containers, load).
public struct TabularQLearning: Sendable {
    public private(set) var learner: QLearning
    private var world: TabularEnvironment
    private var generator: RandomGenerator

    public init(reward: TabularReward = .published, options: QLearning.Options = .init(), seed: UInt64) {
        learner = QLearning(
            stateCount: TabularEnvironment.stateCount, actionCount: TabularEnvironment.effects.count, options: options,
            seed: seed)
        world = TabularEnvironment(reward: reward)
        generator = RandomGenerator(seed: seed)
    }

    /// Plays and learns from one episode; returns its sum of rewards.
    public mutating func episode(steps: Int) -> Double {
        world.reset(using: &generator)
        var total = 0.0
        for _ in 0..<steps {
            let state = world.stateIndex
            let action = learner.explore(state)
            let reward = world.step(action)
            learner.observe(state: state, action: action, reward: reward, next: world.stateIndex)
            total += reward
        }
        return total
    }

    /// The best known action.
    public func action(_ world: TabularEnvironment) -> Int { learner.best(world.stateIndex) }
}

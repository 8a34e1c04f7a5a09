// What every arm of an evaluation is: something that sees what a recommender sees and says what should run.

import Base
import ClusterModel
import Deciding
import Scaling

/// A controller of one application. The interface is that of the service's agents: nothing but observations.
public protocol Controller {
    /// What should run from now on.
    /// - Parameters:
    ///   - observation: what was measured in the step that just ended.
    ///   - current: what runs now.
    mutating func decide(_ observation: Observation, current: Allocation) -> Allocation
    /// What was measured in the last step, after which nothing is decided. Only those who learn care.
    mutating func finish(_ observation: Observation, current: Allocation)
}

extension Controller {
    public mutating func finish(_ observation: Observation, current: Allocation) {}
}

/// An arm that is shown the truth and the future: not a controller that could be built, but a ceiling for those.
public protocol Clairvoyant: Controller {
    /// - Parameters:
    ///   - cluster: the true state, to be copied and tried out.
    ///   - future: requests per second in the sub-steps to come, as far as the trial goes.
    mutating func decide(cluster: Cluster, future: ArraySlice<Double>) -> Allocation
}

extension Clairvoyant {
    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation { current }
}

/// Never changes anything.
public struct StaticController: Controller, Sendable {
    public let allocation: Allocation

    public init(_ allocation: Allocation) { self.allocation = allocation }

    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation { allocation }
}

/// Chooses every legal action of an action space with the same probability.
public struct RandomController: Controller, Sendable {
    private let space: ActionSpace
    private let profile: Profile
    private var random: SimulationRandom

    public init(space: ActionSpace = .standard, profile: Profile, seed: UInt64) {
        self.space = space
        self.profile = profile
        random = SimulationRandom(seed: seed)
    }

    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        var mask = [UInt8](repeating: 0, count: space.choiceCount)
        mask.withUnsafeMutableBufferPointer { space.writeMask(for: current, profile, into: $0) }
        var action = space.noop
        var offset = 0
        for (index, head) in space.heads.enumerated() {
            let legal = head.choices.indices.filter { mask[offset + $0] == 1 }
            if let choice = legal.randomElement(using: &random) { action[index] = choice }
            offset += head.choices.count
        }
        return space.apply(action, to: current, profile)
    }
}

/// HPA and VPA as the service's fallback runs them, in any mode and calibration.
public struct RulesController: Controller, Sendable {
    private var rules: Rules
    private var steps = 0.0

    public init(profile: Profile, options: Rules.Options) { rules = Rules(profile, options: options) }

    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        steps += 1
        let time = observation.time ?? steps * Double(rules.profile.stepSeconds)
        return rules.recommend(observation, current: current, time: time)
    }
}

/// The exercise's greedy rule: of its five actions (nothing, out, in, up, down) the one that the last measurement
/// calls for. Out when the objective is missed or the CPU is busy, in when one replica less would still not be.
public struct GreedyController: Controller, Sendable {
    /// Utilisation above which a replica is added, and which no removal may lead to (the published controller's
    /// bounds).
    public static let bounds = (lower: 0.7, upper: 0.9)
    private let profile: Profile

    public init(profile: Profile) { self.profile = profile }

    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        guard let cpu = observation.cpuUtilization else { return current }
        let missed = Reward.step(observation, profile).violated
        var next = current
        if missed || cpu > Self.bounds.upper {
            next.replicas += 1
            if next.replicas > profile.maxReplicas { next.cpuMillicores += profile.cpu.step }
        } else if cpu * Double(current.replicas) < Self.bounds.lower * Double(current.replicas - 1) {
            next.replicas -= 1
        } else if current.replicas == profile.minReplicas, cpu < Self.bounds.lower / 2 {
            next.cpuMillicores -= profile.cpu.step
        }
        return profile.clamp(next)
    }
}

// How people's demands and late news of outcomes enter an agent's decisions.

import Scaling

/// What became of a decision, told apart from an observation.
public struct DecisionFeedback: Sendable, Equatable {
    /// Whether it was carried out.
    public var applied: Bool
    /// Replaces the computed reward where rewards are reported; `nil` leaves it. Never more or less than a reward can be.
    public var reward: Double?

    public init(applied: Bool, reward: Double?) {
        self.applied = applied
        self.reward = reward.map(Reward.clipped)
    }

    /// The observation that follows the decision, with what is known of it. What the observation says itself stands.
    public func complete(_ observation: Observation) -> Observation {
        var observation = observation
        observation.applied = observation.applied && applied
        observation.reward = observation.reward ?? reward
        return observation
    }
}

extension AgentState {
    var runningEpisode: (number: Int, steps: Int) { (running.number, running.step) }

    func completed(_ observation: Observation) -> Observation { outcome?.complete(observation) ?? observation }

    /// The demands that must have been in force for a stored decision to be what it is. One that changed nothing then
    /// need not be known: the guards' memory comes out the same.
    static func controls(behind decision: Decision) -> Controls {
        var controls = Controls()
        controls.approved = decision.desired
        for record in decision.guards {
            switch record.rule {
            // What others held then is forgotten, but not what came of it.
            case .pin, .capacity: controls.pin = decision.desired
            case .pause: controls.paused = true
            case .freezeDown: controls.freezeDown = true
            case .freezeUp: controls.freezeUp = true
            case .killSwitch: controls.killSwitch = true
            default: break
            }
        }
        return controls
    }
}

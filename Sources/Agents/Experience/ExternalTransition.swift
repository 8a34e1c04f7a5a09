// What another controller observed, did and earned: experience that can be learned from, though no agent of ours acted.

import Base
import Deciding
import Learning
import Scaling

/// One step of another controller. Consecutive ones (`next` of one is `observation` of the following one) make episodes.
///
/// They are off-policy: nobody knows the probability of what was done. So they feed what can stand that, which is
/// cloning, improvement restricted to seen actions, and the fitted simulator; never PPO, never an agent's reward.
public struct ExternalTransition: Sendable, Equatable {
    /// When `observation` was made: seconds since 1970. It orders the steps and names them.
    public var time: Double
    /// Who acted, as the client names it.
    public var controller: String
    public var observation: Observation
    /// What the controller had run from then on.
    public var desired: Allocation
    /// What that earned; `nil` is computed from `next`.
    public var reward: Double?
    /// What was observed at the end of the step.
    public var next: Observation

    public init(
        time: Double, controller: String, observation: Observation, desired: Allocation, reward: Double?,
        next: Observation
    ) {
        self.time = time
        self.controller = controller
        self.observation = observation
        self.desired = desired
        self.reward = reward
        self.next = next
    }

    private static let format: UInt8 = 1

    /// Everything but `time` and `controller`, which are columns of their own.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.write(Self.format)
        DecisionRecord.write(observation, to: &writer)
        DecisionRecord.write(desired, to: &writer)
        writer.write(reward)
        DecisionRecord.write(next, to: &writer)
        return writer.bytes
    }

    public init(decoding bytes: [UInt8], time: Double, controller: String) throws {
        var reader = ByteReader(bytes)
        guard try reader.integer(UInt8.self) == Self.format else { throw ByteReader.Failure.malformed }
        self.init(
            time: time, controller: controller, observation: try DecisionRecord.readObservation(from: &reader),
            desired: try DecisionRecord.readAllocation(from: &reader), reward: try reader.optionalDouble(),
            next: try DecisionRecord.readObservation(from: &reader))
    }
}

extension EpisodeAssembly {
    /// Episodes of at most `profile.episodeSteps` steps from another controller's transitions, in the order of time.
    ///
    /// The state is what an agent of ours would have seen: the same encoder over the same observations. A transition
    /// that does not follow its predecessor begins a new episode, and one that cannot be rewarded is left out.
    static func episodes(from transitions: [ExternalTransition], profile: Profile) -> [Episode] {
        var core = DecisionCore(profile)
        var episodes: [Episode] = []
        var episode = Episode()
        var expected = -Double.infinity
        for transition in transitions.sorted(by: { $0.time < $1.time }) {
            if transition.time > expected + profile.gapSeconds || episode.count >= profile.episodeSteps {
                if episode.count > 1 { episodes.append(episode) }
                episode = Episode()
            }
            expected = transition.next.time ?? transition.time + Double(profile.stepSeconds)
            let perception = core.perceive(transition.observation, at: transition.time)
            var experience = core.experience(perception)
            core.resume(after: transition.desired, memory: [])
            var after = transition.next
            after.reward = transition.reward ?? after.reward
            guard
                let reward = Reward.penalized(
                    Reward.step(after, profile), observation: after, previous: perception.current,
                    decided: transition.desired, profile: profile)
            else { continue }
            experience.action = core.space.nearest(
                to: transition.desired, from: perception.current, profile, legal: experience.mask)
            episode.observations += experience.state
            episode.masks += experience.maskBytes(count: core.space.choiceCount)
            for head in 0..<experience.action.count { episode.actions.append(Int32(experience.action[head])) }
            episode.logProbabilities.append(0)
            episode.values.append(0)
            episode.rewards.append(Float(reward))
        }
        if episode.count > 1 { episodes.append(episode) }
        return episodes
    }
}

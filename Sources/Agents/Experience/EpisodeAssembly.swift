// Turns stored decisions into the flat arrays that learning reads.

import Deciding
import Learning
import Scaling

enum EpisodeAssembly {
    /// The steps of one episode, oldest first, followed by the decision that closed it: its observation tells what the
    /// last step earned, its value what would have come after (bootstrapping at the time limit).
    static func episode(from decisions: [Decision], profile: Profile) -> Episode? {
        guard decisions.count >= 2, let closing = decisions.last else { return nil }
        let steps = decisions.dropLast()
        guard steps.allSatisfy({ $0.experience.state.count == closing.experience.state.count }) else { return nil }
        var episode = Episode()
        var unknown: [Int] = []
        for (step, next) in zip(steps, decisions.dropFirst()) {
            episode.observations += step.experience.state
            for head in 0..<step.experience.action.count { episode.actions.append(Int32(step.experience.action[head])) }
            episode.masks += step.experience.maskBytes(count: ActionSpace.standard.choiceCount)
            episode.logProbabilities.append(step.experience.logProbability)
            episode.values.append(step.experience.value)
            if let reward = trainingReward(of: step, next: next, profile: profile) {
                episode.rewards.append(Float(reward))
            } else {
                unknown.append(episode.rewards.count)
                episode.rewards.append(0)
            }
        }
        guard unknown.count < episode.count else { return nil }
        // A step that could not be measured neither pays nor costs: it gets the mean of the others.
        let mean = episode.totalReward / Float(episode.count - unknown.count)
        for index in unknown { episode.rewards[index] = mean }
        episode.terminated = closing.observation.done
        episode.bootstrapValue = closing.experience.value
        episode.initialMemory = decisions[0].experience.memory
        return episode
    }

    /// The penalised reward of `step`, measured by the observation of `next`. `nil` when it is not known, or when the
    /// decision was not carried out or not the controller's (a pin, a pause, bad data): what happened then is not its doing.
    private static func trainingReward(of step: Decision, next: Decision, profile: Profile) -> Double? {
        guard next.observation.applied, step.source == .policy || step.source == .rules else { return nil }
        let parts = Reward.step(next.observation, profile)
        return Reward.penalized(
            parts, observation: next.observation, previous: step.current, decided: step.desired, profile: profile)
    }
}

// Makes an episode to learn from out of decisions as they are taken, and of the rewards that follow them.

import Learning
import Scaling

/// Skips the warm-up, then records every decision; a reward belongs to the decision before it.
struct EpisodeRecorder: Sendable {
    private(set) var episode = Episode()
    private var skipped = 0
    private let skipping: Int

    init(skipping: Int) { self.skipping = skipping }

    /// Whether the next decision is the first that counts.
    var isBeginning: Bool { skipped == skipping && episode.actions.isEmpty }

    /// The policy's memory in front of the first decision.
    mutating func begin(memory: [Float], embedding: [Float]) {
        episode.initialMemory = memory
        episode.embedding = embedding
    }

    mutating func decided(_ experience: Experience, choices: Int) {
        guard skipped == skipping else {
            skipped += 1
            return
        }
        episode.observations += experience.state
        episode.masks += experience.maskBytes(count: choices)
        for head in 0..<experience.action.count { episode.actions.append(Int32(experience.action[head])) }
        episode.logProbabilities.append(experience.logProbability)
        episode.values.append(experience.value)
    }

    /// The reward of the decision that was recorded last, if it has none yet.
    mutating func rewarded(_ reward: Float) {
        if episode.rewards.count < episode.logProbabilities.count { episode.rewards.append(reward) }
    }

    /// The last reward, and what the critic expects behind it.
    mutating func end(reward: Float, value: Float) {
        rewarded(reward)
        episode.bootstrapValue = value
    }
}

// Makes an episode to learn from out of decisions as they are taken, and of the rewards that follow them.

import Learning

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

    mutating func decided(
        observation: UnsafeBufferPointer<Float>, mask: UnsafeBufferPointer<UInt8>, _ decision: PolicyScratch
    ) {
        guard skipped == skipping else {
            skipped += 1
            return
        }
        episode.append(observation: observation, mask: mask, decision: decision)
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

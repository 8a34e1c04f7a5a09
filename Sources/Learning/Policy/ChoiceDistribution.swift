// The distribution over all heads of one row, as the losses of the actor-critic algorithms need it.

import Neural

/// Probabilities of one row's heads and of what was chosen there. One is made for a minibatch and loaded row by row.
final class ChoiceDistribution {
    private let heads: [Int]
    private let width: Int
    private let buffer: FloatBuffer
    private let actions: UnsafeMutableBufferPointer<Int>
    /// Sum of the heads' entropies.
    private(set) var entropy: Float = 0

    init(_ shape: PolicyShape) {
        heads = shape.heads
        width = shape.actionCount
        buffer = FloatBuffer(count: 2 * width + heads.count)
        actions = .allocate(capacity: heads.count)
        actions.initialize(repeating: 0)
    }

    deinit { actions.deallocate() }

    /// Takes in a row and returns the log-probability of its chosen actions together.
    func load(logits: UnsafePointer<Float>, row: Int, table: StepTable) -> Float {
        let p = buffer.pointer
        let logP = p + width
        let entropies = p + 2 * width
        var logProbability: Float = 0
        entropy = 0
        table.masks.withUnsafeBufferPointer { masks in
            var offset = 0
            for head in heads.indices {
                let count = heads[head]
                Categorical.probabilities(
                    logits: logits + offset, mask: masks.baseAddress! + row * width + offset, count: count,
                    probabilities: p + offset, logProbabilities: logP + offset)
                entropies[head] = Categorical.entropy(
                    probabilities: p + offset, logProbabilities: logP + offset, count: count)
                entropy += entropies[head]
                actions[head] = Int(table.actions[row * heads.count + head])
                logProbability += logP[offset + actions[head]]
                offset += count
            }
        }
        return logProbability
    }

    /// gradient += logProbabilityWeight * d(log p)/d(logits) + entropyWeight * d(entropy)/d(logits).
    func addGradient(logProbabilityWeight: Float, entropyWeight: Float, to gradient: UnsafeMutablePointer<Float>) {
        let p = buffer.pointer
        let logP = p + width
        var offset = 0
        for head in heads.indices {
            let count = heads[head]
            Categorical.addLogProbabilityGradient(
                probabilities: p + offset, action: actions[head], weight: logProbabilityWeight, count: count,
                gradient: gradient + offset)
            Categorical.addEntropyGradient(
                probabilities: p + offset, logProbabilities: logP + offset, entropy: buffer.pointer[2 * width + head],
                weight: entropyWeight, count: count, gradient: gradient + offset)
            offset += count
        }
    }
}

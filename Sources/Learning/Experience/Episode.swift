// What one agent lived through, in flat arrays that a trainer reads without unpacking.

import Neural

/// T steps of one application: what was seen, chosen and earned.
public struct Episode: Sendable, Equatable {
    /// (T, observationSize).
    public var observations: [Float] = []
    /// (T, heads): chosen action of each head.
    public var actions: [Int32] = []
    /// (T, actionCount): 1 = legal. Empty = everything was legal.
    public var masks: [UInt8] = []
    /// (T): log-probability of the chosen actions under the policy that chose them.
    public var logProbabilities: [Float] = []
    /// (T): the critic's value before each step.
    public var values: [Float] = []
    /// (T): reward credited to each step's action.
    public var rewards: [Float] = []
    /// Whether the task itself ended. False at a time limit: what would have come after still counts.
    public var terminated = false
    /// The critic's value of the observation behind the last step; used unless `terminated`.
    public var bootstrapValue: Float = 0
    /// The policy's memory (`PolicyShape.memorySize` floats) in front of the first step, with the action and reward
    /// before it. Empty = no past.
    public var initialMemory: [Float] = []
    /// The workload's embedding while it acted (`embeddingSize` floats).
    public var embedding: [Float] = []

    public init() {}

    /// Steps.
    public var count: Int { rewards.count }
    /// Sum of the rewards.
    public var totalReward: Float { rewards.reduce(0, +) }

    public mutating func reserve(steps: Int, shape: PolicyShape) {
        observations.reserveCapacity(steps * shape.observationSize)
        actions.reserveCapacity(steps * shape.heads.count)
        masks.reserveCapacity(steps * shape.actionCount)
        logProbabilities.reserveCapacity(steps)
        values.reserveCapacity(steps)
        rewards.reserveCapacity(steps)
    }

    /// Adds a decision; its reward follows with `rewards.append` once it is known.
    public mutating func append(
        observation: UnsafeBufferPointer<Float>, mask: UnsafeBufferPointer<UInt8> = .empty, decision: PolicyScratch
    ) {
        observations.append(contentsOf: observation)
        masks.append(contentsOf: mask)
        actions.append(contentsOf: decision.actions)
        logProbabilities.append(decision.logProbability)
        values.append(decision.value)
    }

    /// Whether the arrays fit together and to the shape, every number is finite, and every chosen action was legal.
    /// Episodes come from storage and from clients: a trainer skips one that is not valid.
    public func isValid(for shape: PolicyShape) -> Bool {
        let steps = count
        guard steps > 0, observations.count == steps * shape.observationSize,
            actions.count == steps * shape.heads.count,
            masks.isEmpty || masks.count == steps * shape.actionCount, logProbabilities.count == steps,
            values.count == steps, initialMemory.isEmpty || initialMemory.count == shape.memorySize,
            embedding.count == shape.embeddingSize, bootstrapValue.isFinite
        else { return false }
        guard observations.allFinite, logProbabilities.allFinite, values.allFinite, rewards.allFinite,
            initialMemory.allFinite, embedding.allFinite
        else { return false }
        for step in 0..<steps {
            var offset = step * shape.actionCount
            for (head, count) in shape.heads.enumerated() {
                let action = Int(actions[step * shape.heads.count + head])
                guard action >= 0, action < count, masks.isEmpty || masks[offset + action] != 0 else { return false }
                offset += count
            }
        }
        return true
    }
}

// An immutable snapshot of a trained network, and the one call that every decision makes.

import Base
import Neural

/// Actor and critic as they stood when published. Shared by all event loops; each brings its own scratch.
public final class Policy: Sendable {
    public let network: ActorCritic
    /// All weights, laid out as `network.layout` says.
    public let parameters: [Float]
    /// Whether every weight is a number. A policy that is not finite still answers, with no-ops.
    public let isFinite: Bool

    public var shape: PolicyShape { network.shape }

    /// - Precondition: as many parameters as the shape asks for.
    public init(shape: PolicyShape, parameters: [Float]) {
        network = ActorCritic(shape)
        precondition(parameters.count == network.layout.count, "the shape asks for \(network.layout.count) weights")
        self.parameters = parameters
        isFinite = parameters.allFinite
    }

    /// An untrained policy.
    public convenience init(shape: PolicyShape, seed: UInt64) {
        var generator = RandomGenerator(seed: seed)
        let parameters = ActorCritic(shape).initialParameters(using: &generator)
        self.init(shape: shape, parameters: parameters.values)
    }

    public func makeScratch() -> PolicyScratch { PolicyScratch(network) }

    /// The most probable action of every head.
    ///
    /// Allocates nothing and cannot fail: where a number is not finite, or a size is not the shape's, every head gets
    /// its no-op (or its first legal action), and `scratch.isFinite` is false.
    /// - Parameters:
    ///   - observation: `shape.observationSize` floats.
    ///   - embedding: `shape.embeddingSize` floats.
    ///   - mask: `shape.actionCount` bytes, 1 = legal; empty = all legal.
    ///   - memory: `shape.memorySize` floats, moved one step on; its previous action becomes the one chosen here.
    ///   - bias: added to the logits, `shape.actionCount` floats; empty = none.
    ///   - scratch: receives the result.
    public func decide(
        observation: UnsafeBufferPointer<Float>, embedding: UnsafeBufferPointer<Float> = .empty,
        mask: UnsafeBufferPointer<UInt8> = .empty, memory: UnsafeMutableBufferPointer<Float> = .empty,
        bias: UnsafeBufferPointer<Float> = .empty, scratch: PolicyScratch
    ) {
        let isUsable = evaluate(
            observation: observation, embedding: embedding, mask: mask, memory: memory, bias: bias, scratch: scratch)
        guard isUsable else { return fallBack(mask: mask, memory: memory, scratch: scratch) }
        var offset = 0
        for head in shape.heads.indices {
            let count = shape.heads[head]
            choose(
                Categorical.mode(probabilities: scratch.probabilities.baseAddress! + offset, count: count), head: head,
                offset: offset, memory: memory, scratch: scratch)
            offset += count
        }
    }

    /// The same, but each head's action is drawn from its probabilities.
    /// - Parameter exploration: share of heads for which every legal action is equally likely instead. The
    ///   log-probability stays the policy's own: only off-policy algorithms may use this.
    public func decide(
        observation: UnsafeBufferPointer<Float>, embedding: UnsafeBufferPointer<Float> = .empty,
        mask: UnsafeBufferPointer<UInt8> = .empty, memory: UnsafeMutableBufferPointer<Float> = .empty,
        scratch: PolicyScratch,
        sampling generator: inout RandomGenerator, exploration: Float = 0
    ) {
        let isUsable = evaluate(
            observation: observation, embedding: embedding, mask: mask, memory: memory, bias: .empty, scratch: scratch)
        guard isUsable else { return fallBack(mask: mask, memory: memory, scratch: scratch) }
        var offset = 0
        for head in shape.heads.indices {
            let count = shape.heads[head]
            let action =
                exploration > 0 && generator.uniform() < exploration
                ? randomAction(offset..<offset + count, mask: mask, using: &generator)
                : Categorical.sample(
                    probabilities: scratch.probabilities.baseAddress! + offset, count: count,
                    uniform: generator.uniform())
            choose(action, head: head, offset: offset, memory: memory, scratch: scratch)
            offset += count
        }
    }

    /// The critic's value of what comes after the last step of an episode, for bootstrapping. Reads the memory and
    /// leaves it as it is.
    public func value(
        observation: UnsafeBufferPointer<Float>, embedding: UnsafeBufferPointer<Float> = .empty,
        memory: UnsafeBufferPointer<Float> = .empty, scratch: PolicyScratch
    ) -> Float {
        guard prepare(observation: observation, embedding: embedding, memory: memory, scratch: scratch) else {
            return 0
        }
        let value = parameters.withUnsafeBufferPointer { evaluateCritic($0.baseAddress!, scratch: scratch) }
        return value.isFinite ? value : 0
    }

    /// Input of the networks, and the GRU's next state into `scratch`. False when a size is wrong.
    private func prepare(
        observation: UnsafeBufferPointer<Float>, embedding: UnsafeBufferPointer<Float>,
        memory: UnsafeBufferPointer<Float>, scratch: PolicyScratch
    ) -> Bool {
        let shape = network.shape
        guard let x = observation.baseAddress, observation.count == shape.observationSize,
            embedding.count == shape.embeddingSize, memory.count == shape.memorySize,
            scratch.shape == shape
        else { return false }
        let input = scratch.input.pointer
        input.update(from: x, count: shape.observationSize)
        if let e = embedding.baseAddress { (input + shape.observationSize).update(from: e, count: embedding.count) }
        if let unit = network.memory, let m = memory.baseAddress {
            let recurrent = scratch.recurrentInput.pointer
            recurrent.update(from: x, count: shape.observationSize)
            (recurrent + shape.observationSize).update(from: m + unit.size, count: shape.actionCount + 1)
            let hidden = input + shape.observationSize + shape.embeddingSize
            hidden.update(from: m, count: unit.size)
            parameters.withUnsafeBufferPointer {
                unit.step($0.baseAddress!, x: recurrent, hidden: hidden, scratch: scratch.gates.pointer)
            }
        }
        return true
    }

    private func evaluateCritic(_ weights: UnsafePointer<Float>, scratch: PolicyScratch) -> Float {
        network.critic.forward(weights, x: scratch.input.pointer, rows: 1, activations: scratch.activations.pointer)
        return scratch.activations.pointer[network.critic.outputOffset(rows: 1)]
    }

    /// Probabilities and value into `scratch`, the GRU's state into `memory`. False when they cannot be used.
    private func evaluate(
        observation: UnsafeBufferPointer<Float>, embedding: UnsafeBufferPointer<Float>,
        mask: UnsafeBufferPointer<UInt8>, memory: UnsafeMutableBufferPointer<Float>,
        bias: UnsafeBufferPointer<Float>, scratch: PolicyScratch
    ) -> Bool {
        guard isFinite,
            prepare(
                observation: observation, embedding: embedding, memory: UnsafeBufferPointer(memory), scratch: scratch),
            mask.isEmpty || mask.count == shape.actionCount, bias.isEmpty || bias.count == shape.actionCount
        else { return false }
        let count = shape.actionCount
        var finiteness: Float = 0
        for index in 0..<shape.inputSize { finiteness += scratch.input.pointer[index] * 0 }
        if network.memory != nil {
            for index in 0..<shape.recurrentInputSize { finiteness += scratch.recurrentInput.pointer[index] * 0 }
        }
        let logits = scratch.logits.pointer
        parameters.withUnsafeBufferPointer { weights in
            scratch.value = evaluateCritic(weights.baseAddress!, scratch: scratch)
            network.actor.forward(
                weights.baseAddress!, x: scratch.input.pointer, rows: 1, activations: scratch.activations.pointer)
            logits.update(from: scratch.activations.pointer + network.actor.outputOffset(rows: 1), count: count)
        }
        for index in bias.indices { logits[index] += bias[index] }
        for index in 0..<count { finiteness += logits[index] * 0 }
        guard finiteness + scratch.value * 0 == 0 else { return false }
        // An empty array's buffer has an address, too.
        let legal = mask.isEmpty ? nil : mask.baseAddress
        var offset = 0
        for head in shape.heads {
            Categorical.probabilities(
                logits: logits + offset, mask: legal.map { $0 + offset }, count: head,
                probabilities: scratch.probabilities.baseAddress! + offset,
                logProbabilities: scratch.logProbabilities.baseAddress! + offset)
            offset += head
        }
        if let unit = network.memory, let m = memory.baseAddress {
            m.update(
                from: scratch.input.pointer + shape.observationSize + shape.embeddingSize, count: unit.size)
            (m + unit.size).update(repeating: 0, count: count)
        }
        scratch.isFinite = true
        scratch.logProbability = 0
        return true
    }

    /// Any legal action of a head, by its index in the head.
    private func randomAction(
        _ head: Range<Int>, mask: UnsafeBufferPointer<UInt8>, using generator: inout RandomGenerator
    ) -> Int {
        guard !mask.isEmpty else { return generator.below(head.count) }
        var legal = 0
        for index in head where mask[index] != 0 { legal += 1 }
        guard legal > 0 else { return 0 }
        var rest = generator.below(legal)
        for index in head where mask[index] != 0 {
            if rest == 0 { return index - head.lowerBound }
            rest -= 1
        }
        return 0
    }

    @inline(__always)
    private func choose(
        _ action: Int, head: Int, offset: Int, memory: UnsafeMutableBufferPointer<Float>, scratch: PolicyScratch
    ) {
        scratch.actions[head] = Int32(truncatingIfNeeded: action)
        scratch.logProbability += scratch.logProbabilities[offset + action]
        if network.memory != nil { memory[shape.recurrentSize + offset + action] = 1 }
    }

    /// The no-op of every head, or its first legal action, with probability 1. The memory starts anew: a state that is
    /// not finite would never become finite again.
    private func fallBack(
        mask: UnsafeBufferPointer<UInt8>, memory: UnsafeMutableBufferPointer<Float>, scratch: PolicyScratch
    ) {
        scratch.isFinite = false
        scratch.value = 0
        scratch.logProbability = 0
        memory.update(repeating: 0)
        guard scratch.shape == shape else { return }
        var offset = 0
        for head in shape.heads.indices {
            let count = shape.heads[head]
            var action = shape.noOps[head]
            if mask.count == shape.actionCount, mask[offset + action] == 0 {
                action = (0..<count).first { mask[offset + $0] != 0 } ?? action
            }
            scratch.actions[head] = Int32(truncatingIfNeeded: action)
            for index in offset..<offset + count {
                scratch.probabilities[index] = index == offset + action ? 1 : 0
                scratch.logProbabilities[index] = index == offset + action ? 0 : Categorical.impossible
            }
            offset += count
        }
    }
}

/// Working memory and result of one decision.
public final class PolicyScratch {
    let shape: PolicyShape
    let input: FloatBuffer
    let recurrentInput: FloatBuffer
    let gates: FloatBuffer
    let activations: FloatBuffer
    let logits: FloatBuffer
    private let results: FloatBuffer

    /// Chosen action of each head.
    public let actions: UnsafeMutableBufferPointer<Int32>
    /// Probability of every action, head behind head.
    public let probabilities: UnsafeMutableBufferPointer<Float>
    let logProbabilities: UnsafeMutableBufferPointer<Float>
    /// Log-probability of the chosen actions together.
    public internal(set) var logProbability: Float = 0
    /// The critic's value, in the units of `PPO.Options.rewardScale`.
    public internal(set) var value: Float = 0
    /// False when the actions are the fallback's, because a number was not finite or a size was wrong.
    public internal(set) var isFinite = false

    init(_ network: ActorCritic) {
        shape = network.shape
        input = FloatBuffer(count: shape.inputSize)
        recurrentInput = FloatBuffer(count: shape.recurrentInputSize)
        gates = FloatBuffer(count: 6 * shape.recurrentSize)
        activations = FloatBuffer(count: Swift.max(network.actor.activationWidth, network.critic.activationWidth))
        logits = FloatBuffer(count: shape.actionCount)
        results = FloatBuffer(count: 2 * shape.actionCount)
        let count = shape.actionCount
        probabilities = UnsafeMutableBufferPointer(start: results.pointer, count: count)
        logProbabilities = UnsafeMutableBufferPointer(start: results.pointer + count, count: count)
        actions = .allocate(capacity: shape.heads.count)
        actions.initialize(repeating: 0)
    }

    deinit { actions.deallocate() }
}

extension UnsafeBufferPointer {
    /// No elements.
    public static var empty: UnsafeBufferPointer { UnsafeBufferPointer(start: nil, count: 0) }
}

extension UnsafeMutableBufferPointer {
    /// No elements.
    public static var empty: UnsafeMutableBufferPointer { UnsafeMutableBufferPointer(start: nil, count: 0) }
}

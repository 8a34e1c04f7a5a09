// The sizes that define a policy: what it reads, what it remembers, and what it chooses.

import Base
import Neural

/// Two networks are compatible exactly when their shapes are equal.
public struct PolicyShape: Sendable, Hashable {
    /// Floats of one observation.
    public var observationSize: Int
    /// Floats of the workload's embedding behind the observation; 0 = none.
    public var embeddingSize: Int
    /// Units of the GRU over (observation, previous action one-hot, previous reward); 0 = feed-forward.
    public var recurrentSize: Int
    /// Widths of the hidden layers, the same in actor and critic.
    public var hidden: [Int]
    /// Number of actions of each discrete head.
    public var heads: [Int]
    /// The action of each head that changes nothing: what is taken when the network's numbers cannot be used.
    public var noOps: [Int]
    public var activation: Activation
    /// How much a greedy decision holds back from a change that follows another; 0 for a policy that never does. It has
    /// no weights: what it is times is known to who decides (`DecisionCore`).
    public var restraint: Float = 0

    /// - Parameter noOps: nil = action 0 of every head.
    public init(
        observationSize: Int, embeddingSize: Int = 0, recurrentSize: Int = 0, hidden: [Int] = [64, 64], heads: [Int],
        noOps: [Int]? = nil, activation: Activation = .tanh
    ) {
        self.observationSize = observationSize
        self.embeddingSize = embeddingSize
        self.recurrentSize = recurrentSize
        self.hidden = hidden
        self.heads = heads
        self.noOps = noOps ?? heads.map { _ in 0 }
        self.activation = activation
    }

    /// Logits of all heads, one behind the other; also the length of a mask.
    public var actionCount: Int { heads.reduce(0, +) }
    /// What actor and critic read: observation, embedding, GRU state.
    public var inputSize: Int { observationSize + embeddingSize + recurrentSize }
    /// What the GRU reads.
    public var recurrentInputSize: Int { observationSize + actionCount + 1 }
    /// Floats that belong to an application between two decisions: GRU state, previous action one-hot, previous
    /// reward. 0 when feed-forward.
    public var memorySize: Int { recurrentSize == 0 ? 0 : recurrentSize + actionCount + 1 }

    /// Limits within which decoding accepts a shape, so that a damaged file cannot ask for all memory.
    static let maxSize = 4096
    static let maxLayers = 8
    static let maxHeads = 32
    public static let maxRestraint: Float = 100

    /// Elements of all matrices: 4 million are 16 MB, sixty times the network that is served.
    static let maxElements = 1 << 22

    /// Elements of the matrices of actor, critic and memory.
    private var elementCount: Int {
        let widths = [inputSize] + hidden
        let shared = zip(widths, widths.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
        let last = (widths.last ?? 0) * (actionCount + 1)
        return 2 * shared + last + 3 * recurrentSize * (recurrentSize == 0 ? 0 : recurrentInputSize + recurrentSize)
    }

    /// Whether the sizes make a network.
    public var isValid: Bool {
        let sizes = 0...Self.maxSize
        let positive = 1...Self.maxSize
        return positive.contains(observationSize) && sizes.contains(embeddingSize) && sizes.contains(recurrentSize)
            && hidden.count <= Self.maxLayers && hidden.allSatisfy(positive.contains)
            && (1...Self.maxHeads).contains(heads.count) && heads.allSatisfy(positive.contains)
            && (0...Self.maxRestraint).contains(restraint) && noOps.count == heads.count && zip(noOps, heads).allSatisfy { $0 >= 0 && $0 < $1 }
            && elementCount <= Self.maxElements
    }

    /// Writes into a memory what was really done and earned since the last decision: call it before the next `decide`
    /// when the executed action was not the policy's own. An index outside its head leaves that head's one-hot empty.
    public func record(actions: [Int], reward: Float, memory: inout [Float]) {
        guard recurrentSize > 0, memory.count == memorySize else { return }
        for index in recurrentSize..<memorySize { memory[index] = 0 }
        var offset = recurrentSize
        for (head, action) in zip(heads, actions) {
            if action >= 0 && action < head { memory[offset + action] = 1 }
            offset += head
        }
        memory[memorySize - 1] = reward
    }

    /// Sets only the previous reward.
    public func record(reward: Float, memory: inout [Float]) {
        guard recurrentSize > 0, memory.count == memorySize else { return }
        memory[memorySize - 1] = reward
    }

    /// A memory without a past.
    public func emptyMemory() -> [Float] { [Float](repeating: 0, count: memorySize) }
}

extension PolicyShape {
    private static let restraintBit: UInt8 = 0x80

    public func encode(into writer: inout ByteWriter) {
        for size in [observationSize, embeddingSize, recurrentSize] { writer.write(UInt32(size)) }
        for list in [hidden, heads, noOps] {
            writer.write(UInt32(list.count))
            for size in list { writer.write(UInt32(size)) }
        }
        // Shapes of before the restraint have no such bit, and none behind it.
        writer.write(activation.rawValue | (restraint == 0 ? 0 : Self.restraintBit))
        if restraint != 0 { writer.write(restraint) }
    }

    /// - Throws: `ByteReader.Failure` when the bytes are short or describe no network.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        func size(_ reader: inout ByteReader) throws(ByteReader.Failure) -> Int {
            Int(try reader.integer(UInt32.self))
        }
        func list(_ reader: inout ByteReader) throws(ByteReader.Failure) -> [Int] {
            let count = try size(&reader)
            guard count <= Self.maxHeads else { throw .malformed }
            var values: [Int] = []
            for _ in 0..<count { values.append(try size(&reader)) }
            return values
        }
        observationSize = try size(&reader)
        embeddingSize = try size(&reader)
        recurrentSize = try size(&reader)
        hidden = try list(&reader)
        heads = try list(&reader)
        noOps = try list(&reader)
        let last: UInt8 = try reader.integer()
        guard let activation = Activation(rawValue: last & ~Self.restraintBit) else { throw .malformed }
        self.activation = activation
        if last & Self.restraintBit != 0 { restraint = try reader.float() }
        guard isValid else { throw .malformed }
    }
}

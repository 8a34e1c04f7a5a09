// A ring of transitions for the algorithms that learn from the past more than once.

import Base
import Neural

/// The newest `capacity` transitions. Discrete actions are stored as one-hots, so that one buffer serves both kinds.
struct ReplayBuffer: Sendable {
    let capacity: Int
    let observationSize: Int
    let actionSize: Int
    private(set) var count = 0
    private var next = 0
    /// (count, observationSize).
    private(set) var observations: [Float] = []
    /// (count, actionSize): what was executed, not what a network said before noise and rounding.
    private(set) var actions: [Float] = []
    private(set) var rewards: [Float] = []
    private(set) var nextObservations: [Float] = []
    /// (count, actionSize): legal actions of the next observation; 1 for continuous ones.
    private(set) var nextMasks: [UInt8] = []
    /// 1 where the task went on, 0 where it ended: factor of the next value.
    private(set) var continues: [Float] = []

    init(capacity: Int, observationSize: Int, actionSize: Int) {
        precondition(capacity > 0, "a replay buffer holds at least one transition")
        self.capacity = capacity
        self.observationSize = observationSize
        self.actionSize = actionSize
    }

    mutating func append(
        observation: UnsafeBufferPointer<Float>, action: UnsafeBufferPointer<Float>, reward: Float,
        next following: UnsafeBufferPointer<Float>, nextMask: UnsafeBufferPointer<UInt8>, terminated: Bool
    ) {
        precondition(observation.count == observationSize && following.count == observationSize)
        precondition(action.count == actionSize && (nextMask.isEmpty || nextMask.count == actionSize))
        if count < capacity {
            observations.append(contentsOf: observation)
            actions.append(contentsOf: action)
            rewards.append(reward)
            nextObservations.append(contentsOf: following)
            nextMasks.append(contentsOf: repeatElement(1, count: actionSize))
            continues.append(1)
            count += 1
        } else {
            for (index, value) in observation.enumerated() { observations[next * observationSize + index] = value }
            for (index, value) in following.enumerated() { nextObservations[next * observationSize + index] = value }
            for (index, value) in action.enumerated() { actions[next * actionSize + index] = value }
            rewards[next] = reward
        }
        for index in 0..<actionSize { nextMasks[next * actionSize + index] = nextMask.isEmpty ? 1 : nextMask[index] }
        continues[next] = terminated ? 0 : 1
        next = (next + 1) % capacity
    }

    /// Copies (rows, observationSize) to `target`, one line every `stride` floats.
    func copyObservations(
        _ rows: [Int], next: Bool = false, to target: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let source = next ? nextObservations : observations
        source.withUnsafeBufferPointer { source in
            for (index, row) in rows.enumerated() {
                (target + index * stride).update(
                    from: source.baseAddress! + row * observationSize, count: observationSize)
            }
        }
    }

    /// Copies (rows, actionSize) to `target`, one line every `stride` floats.
    func copyActions(_ rows: [Int], to target: UnsafeMutablePointer<Float>, stride: Int) {
        actions.withUnsafeBufferPointer { source in
            for (index, row) in rows.enumerated() {
                (target + index * stride).update(from: source.baseAddress! + row * actionSize, count: actionSize)
            }
        }
    }

    func encode(into writer: inout ByteWriter) {
        for value in [capacity, observationSize, actionSize, next] { writer.write(UInt64(value)) }
        for values in [observations, actions, rewards, nextObservations, continues] { writer.write(values) }
        writer.write(nextMasks)
    }

    /// - Parameter sizes: of an observation and an action, as the network asks for them.
    init(
        from reader: inout ByteReader, sizes: (observation: Int, action: Int)
    ) throws(ByteReader.Failure) {
        capacity = try reader.count(atLeast: 1)
        observationSize = try reader.count()
        actionSize = try reader.count()
        next = try reader.count()
        observations = try reader.floats()
        actions = try reader.floats()
        rewards = try reader.floats()
        nextObservations = try reader.floats()
        continues = try reader.floats()
        nextMasks = try reader.byteArray()
        count = rewards.count
        guard observationSize == sizes.observation, actionSize == sizes.action, count <= capacity, next < capacity,
            count == capacity || next == count, observations.count == count * observationSize,
            nextObservations.count == count * observationSize, actions.count == count * actionSize,
            nextMasks.count == count * actionSize, continues.count == count
        else { throw .malformed }
    }
}

// Saves and restores DQN and DDPG, replay included, so that a resumed run gives the same bytes.

import Base
import Neural

extension ReplayBuffer {
    /// Adds an episode's transitions and returns how many. The observation behind the last step is not part of an
    /// episode: its transition is left out unless the task ended there, where nothing follows.
    mutating func append(_ episode: Episode, shape: PolicyShape, rewardScale: Float) -> Int {
        let (size, width, heads) = (shape.observationSize, shape.actionCount, shape.heads.count)
        func input(_ step: Int) -> [Float] {
            Array(episode.observations[step * size..<(step + 1) * size]) + episode.embedding
        }
        let steps = episode.terminated ? episode.count : episode.count - 1
        var oneHot = [Float](repeating: 0, count: width)
        var current = input(0)
        for step in 0..<steps {
            let isLast = step == episode.count - 1
            let following = isLast ? current : input(step + 1)
            for index in 0..<width { oneHot[index] = 0 }
            var offset = 0
            for (head, count) in shape.heads.enumerated() {
                oneHot[offset + Int(episode.actions[step * heads + head])] = 1
                offset += count
            }
            let mask = isLast || episode.masks.isEmpty ? [] : episode.masks[(step + 1) * width..<(step + 2) * width]
            current.withUnsafeBufferPointer { current in
                oneHot.withUnsafeBufferPointer { oneHot in
                    following.withUnsafeBufferPointer { following in
                        mask.withUnsafeBufferPointer {
                            append(
                                observation: current, action: oneHot, reward: episode.rewards[step] * rewardScale,
                                next: following, nextMask: $0, terminated: isLast)
                        }
                    }
                }
            }
            current = following
        }
        return steps
    }
}

extension DQN {
    private static let magic: [UInt8] = Array("AWDQ".utf8)

    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        shape.encode(into: &writer)
        options.encode(into: &writer)
        writer.write(parameters.values)
        writer.write(target.values)
        optimizer.encode(into: &writer)
        generator.encode(into: &writer)
        replay.encode(into: &writer)
        writer.write(UInt64(transitions))
        writer.write(due)
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: 1)
    }

    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: 1))
        do {
            let shape = try PolicyShape(from: &reader)
            guard shape.recurrentSize == 0 else { throw CodingFailure.damaged }
            self.init(shape: shape, options: try Options(from: &reader), seed: 0)
            parameters.values = try reader.floats(count: network.layout.count)
            target.values = try reader.floats(count: network.layout.count)
            optimizer = try Adam(from: &reader, count: network.layout.count, options: .init())
            generator = try RandomGenerator(from: &reader)
            replay = try ReplayBuffer(from: &reader, sizes: (shape.inputSize, shape.actionCount))
            transitions = try reader.count()
            due = try reader.float()
            guard reader.isAtEnd else { throw CodingFailure.wrongSize }
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

extension DQN.Options {
    func encode(into writer: inout ByteWriter) {
        for value in [
            discount, learningRate, stepsPerTransition, firstExploration, lastExploration, explorationDecay, huber,
            gradientNorm,
        ] { writer.write(value) }
        for value in [batch, capacity, warmUp, targetInterval] { writer.write(UInt64(value)) }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        discount = try reader.float()
        learningRate = try reader.float()
        stepsPerTransition = try reader.float()
        firstExploration = try reader.float()
        lastExploration = try reader.float()
        explorationDecay = try reader.float()
        huber = try reader.float()
        gradientNorm = try reader.float()
        batch = try reader.count(atLeast: 1)
        capacity = try reader.count(atLeast: 1)
        warmUp = try reader.count()
        targetInterval = try reader.count()
    }
}

extension DDPG {
    private static let magic: [UInt8] = Array("AWDD".utf8)

    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        shape.encode(into: &writer)
        writer.write(isDiscrete)
        options.encode(into: &writer)
        for buffer in [actorParameters, criticParameters, actorTarget, criticTarget] { writer.write(buffer.values) }
        actorOptimizer.encode(into: &writer)
        criticOptimizer.encode(into: &writer)
        generator.encode(into: &writer)
        replay.encode(into: &writer)
        writer.write(noise)
        writer.write(UInt64(transitions))
        writer.write(due)
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: 1)
    }

    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: 1))
        do {
            let shape = try PolicyShape(from: &reader)
            guard shape.recurrentSize == 0 else { throw CodingFailure.damaged }
            let isDiscrete = try reader.bool()
            self.init(shape: shape, isDiscrete: isDiscrete, options: try Options(from: &reader), seed: 0)
            let (actorCount, criticCount) = (actorParameters.values.count, criticParameters.values.count)
            actorParameters.values = try reader.floats(count: actorCount)
            criticParameters.values = try reader.floats(count: criticCount)
            actorTarget.values = try reader.floats(count: actorCount)
            criticTarget.values = try reader.floats(count: criticCount)
            actorOptimizer = try Adam(from: &reader, count: actorCount, options: .init())
            criticOptimizer = try Adam(from: &reader, count: criticCount, options: .init())
            generator = try RandomGenerator(from: &reader)
            replay = try ReplayBuffer(from: &reader, sizes: (shape.inputSize, shape.actionCount))
            noise = try reader.floats(count: shape.actionCount)
            transitions = try reader.count()
            due = try reader.float()
            guard reader.isAtEnd else { throw CodingFailure.wrongSize }
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

extension DDPG.Options {
    func encode(into writer: inout ByteWriter) {
        for value in [
            discount, actorRate, criticRate, softUpdate, stepsPerTransition, noiseTheta, noiseSigma, firstExploration,
            explorationDecay, entropy,
        ] { writer.write(value) }
        for value in [capacity, batch, warmUp] { writer.write(UInt64(value)) }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        discount = try reader.float()
        actorRate = try reader.float()
        criticRate = try reader.float()
        softUpdate = try reader.float()
        stepsPerTransition = try reader.float()
        noiseTheta = try reader.float()
        noiseSigma = try reader.float()
        firstExploration = try reader.float()
        explorationDecay = try reader.float()
        entropy = try reader.float()
        capacity = try reader.count(atLeast: 1)
        batch = try reader.count(atLeast: 1)
        warmUp = try reader.count()
    }
}

extension ByteReader {
    /// A list of exactly so many floats.
    mutating func floats(count: Int) throws(Failure) -> [Float] {
        let values = try floats()
        guard values.count == count else { throw .malformed }
        return values
    }

    /// A count within 32 bits.
    mutating func count(atLeast least: Int = 0) throws(Failure) -> Int {
        guard let value = Int(exactly: try integer(UInt64.self)), value >= least, value < 1 << 32 else {
            throw .malformed
        }
        return value
    }
}

// Trains the trajectory encoder through what its embeddings did to the base learner's loss.

import Base
import Neural

/// The encoder with its weights and optimiser. One learner serves all applications: while training, the gradients of
/// all sampled applications are summed into one step (AWARE, USENIX ATC 2023); while serving it is frozen and only encodes.
public struct MetaLearner: Sendable {
    public let encoder: TrajectoryEncoder
    public private(set) var parameters: ParameterBuffer
    private var optimizer: Adam
    /// Adam's rate.
    public var learningRate: Float
    /// Longest gradient.
    public var gradientLimit: Float = 0.5

    public init(encoder: TrajectoryEncoder, learningRate: Float = 3e-4, seed: UInt64) {
        var generator = RandomGenerator(seed: seed)
        self.encoder = encoder
        self.learningRate = learningRate
        parameters = encoder.initialParameters(using: &generator)
        optimizer = Adam(count: encoder.layout.count)
    }

    /// The embedding of an application's trajectories, with what `update` needs.
    public func encode(_ episodes: [Episode]) -> TrajectoryEncoder.Encoding {
        encoder.encode(episodes, parameters: parameters)
    }

    /// One step for the summed loss of several applications; returns the gradient's norm.
    /// - Parameter samples: each application's encoding and the gradient of the base learner's loss by it.
    @discardableResult
    public mutating func update(_ samples: [(encoding: TrajectoryEncoder.Encoding, gradient: [Float])]) -> Float {
        var gradients = [Float](repeating: 0, count: parameters.values.count)
        for sample in samples where sample.gradient.count == encoder.embeddingSize {
            encoder.backward(
                sample.encoding, gradient: sample.gradient, parameters: parameters, gradients: &gradients)
        }
        let norm = gradientNorm(gradients, count: gradients.count)
        guard norm.isFinite, norm > 0 else { return norm }
        optimizer.update(
            &parameters.values, gradients: gradients, rate: learningRate,
            scale: clippingScale(norm: norm, limit: gradientLimit))
        return norm
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(learningRate)
        writer.write(gradientLimit)
        writer.write(parameters.values)
        optimizer.encode(into: &writer)
    }

    /// Reads weights and optimiser of an encoder of the same sizes.
    public init(from reader: inout ByteReader, encoder: TrajectoryEncoder) throws(ByteReader.Failure) {
        self.init(encoder: encoder, seed: 0)
        learningRate = try reader.float()
        gradientLimit = try reader.float()
        parameters.values = try reader.floats(count: encoder.layout.count)
        optimizer = try Adam(from: &reader, count: encoder.layout.count, options: .init())
    }
}

/// PPO with a meta-learner on one application: the published meta run. The embedding is computed once for each change
/// of the buffer, stays the same from a rollout to the end of the update that learns from it, and is shared by actor
/// and critic.
public struct MetaPPO: Learner {
    public private(set) var base: PPO
    public private(set) var meta: MetaLearner
    public private(set) var buffer: EpisodeBuffer
    public private(set) var embedding: [Float]

    /// - Parameter shape: its `embeddingSize` is the encoder's.
    public init(
        shape: PolicyShape, options: PPO.Options = .init(), buffer: EpisodeBuffer = EpisodeBuffer(), seed: UInt64
    ) {
        precondition(shape.embeddingSize > 0, "a meta-learned policy reads an embedding")
        base = PPO(shape: shape, options: options, seed: seed)
        meta = MetaLearner(encoder: Self.encoder(for: shape), seed: seed)
        self.buffer = buffer
        embedding = [Float](repeating: 0, count: shape.embeddingSize)
    }

    private static func encoder(for shape: PolicyShape) -> TrajectoryEncoder {
        TrajectoryEncoder(
            observationSize: shape.observationSize, heads: shape.heads, embeddingSize: shape.embeddingSize)
    }

    public var shape: PolicyShape { base.shape }
    public var policy: Policy { base.policy }

    public mutating func update(_ episodes: [Episode]) -> PPO.Diagnostics {
        // The same embedding as was played with, this time with its way back.
        let encoding = meta.encode(buffer.episodes)
        let diagnostics = base.update(episodes)
        var gradient = [Float](repeating: 0, count: shape.embeddingSize)
        for (index, value) in base.embeddingGradients.enumerated() { gradient[index % gradient.count] += value }
        meta.update([(encoding, gradient)])
        for episode in episodes where episode.isValid(for: shape) { buffer.insert(episode) }
        embedding = meta.encode(buffer.episodes).embedding
        return diagnostics
    }

    private static let magic: [UInt8] = Array("AWMP".utf8)

    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(base.encode())
        meta.encode(into: &writer)
        buffer.encode(into: &writer)
        writer.write(embedding)
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: 1)
    }

    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: 1))
        do {
            base = try PPO(decoding: try reader.byteArray())
            guard base.shape.embeddingSize > 0 else { throw CodingFailure.damaged }
            meta = try MetaLearner(from: &reader, encoder: Self.encoder(for: base.shape))
            buffer = try EpisodeBuffer(from: &reader)
            embedding = try reader.floats(count: base.shape.embeddingSize)
            guard reader.isAtEnd else { throw CodingFailure.wrongSize }
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

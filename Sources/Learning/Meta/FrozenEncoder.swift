// A trajectory encoder as it ships: trained, frozen, and with reference workloads to compare others with.

import Base
import Neural

/// Turns what is recorded of an application into its embedding: a description of the workload itself.
///
/// What it reads of each step is what a server stores with every decision: the state vector (`StateEncoder.count`
/// values), the index chosen in every head of `ActionSpace.standard`, and the priced reward.
public struct FrozenEncoder: Sendable {
    /// A known workload and its embedding.
    public struct Reference: Sendable, Equatable {
        /// The names of its segments, joined by `.`.
        public var name: String
        /// (embeddingSize).
        public var vector: [Float]

        public init(name: String, vector: [Float]) {
            self.name = name
            self.vector = vector
        }
    }

    /// M: so many of an application's episodes are worth giving. It was trained on one to three of about 100 steps;
    /// longer and more numerous ones are averaged.
    public static let episodesMax = 20

    public let encoder: TrajectoryEncoder
    public let parameters: ParameterBuffer
    public let references: [Reference]
    /// Differs between encoders with different weights: only embeddings of the same version can be compared.
    public let version: Int

    public init(encoder: TrajectoryEncoder, parameters: ParameterBuffer, references: [Reference]) {
        self.encoder = encoder
        self.parameters = parameters
        self.references = references
        var writer = ByteWriter()
        writer.write(parameters.values)
        // 31 bits: positive in every integer column.
        version = Int(truncatingIfNeeded: FNV1a.hash(writer.bytes) >> 33)
    }

    /// The workload's embedding, `encoder.embeddingSize` floats in -1...1; zeros when no episode can be read.
    public func embedding(of episodes: [Episode]) -> [Float] {
        encoder.encode(Array(episodes.suffix(Self.episodesMax)), parameters: parameters).embedding
    }

    private static let magic: [UInt8] = Array("AWEN".utf8)

    /// Sizes, weights, references, and a checksum.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(reserving: parameters.values.count * 4 + 8192)
        for size in [encoder.observationSize, encoder.units, encoder.embeddingSize, encoder.heads.count] {
            writer.write(UInt32(size))
        }
        for head in encoder.heads { writer.write(UInt32(head)) }
        writer.write(parameters.values)
        writer.write(UInt32(references.count))
        for reference in references {
            writer.write(reference.name)
            writer.write(reference.vector)
        }
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: 1)
    }

    /// - Throws: `CodingFailure`; never traps, whatever the bytes are.
    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: 1))
        do {
            var sizes: [Int] = []
            for _ in 0..<4 { sizes.append(Int(try reader.integer(UInt32.self))) }
            guard sizes.allSatisfy((1...PolicyShape.maxSize).contains), sizes[3] <= PolicyShape.maxHeads else {
                throw CodingFailure.damaged
            }
            var heads: [Int] = []
            for _ in 0..<sizes[3] { heads.append(Int(try reader.integer(UInt32.self))) }
            guard heads.allSatisfy((1...PolicyShape.maxSize).contains) else { throw CodingFailure.damaged }
            let encoder = TrajectoryEncoder(
                observationSize: sizes[0], heads: heads, units: sizes[1], embeddingSize: sizes[2])
            // Before the memory is asked for: a few damaged bytes can name any size.
            guard encoder.layout.count <= PolicyShape.maxElements else { throw CodingFailure.damaged }
            var parameters = ParameterBuffer(layout: encoder.layout)
            parameters.values = try reader.floats(count: encoder.layout.count)
            var references: [Reference] = []
            for _ in 0..<(try reader.integer(UInt32.self)) {
                references.append(
                    Reference(name: try reader.string(), vector: try reader.floats(count: encoder.embeddingSize)))
            }
            guard reader.isAtEnd, parameters.values.allFinite else { throw CodingFailure.wrongSize }
            self.init(encoder: encoder, parameters: parameters, references: references)
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

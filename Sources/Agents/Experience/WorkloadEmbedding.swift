// What kind of workload an application is: its embedding, and the workloads nearest to it.

import Learning
import Neural
import Synchronization

/// The embedding of one application as of its best episodes so far.
public struct WorkloadEmbedding: Sendable, Equatable {
    /// Version of the encoder that made it; vectors of different encoders cannot be compared.
    public var encoder: Int
    public var vector: [Float]
    /// Episodes that it rests on.
    public var episodes: Int
    /// The application's last episode that was known then.
    public var episode: Int
    /// When it was computed, in seconds since 1970.
    public var created: Double

    public init(encoder: Int, vector: [Float], episodes: Int, episode: Int, created: Double) {
        self.encoder = encoder
        self.vector = vector
        self.episodes = episodes
        self.episode = episode
        self.created = created
    }
}

/// The frozen half of the meta-learner: it is trained with the base policy and ships with it.
public struct WorkloadEncoder: Sendable {
    /// A workload that the encoder was trained on, to compare others with.
    public struct Reference: Sendable {
        public var name: String
        public var vector: [Float]

        public init(name: String, vector: [Float]) {
            self.name = name
            self.vector = vector
        }
    }

    public var version: Int
    public var encoder: TrajectoryEncoder
    public var parameters: ParameterBuffer
    public var references: [Reference]

    public init(version: Int, encoder: TrajectoryEncoder, parameters: ParameterBuffer, references: [Reference]) {
        self.version = version
        self.encoder = encoder
        self.parameters = parameters
        self.references = references
    }
}

/// Every application's embedding, and who is near whom.
public final class EmbeddingIndex: Sendable {
    /// A workload that resembles another.
    public struct Neighbour: Sendable, Equatable {
        public var name: String
        /// `nil` for a reference application of the encoder.
        public var application: Int64?
        /// Cosine of the angle between the embeddings, -1...1.
        public var similarity: Double
    }

    private struct Entry {
        var name: String
        var embedding: WorkloadEmbedding
    }

    private let encoder: WorkloadEncoder?
    private let entries = Mutex<[Int64: Entry]>([:])

    /// - Parameter encoder: `nil` leaves every application without an embedding.
    public init(encoder: WorkloadEncoder?) { self.encoder = encoder }

    /// Version of the encoder in use, `nil` without one.
    public var encoderVersion: Int? { encoder?.version }

    /// Length of an embedding, 0 without an encoder.
    public var size: Int { encoder?.encoder.embeddingSize ?? 0 }

    /// The embedding of an application; `nil` before its first episodes were encoded.
    public func embedding(of application: Int64) -> WorkloadEmbedding? {
        entries.withLock { $0[application]?.embedding }
    }

    /// The workloads most like `application`, the nearest first: others of this server and the encoder's references.
    /// Empty before it has an embedding.
    public func neighbours(of application: Int64, limit: Int) -> [Neighbour] {
        let (own, others) = entries.withLock { entries in
            (entries[application]?.embedding, entries.filter { $0.key != application })
        }
        guard let own else { return [] }
        func similarity(_ vector: [Float]) -> Double {
            Double(TrajectoryEncoder.similarity(own.vector, vector))
        }
        var found = others.filter { $0.value.embedding.encoder == own.encoder }.map {
            Neighbour(name: $0.value.name, application: $0.key, similarity: similarity($0.value.embedding.vector))
        }
        if let encoder, encoder.version == own.encoder {
            found += encoder.references.map {
                Neighbour(name: $0.name, application: nil, similarity: similarity($0.vector))
            }
        }
        found.sort { ($0.similarity, $1.name) > ($1.similarity, $0.name) }
        return Array(found.prefix(max(0, limit)))
    }

    /// What a restart finds in the store; one by another encoder is computed again in time.
    public func set(_ embedding: WorkloadEmbedding, of application: Int64, name: String) {
        guard embedding.encoder == encoder?.version else { return }
        entries.withLock { $0[application] = Entry(name: name, embedding: embedding) }
    }

    public func forget(_ application: Int64) { entries.withLock { $0[application] = nil } }

    /// Encodes an application's episodes; `nil` without an encoder or without anything that it can read.
    func encode(_ episodes: [Episode], episode: Int, at time: Double) -> WorkloadEmbedding? {
        guard let encoder, !episodes.isEmpty else { return nil }
        let vector = encoder.encoder.encode(episodes, parameters: encoder.parameters).embedding
        guard vector.allSatisfy(\.isFinite), vector.contains(where: { $0 != 0 }) else { return nil }
        return WorkloadEmbedding(
            encoder: encoder.version, vector: vector, episodes: episodes.count, episode: episode, created: time)
    }
}

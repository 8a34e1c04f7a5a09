// The trajectories by which a workload is known: its best so far, or its newest.

import Base
import Neural

/// At most `capacity` whole episodes. Equal returns may stand side by side, and nothing leaves unless something enters.
public struct EpisodeBuffer: Sendable {
    public enum Selection: UInt8, Sendable, Hashable, CaseIterable {
        /// By total reward: lower ones were found unhelpful or even harmful (AWARE, USENIX ATC 2023).
        case best
        case latest
    }

    public let capacity: Int
    public let selection: Selection
    /// In the order in which they came.
    public private(set) var episodes: [Episode] = []
    /// Counts changes, so that an embedding can be kept until the buffer moves on.
    public private(set) var generation: UInt64 = 0

    /// - Parameter capacity: the paper's sensitivity analysis ended at 20 episodes.
    public init(capacity: Int = 20, selection: Selection = .best) {
        precondition(capacity > 0, "a buffer holds at least one episode")
        self.capacity = capacity
        self.selection = selection
    }

    /// Takes an episode in if it belongs here; returns whether the buffer changed.
    @discardableResult
    public mutating func insert(_ episode: Episode) -> Bool {
        guard episode.count > 0 else { return false }
        if episodes.count == capacity {
            var victim = 0
            if selection == .best {
                for index in episodes.indices where episodes[index].totalReward < episodes[victim].totalReward {
                    victim = index
                }
                guard episode.totalReward >= episodes[victim].totalReward else { return false }
            }
            episodes.remove(at: victim)
        }
        episodes.append(episode)
        generation += 1
        return true
    }

    /// Forgets everything: at a switch to another application, whose trajectories must not mix with these.
    public mutating func removeAll() {
        episodes = []
        generation += 1
    }
}

extension EpisodeBuffer {
    /// What the encoder reads of each episode, and nothing else.
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt64(capacity))
        writer.write(selection.rawValue)
        writer.write(generation)
        writer.write(UInt64(episodes.count))
        for episode in episodes {
            writer.write(episode.observations)
            writer.write(UInt32(episode.actions.count))
            for action in episode.actions { writer.write(action) }
            writer.write(episode.rewards)
        }
    }

    /// - Throws: `ByteReader.Failure` when the bytes are short or hold more than they should.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let capacity = try reader.count(atLeast: 1)
        guard let selection = Selection(rawValue: try reader.integer()) else { throw .malformed }
        self.init(capacity: capacity, selection: selection)
        generation = try reader.integer()
        let count = try reader.count()
        guard count <= capacity else { throw .malformed }
        for _ in 0..<count {
            var episode = Episode()
            episode.observations = try reader.floats()
            let actions = Int(try reader.integer(UInt32.self))
            for _ in 0..<actions { episode.actions.append(try reader.integer()) }
            episode.rewards = try reader.floats()
            episodes.append(episode)
        }
    }
}

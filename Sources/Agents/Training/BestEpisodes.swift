// Which episodes an application's workload is known by: its best so far (AWARE, USENIX ATC 2023), by number.

import Base
import Scaling

/// The numbers of the best episodes; their steps stay in the store.
struct BestEpisodes: Sendable, Equatable {
    /// The paper's sensitivity analysis ended at 20.
    static let capacity = 20

    private var entries: [(number: Int, reward: Double)] = []
    /// Something entered since it was last encoded.
    var hasChanged = false
    /// The last episode that was offered.
    private(set) var latest = 0

    var numbers: [Int] { entries.map(\.number) }

    /// Whoever acted: the workload shows in what happened, not in who did it.
    mutating func insert(_ summary: EpisodeSummary) {
        latest = max(latest, summary.number)
        guard let reward = summary.reward, reward.isFinite, summary.steps > 1 else { return }
        if entries.count >= Self.capacity {
            guard let worst = entries.indices.min(by: { entries[$0].reward < entries[$1].reward }),
                reward >= entries[worst].reward
            else { return }
            entries.remove(at: worst)
        }
        entries.append((summary.number, reward))
        hasChanged = true
    }

    mutating func correct(_ correction: EpisodeCorrection) {
        guard let index = entries.firstIndex(where: { $0.number == correction.episode }) else { return }
        if let reward = correction.after { entries[index].reward = reward } else { entries.remove(at: index) }
        hasChanged = true
    }

    init() {}

    static func == (left: BestEpisodes, right: BestEpisodes) -> Bool {
        left.latest == right.latest && left.hasChanged == right.hasChanged && left.numbers == right.numbers
            && left.entries.map(\.reward) == right.entries.map(\.reward)
    }

    /// Whether it has changed is not written: after a restart the first episode encodes again, to be on the safe side.
    func encode(into writer: inout ByteWriter) {
        writer.write(UInt32(clamping: latest))
        writer.write(UInt32(clamping: entries.count))
        for entry in entries {
            writer.write(UInt32(clamping: entry.number))
            writer.write(entry.reward)
        }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        latest = Int(try reader.integer(UInt32.self))
        let count = Int(try reader.integer(UInt32.self))
        guard count <= Self.capacity else { throw .malformed }
        for _ in 0..<count {
            let number = Int(try reader.integer(UInt32.self))
            entries.append((number, try reader.double()))
        }
        hasChanged = true
    }
}

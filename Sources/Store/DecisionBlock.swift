// The stored form of the decisions of one episode together: columns of numbers, then the records, compressed by zlib.

import Agents
import Base
import Foundation
import GRDB

/// Decisions of one application and episode, oldest first.
struct DecisionBlock {
    /// A row of `decision`.
    struct Entry {
        var seq: Int64
        var previous: Int64
        var time: Double
        var step: Int
        var reward: Double?
        var record: [UInt8]
    }

    enum Failure: Error { case damaged }

    private static let version: UInt8 = 1
    /// Of zlib: 11 us a decision; 9 takes twice as long for half a percent.
    private static let level: Int32 = 6
    /// Bytes of an uncompressed block beyond which a length is damage.
    private static let bytesMax = 64 << 20

    var application: Int64
    var episode: Int
    var entries: [Entry]

    var first: Int64 { entries[0].seq }
    var last: Int64 { entries[entries.count - 1].seq }
    var started: Double { entries.lazy.map(\.time).min()! }
    var ended: Double { entries.lazy.map(\.time).max()! }

    /// The length of the content (32 bits), then its compressed form with zlib's own checksum.
    func encode() throws -> [UInt8] {
        var writer = ByteWriter(reserving: 64 + entries.reduce(0) { $0 + $1.record.count + 48 })
        writer.write(Self.version)
        writer.write(application)
        writer.write(Int64(episode))
        writer.write(UInt32(entries.count))
        var before = Int64(0)
        for entry in entries {
            writer.write(entry.seq - before)
            before = entry.seq
        }
        before = entries[0].previous
        for entry in entries {
            // Nearly always the decision before it.
            writer.write(entry.previous - before)
            before = entry.seq
        }
        for entry in entries { writer.write(entry.time) }
        for entry in entries { writer.write(UInt32(clamping: entry.step)) }
        writer.write(entries[0].previous)
        for entry in entries {
            writer.write(entry.reward != nil)
            writer.write(entry.reward ?? 0)
        }
        for entry in entries { writer.write(entry.record) }
        let content = writer.written
        guard let packed = Zlib.pack(content, level: Self.level) else { throw Failure.damaged }
        var framed = ByteWriter(reserving: packed.count + 4)
        framed.write(UInt32(content.count))
        packed.withUnsafeBytes { framed.append($0) }
        return framed.bytes
    }

    init(application: Int64, episode: Int, entries: [Entry]) {
        self.application = application
        self.episode = episode
        self.entries = entries
    }

    /// - Throws: when the bytes, or the columns beside them, are not what was stored.
    init(decoding bytes: [UInt8]) throws {
        var frame = ByteReader(bytes)
        let length = Int(try frame.integer(UInt32.self))
        guard length > 0, length < Self.bytesMax, bytes.count > 4,
            let content = bytes.withUnsafeBytes({ Zlib.unpack(UnsafeRawBufferPointer(rebasing: $0[4...]), length: length) })
        else { throw Failure.damaged }
        var reader = ByteReader(content)
        guard try reader.integer(UInt8.self) == Self.version else { throw Failure.damaged }
        application = try reader.integer()
        episode = Int(try reader.integer(Int64.self))
        let count = Int(try reader.integer(UInt32.self))
        guard count > 0, count <= length else { throw Failure.damaged }
        var seqs: [Int64] = []
        for _ in 0..<count { seqs.append((seqs.last ?? 0) &+ (try reader.integer(Int64.self))) }
        let links = try (0..<count).map { _ in try reader.integer(Int64.self) }
        let times = try (0..<count).map { _ in try reader.double() }
        let steps = try (0..<count).map { _ in Int(try reader.integer(UInt32.self)) }
        let before = try reader.integer(Int64.self)
        let rewards = try (0..<count).map { _ -> Double? in
            let isThere = try reader.bool()
            let reward = try reader.double()
            return isThere ? reward : nil
        }
        entries = try (0..<count).map { index in
            Entry(
                seq: seqs[index], previous: (index == 0 ? before : seqs[index - 1]) &+ links[index], time: times[index],
                step: steps[index], reward: rewards[index], record: try reader.byteArray())
        }
        guard reader.isAtEnd else { throw Failure.damaged }
    }

    /// A row with the columns application, episode, first, last, started, ended, count, bytes.
    static func read(_ row: Row) throws -> DecisionBlock {
        let bytes: Data = row["bytes"]
        let block = try DecisionBlock(decoding: Array(bytes))
        guard block.application == row["application"], block.episode == row["episode"], block.first == row["first"],
            block.last == row["last"], block.started == row["started"], block.ended == row["ended"],
            block.entries.count == row["count"]
        else { throw Failure.damaged }
        return block
    }

    func decision(_ entry: Entry) throws -> Decision {
        try DecisionRecord.decode(
            entry.record, seq: entry.seq, application: application, previous: entry.previous, time: entry.time,
            episode: episode, step: entry.step, reward: entry.reward)
    }
}

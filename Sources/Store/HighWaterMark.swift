// What was answered last, in a file beside the database: a database that does not know of it has lost something.
//
// SQLite stops reading its log at the first frame whose checksum does not fit, and what was committed behind it is gone
// without an error; a log that is missing, or a database that an older copy replaced, looks sound, too. So the highest
// numbers that were committed are written here before they are answered: one write of 64 bytes a group, not synced. After
// a loss of power the mark may be older than the database, which says nothing; it is never newer without a loss.

import Base
import Foundation
import GRDB
import Logging
import Synchronization

/// What a start found to be missing.
public struct StorageLoss: Sendable, CustomStringConvertible {
    /// Highest numbers in the database, and those that were committed.
    public let found: HighWaterMark.Contents
    public let committed: HighWaterMark.Contents

    public var description: String {
        let (from, to) = (text(found.time), text(committed.time))
        var parts: [String] = []
        if committed.seq > found.seq {
            parts.append("up to \(committed.seq - found.seq) answered decisions (numbers \(found.seq + 1) to \(committed.seq))")
        }
        if committed.event > found.event {
            parts.append("up to \(committed.event - found.event) events (ids \(found.event + 1) to \(committed.event))")
        }
        return
            "The database has lost \(parts.joined(separator: " and ")), between \(from) and \(to): its log was damaged or removed, or an older copy was put in its place. What is there is sound; numbers go on behind the lost ones."
    }

    private func text(_ time: Double) -> String {
        time > 0 ? Date(timeIntervalSince1970: time).ISO8601Format() : "the beginning"
    }
}

public final class HighWaterMark: Sendable {
    public struct Contents: Sendable, Equatable {
        /// Highest numbers of a decision and of an event.
        public var seq: Int64 = 0
        public var event: Int64 = 0
        /// Seconds since 1970 of the last decision.
        public var time = 0.0
    }

    static let size = 64
    private static let magic: UInt64 = 0x6B72_616D_7761_0001
    private let descriptor: Int32
    private let contents: Mutex<Contents>

    /// - Returns: what the file says; `nil` when there is none, or it was torn.
    static func read(_ path: String) -> Contents? {
        guard let data = FileManager.default.contents(atPath: path), data.count == size else { return nil }
        var reader = ByteReader(Array(data))
        do {
            guard try reader.integer(UInt64.self) == magic else { return nil }
            let contents = Contents(seq: try reader.integer(), event: try reader.integer(), time: try reader.double())
            return try reader.integer(UInt64.self) == checksum(contents) ? contents : nil
        } catch {
            return nil
        }
    }

    /// Opens the file, or makes it, and writes `contents`.
    init(path: String, _ contents: Contents) throws {
        descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Database.Failure.folder(path, reason: String(cString: strerror(errno))) }
        self.contents = Mutex(contents)
        note { _ in }
    }

    deinit { close(descriptor) }

    /// Raises the mark; what cannot be written (a full disk: the file has its size already) is written the next time.
    func note(_ change: (inout Contents) -> Void) {
        contents.withLock { contents in
            change(&contents)
            var writer = ByteWriter(reserving: Self.size)
            writer.write(Self.magic)
            writer.write(contents.seq)
            writer.write(contents.event)
            writer.write(contents.time)
            writer.write(Self.checksum(contents))
            while writer.written.count < Self.size { writer.write(0 as UInt64) }
            _ = pwrite(descriptor, writer.written.baseAddress, Self.size, 0)
        }
    }

    private static func checksum(_ contents: Contents) -> UInt64 {
        var sum = Checksum()
        sum.add(contents.seq)
        sum.add(contents.event)
        sum.add(contents.time.bitPattern)
        return sum.value
    }
}

extension Database {
    /// Compares the mark with the database, and opens it for writing.
    func openMark() throws {
        let file = (path as NSString).deletingLastPathComponent + "/aware.mark"
        let known = HighWaterMark.read(file)
        let (found, wasMarked) = try pool.read { db in
            let row = try Row.fetchOne(db, sql: "SELECT seq, event, marked FROM highest")
            let last = try Row.fetchOne(db, sql: "SELECT seq, time FROM decision ORDER BY seq DESC LIMIT 1")
            let event = try Int64.fetchOne(db, sql: "SELECT max(id) FROM event") ?? 0
            return (
                HighWaterMark.Contents(
                    seq: max(row?["seq"] ?? 0, last?[0] ?? 0), event: max(row?["event"] ?? 0, event), time: last?[1] ?? 0),
                (row?["marked"] ?? 0) == 1
            )
        }
        var next = found
        if let known, known.seq > found.seq || known.event > found.event {
            let loss = StorageLoss(found: found, committed: known)
            state.withLock { $0.loss = loss }
            next = HighWaterMark.Contents(
                seq: max(known.seq, found.seq), event: max(known.event, found.event), time: max(known.time, found.time))
        }
        let text = state.withLock { $0.loss }.map { "\($0)" }
            ?? (known == nil && wasMarked ? "The file \(file) is missing or torn: whether anything was lost before this start cannot be told." : nil)
        let mark = try HighWaterMark(path: file, next)
        state.withLock { $0.mark = mark }
        if !wasMarked || text != nil {
            try write { db in
                try db.execute(
                    sql: "INSERT OR REPLACE INTO highest (id, seq, event, marked) VALUES (1, ?, ?, 1)",
                    arguments: [next.seq, next.event])
                if let text { try Self.insertAlarm("loss", text, of: nil, at: Date().timeIntervalSince1970, into: db) }
            }
            announceEvents()
        }
        state.withLock { $0.startNotice = text }
    }

    /// An event that tells operators of damage.
    static func insertAlarm(_ kind: String, _ reason: String, of application: Int64?, at time: Double, into db: GRDB.Database) throws {
        let last = try Int64.fetchOne(db, sql: "SELECT max(coalesce((SELECT max(id) FROM event), 0), coalesce((SELECT event FROM highest), 0))") ?? 0
        try db.execute(
            sql: """
                INSERT INTO event (id, time, application, episode, kind, origin, target, reason, figures)
                VALUES (?, ?, ?, NULL, ?, 'store', 'store', ?, '{}')
                """, arguments: [last + 1, time, application, kind, reason])
    }

    /// Notes damaged state of an application, for operators; a store that cannot be written does not matter here.
    public func noteDamage(of application: Int64?, _ reason: String) {
        log.error("damage", metadata: ["reason": "\(reason)"])
        try? write { try Self.insertAlarm("damage", reason, of: application, at: Date().timeIntervalSince1970, into: $0) }
        announceEvents()
    }

    /// Before rows of `decision` or `event` are deleted: their numbers must not be given again.
    static func keepHighest(_ db: GRDB.Database) throws {
        try db.execute(
            sql: """
                UPDATE highest SET seq = max(seq, coalesce((SELECT max(seq) FROM decision), 0)),
                    event = max(event, coalesce((SELECT max(id) FROM event), 0))
                """)
    }
}

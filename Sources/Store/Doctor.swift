// Looks at everything a database holds and says what is wrong: pages, rows, stored forms, chains, and the end of it all.

import Agents
import Foundation
import GRDB

public enum Doctor {
    public struct Findings: Sendable {
        /// A sentence each; empty for a sound database.
        public var damage: [String] = []
        /// What is worth knowing and no damage.
        public var notes: [String] = []
        public var decisions = 0
        public var episodes = 0
        public var applications = 0
    }

    /// Sentences of each kind; one damaged page can concern thousands of rows.
    private static let limit = 20

    static func configuration(readonly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { $0.add(function: RowChecksums.function) }
        return configuration
    }

    /// Checks the data folder of a server, running or not, without writing to it.
    public static func examine(folder: String) throws -> Findings {
        let path = folder + "/aware.sqlite"
        let mark = HighWaterMark.read(folder + "/aware.mark")
        guard FileManager.default.fileExists(atPath: path) else {
            guard let mark, mark.seq > 0 else { throw Backup.Failure.missing(path) }
            var findings = Findings()
            findings.damage = ["\(path) is gone, with \(mark.seq) decisions."]
            return findings
        }
        var findings = try findings(in: path, mark: mark)
        if mark == nil { findings.notes.append("There is no mark beside the database: a lost end would not be noticed.") }
        return findings
    }

    /// Checks one file.
    /// - Parameter mark: read before the file, so that a running server is not ahead of it.
    static func findings(in path: String, mark: HighWaterMark.Contents? = nil) throws -> Findings {
        var findings = Findings()
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration(readonly: true))
            defer { try? queue.close() }
            try queue.read { db in
                guard try db.tableExists("grdb_migrations") else { throw Backup.Failure.notOurs(path) }
                try examine(db, &findings)
                if let mark { try compare(mark, db, &findings) }
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB {
            findings.damage.append("\(error.message ?? "it is not an SQLite database")")
        }
        return findings
    }

    /// Checks everything within a database.
    static func examine(_ db: GRDB.Database, _ findings: inout Findings) throws {
        findings.damage += try String.fetchAll(db, sql: "PRAGMA integrity_check(\(limit))").filter { $0 != "ok" }
            .map { "pages: \($0)" }
        if try db.tableExists("highest") {
            findings.damage += try RowChecksums.damage(in: db, limit: limit)
        } else {
            findings.notes.append("It is from before there were checksums; the next start of a server adds them.")
        }
        findings.applications = try Int.fetchOne(db, sql: "SELECT count(*) FROM application") ?? 0
        findings.episodes = try Int.fetchOne(db, sql: "SELECT count(*) FROM episode") ?? 0
        try examineDecisions(db, &findings)
        if try db.tableExists("decisionBlock") { try examineBlocks(db, &findings) }
    }

    /// Every decision's stored form, and its link to the one before.
    private static func examineDecisions(_ db: GRDB.Database, _ findings: inout Findings) throws {
        var last: [Int64: Int64] = [:]
        var (damaged, gaps) = (0, 0)
        let rows = try Row.fetchCursor(
            db, sql: "SELECT application, previous, time, episode, step, reward, record, seq FROM decision ORDER BY seq")
        while let row = try rows.next() {
            findings.decisions += 1
            let (application, previous, seq): (Int64, Int64, Int64) = (row[0], row[1], row[7])
            do {
                _ = try Database.decision(row, seq: seq)
            } catch {
                damaged += 1
                if damaged <= limit { findings.damage.append("decision \(seq) of application \(application): \(error)") }
            }
            // Links into what retention has removed lead nowhere; a decision that was refused leaves a gap, too.
            if let known = last[application], previous != known { gaps += 1 }
            last[application] = seq
        }
        if damaged > limit { findings.damage.append("and \(damaged - limit) more decisions") }
        if gaps > 0 {
            findings.notes.append(
                "\(gaps) decisions follow one that is not there: it was refused (a full disk, a kill between two commits) or deleted by hand.")
        }
    }

    private static func examineBlocks(_ db: GRDB.Database, _ findings: inout Findings) throws {
        var damaged = 0
        let rows = try Row.fetchCursor(db, sql: "SELECT * FROM decisionBlock ORDER BY id")
        while let row = try rows.next() {
            do {
                let block = try DecisionBlock.read(row)
                findings.decisions += block.entries.count
                for entry in block.entries { _ = try block.decision(entry) }
            } catch {
                damaged += 1
                guard damaged <= limit else { continue }
                findings.damage.append(
                    "block \(row["id"] as Int64): decisions \(row["first"] as Int64) to \(row["last"] as Int64) of application \(row["application"] as Int64), episode \(row["episode"] as Int64): \(error)")
            }
        }
        if damaged > limit { findings.damage.append("and \(damaged - limit) more blocks") }
    }

    private static func compare(_ mark: HighWaterMark.Contents, _ db: GRDB.Database, _ findings: inout Findings) throws {
        guard try db.tableExists("highest") else { return }
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT max(coalesce((SELECT max(seq) FROM decision), 0), seq),
                    max(coalesce((SELECT max(id) FROM event), 0), event),
                    (SELECT time FROM decision ORDER BY seq DESC LIMIT 1) FROM highest
                """)
        let found = HighWaterMark.Contents(seq: row?[0] ?? 0, event: row?[1] ?? 0, time: row?[2] ?? 0)
        if mark.seq > found.seq || mark.event > found.event {
            findings.damage.append(StorageLoss(found: found, committed: mark).description)
        }
    }
}

// Applications, their profiles, and what each agent remembers between decisions.

import Agents
import Foundation
import GRDB
import Operations
import Synchronization

extension Database {
    public func applications() throws -> [StoredApplication] {
        try pool.read { db in
            try Row.fetchAll(db, sql: Self.selectApplications + " ORDER BY application.id").map(Self.application)
        }
    }

    /// A damaged row of `moved` is a damaged application: it would decide otherwise than it should.
    static let selectApplications = """
        SELECT application.*, number, seed, shift, seal.application IS NOT NULL AS isSealed,
            \(RowChecksums.isSound("application"))
                AND (moved.application IS NULL OR \(RowChecksums.isSound("moved"))) AS isSound
        FROM application LEFT JOIN moved ON moved.application = application.id
            LEFT JOIN seal ON seal.application = application.id
        """

    static func application(_ row: Row) -> StoredApplication {
        let number: Int64? = row["number"]
        return StoredApplication(
            id: row["id"], name: row["name"], profile: row["profile"], revision: row["revision"], created: row["created"],
            origin: number.map { Origin(number: $0, seed: UInt64(bitPattern: row["seed"] as Int64), shift: row["shift"]) },
            isSealed: row["isSealed"], isSound: row["isSound"])
    }

    /// Inserts a new application and returns its id.
    public func insert(application name: String, profile: String, created: Double) throws -> Int64 {
        try write { db in
            try db.execute(
                sql: "INSERT INTO application (name, profile, revision, created) VALUES (?, ?, 1, ?)",
                arguments: [name, profile, created])
            return db.lastInsertedRowID
        }
    }

    public func update(application id: Int64, profile: String, revision: Int) throws {
        try write { db in
            try db.execute(
                sql: "UPDATE application SET profile = ?, revision = ? WHERE id = ?",
                arguments: [profile, revision, id])
        }
    }

    /// Deletes an application with everything recorded of it; its decisions, which can be millions, soon.
    public func delete(application id: Int64) throws {
        try write { db in
            try Self.keepHighest(db)
            let last = try Int64.fetchOne(db, sql: "SELECT max(seq) FROM decision") ?? 0
            try db.execute(sql: "INSERT OR REPLACE INTO deletion (application, last) VALUES (?, ?)", arguments: [id, last])
            try db.execute(sql: "DELETE FROM application WHERE id = ?", arguments: [id])
        }
        scheduleDeletions()
    }

    /// The highest `seq` ever used; new decisions are numbered from there.
    public func lastSeq() throws -> Int64 {
        let stored = try pool.read { db in
            try Int64.fetchOne(
                db, sql: "SELECT max(coalesce((SELECT max(seq) FROM decision), 0), (SELECT seq FROM highest))") ?? 0
        }
        return max(stored, state.withLock { $0.loss }?.committed.seq ?? 0)
    }

    /// Where an application goes on whose state is damaged: the number of its next episode and its last decision.
    public func continuation(of application: Int64) throws -> (episode: Int, last: Int64) {
        try pool.read { db in
            let episode = try Int.fetchOne(
                db, sql: "SELECT max(number) FROM episode WHERE application = ?", arguments: [application]) ?? 0
            return (episode + 1, try Self.lastDecision(of: application, in: db))
        }
    }

    /// `seq` of the last decision of every application. Scans what was added since the last call, and remembers; for
    /// start-up only, because decisions that are still being committed may be numbered below what it remembers.
    public func lastDecisions() throws -> [Int64: Int64] {
        try write { db in
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO lastDecision (application, seq)
                    SELECT application, max(seq) FROM decision
                    WHERE seq > (SELECT coalesce(max(seq), 0) FROM lastDecision)
                        AND application IN (SELECT id FROM application)
                    GROUP BY application
                    """)
            var last: [Int64: Int64] = [:]
            let rows = try Row.fetchCursor(db, sql: "SELECT application, seq FROM lastDecision")
            while let row = try rows.next() { last[row[0]] = row[1] }
            return last
        }
    }

    /// The same for one application, without writing: also when the disk is full.
    public func lastDecision(of application: Int64) throws -> Int64 {
        try pool.read { try Self.lastDecision(of: application, in: $0) }
    }

    static func lastDecision(of application: Int64, in db: GRDB.Database) throws -> Int64 {
        try Int64.fetchOne(
            db,
            sql: """
                SELECT max(seq) FROM decision WHERE application = ?1 AND seq >= max(
                    coalesce((SELECT seq FROM agentState WHERE application = ?1), 0),
                    coalesce((SELECT seq FROM lastDecision WHERE application = ?1), 0))
                """, arguments: [application]) ?? 0
    }

    /// What the agent of `application` continues from, given the `seq` of its last decision (0 for none).
    public func agent(of application: Int64, last: Int64) throws -> StoredAgent {
        try pool.read { db in
            let saved = try Row.fetchOne(
                db.cachedStatement(sql: "SELECT seq, state, \(RowChecksums.isSound("agentState")) FROM agentState WHERE application = ?"),
                arguments: [application])
            if let saved, saved[2] == false { throw StoredDamage(description: "what it remembered does not fit its checksum") }
            let savedSeq: Int64 = saved?[0] ?? 0
            var decisions: [Decision] = []
            var next = last
            while next > savedSeq, let decision = try Self.decision(of: application, upTo: next, in: db),
                decision.seq > savedSeq
            {
                decisions.append(decision)
                next = decision.previous
            }
            let episode = try Row.fetchOne(
                db.cachedStatement(
                    sql: "SELECT * FROM episode WHERE application = ? ORDER BY number DESC LIMIT 1"),
                arguments: [application]
            ).map(Self.episode)
            return StoredAgent(
                state: saved.map { Array($0[1] as Data) }, decisions: decisions.reversed(), episode: episode)
        }
    }
}

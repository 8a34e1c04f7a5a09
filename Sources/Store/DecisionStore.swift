// Decisions and episodes: committed by the recorder in groups, read back along their chains.

import Agents
import Foundation
import GRDB
import Synchronization
import GRDBSQLite

extension Database: DecisionSink {
    public func enqueue(_ body: @escaping @Sendable (_ write: ([PendingDecision]) throws -> Void) -> Void) {
        pool.asyncWriteWithoutTransaction { [self] db in
            body { batch in
                if let fault { throw fault }
                try Self.step("BEGIN IMMEDIATE", in: db)
                do {
                    try Self.insert(batch, into: db)
                    try Self.step("COMMIT", in: db)
                    mark(batch)
                } catch {
                    // SQLite has rolled back by itself after some failures, a full disk among them.
                    if db.isInsideTransaction { try? Self.step("ROLLBACK", in: db) }
                    note(error)
                    throw error
                }
            }
        }
    }

    /// Before the group is answered.
    private func mark(_ batch: [PendingDecision]) {
        let finished = batch.reduce(0) { $0 + ($1.closed?.summary.steps ?? 0) }
        if finished > 0 { finishedRows.add(finished, ordering: .relaxed) }
        guard let mark = state.withLock({ $0.mark }) else { return }
        mark.note { contents in
            for pending in batch where pending.seq > contents.seq { (contents.seq, contents.time) = (pending.seq, pending.time) }
        }
    }

    /// One step of a statement without arguments that stays prepared: GRDB compiles its BEGIN and COMMIT anew each time.
    private static func step(_ sql: String, in db: GRDB.Database) throws {
        let handle = try db.cachedStatement(sql: sql).sqliteStatement
        let code = sqlite3_step(handle)
        sqlite3_reset(handle)
        guard code == SQLITE_DONE else { throw failure(code, in: db) }
    }

    private static func failure(_ code: Int32, in db: GRDB.Database) -> DatabaseError {
        DatabaseError(
            resultCode: ResultCode(rawValue: code), message: String(cString: sqlite3_errmsg(db.sqliteConnection)))
    }

    /// Rows of one statement: what begins and ends a statement costs a third of a row.
    private static let rowsPerStatement = 8

    private static func insertion(rows: Int) -> String {
        "INSERT INTO decision (seq, application, previous, time, episode, step, reward, record) VALUES "
            + Array(repeating: "(?, ?, ?, ?, ?, ?, ?, ?)", count: rows).joined(separator: ", ")
    }

    private static let insertionOfMany = insertion(rows: rowsPerStatement)
    private static let insertionOfOne = insertion(rows: 1)

    private static func insert(_ batch: [PendingDecision], into db: GRDB.Database) throws {
        var next = 0
        if batch.count >= rowsPerStatement {
            let statement = try db.cachedStatement(sql: insertionOfMany)
            while batch.count - next >= rowsPerStatement {
                try insert(batch[next..<next + rowsPerStatement], by: statement, into: db)
                next += rowsPerStatement
            }
        }
        if next < batch.count {
            let statement = try db.cachedStatement(sql: insertionOfOne)
            while next < batch.count {
                try insert(batch[next..<next + 1], by: statement, into: db)
                next += 1
            }
        }
        for pending in batch { try close(pending, in: db) }
    }

    /// Binds by hand: GRDB's arguments cost an allocation a value, and this runs for every decision.
    private static func insert(
        _ rows: ArraySlice<PendingDecision>, by statement: Statement, into db: GRDB.Database
    ) throws {
        let handle = statement.sqliteStatement
        var column: Int32 = 0
        func bind(_ value: Int64) {
            column += 1
            sqlite3_bind_int64(handle, column, value)
        }
        for pending in rows {
            bind(pending.seq)
            bind(pending.application)
            bind(pending.previous)
            column += 1
            sqlite3_bind_double(handle, column, pending.time)
            bind(Int64(pending.episode))
            bind(Int64(pending.step))
            column += 1
            if let reward = pending.reward {
                sqlite3_bind_double(handle, column, reward)
            } else {
                sqlite3_bind_null(handle, column)
            }
            column += 1
            // Without a destructor SQLite does not copy: `rows` keeps the bytes until the step is done.
            _ = pending.record.withUnsafeBytes { sqlite3_bind_blob(handle, column, $0.baseAddress, Int32($0.count), nil) }
        }
        let code = withExtendedLifetime(rows) { sqlite3_step(handle) }
        sqlite3_reset(handle)
        guard code == SQLITE_DONE else { throw failure(code, in: db) }
    }

    /// What a decision that closes an episode stores besides itself.
    private static func close(_ pending: PendingDecision, in db: GRDB.Database) throws {
        // An application may be deleted while its last decisions are on their way: they must not fail the others.
        if let closed = pending.closed {
            try insert(closed.summary, into: db)
            if try hasFeedback(since: closed.summary.number, of: pending.application, in: db) {
                try recount(episode: closed.summary.number, of: pending.application, in: db)
            }
            try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO agentState (application, seq, state)
                    SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM application WHERE id = ?1)
                    """
            ).execute(arguments: [pending.application, pending.seq, Data(closed.state)])
        }
    }

    private static func insert(_ episode: EpisodeSummary, into db: GRDB.Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO episode (application, number, started, ended, steps, closing, stage, actor, modelVersion,
                    reward, rulesReward, violations, bill, rulesBill, oomKills)
                SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15
                WHERE EXISTS (SELECT 1 FROM application WHERE id = ?1)
                """
        ).execute(arguments: [
            episode.application, episode.number, episode.started, episode.ended, episode.steps, episode.closing,
            episode.stage.rawValue, episode.controller.rawValue, episode.modelVersion, episode.reward, episode.rulesReward,
            episode.violations, episode.bill, episode.rulesBill, episode.oomKills,
        ])
    }
}

// MARK: Reading

extension Database {
    /// The decision with this `seq`, whatever its application. `nil` when there is none (any more).
    /// - Parameter application: whose it is. Without it only what was decided lately is looked through.
    public func decision(seq: Int64, of application: Int64? = nil) throws -> Decision? {
        try pool.read { db in
            guard let application else { return try Self.decision(seq: seq, in: db) }
            let decision = try Self.decision(of: application, upTo: seq, in: db)
            return decision?.seq == seq && decision?.application == application ? decision : nil
        }
    }

    /// Decisions of one application, newest first, at most `limit`: beginning with `seq`, or with the last one before it
    /// when that is not committed yet.
    /// - Parameter time: older episodes that only have decisions at or after it are skipped; what is returned of the last
    ///   ones may be younger.
    public func decisions(
        of application: Int64, from seq: Int64, limit: Int, before time: Double = .infinity
    ) throws -> [Decision] {
        try pool.read { try Self.decisions(of: application, from: seq, limit: limit, before: time, in: $0) }
    }

    static func decisions(
        of application: Int64, from seq: Int64, limit: Int, before time: Double = .infinity, in db: GRDB.Database
    ) throws -> [Decision] {
        var result: [Decision] = []
        var next = seq
        while result.count < limit {
            let found = try Self.stretch(of: application, upTo: next, before: time, limit: limit - result.count, in: db)
            guard let last = found.last else { break }
            result += found
            next = last.previous
        }
        return result
    }

    private static let rowBySeq = "SELECT application, previous, time, episode, step, reward, record FROM decision WHERE seq = ?"
    private static let blockBySeq = """
        SELECT * FROM decisionBlock WHERE application = ? AND first <= ? AND started < ? ORDER BY first DESC LIMIT 1
        """

    /// What history is read with; each must be answered by an index.
    static let historyQueries = [
        rowBySeq, blockBySeq, "SELECT * FROM episode WHERE application = ? AND number < ? ORDER BY number DESC LIMIT ?",
        "SELECT * FROM decisionBlock WHERE application = ? AND episode = ? ORDER BY first",
        "SELECT id FROM decisionBlock WHERE application = ? LIMIT 25",
    ]

    /// Decisions along the chain from `seq`, newest first: one from a row, or those of a block.
    private static func stretch(
        of application: Int64, upTo seq: Int64, before time: Double, limit: Int, in db: GRDB.Database
    ) throws -> [Decision] {
        guard seq > 0 else { return [] }
        if let decision = try decision(seq: seq, in: db) { return [decision] }
        let row = try Row.fetchOne(
            db.cachedStatement(sql: blockBySeq), arguments: [application, seq, min(time, .greatestFiniteMagnitude)])
        let block = try row.map(DecisionBlock.read)
        if let block, block.last >= seq { return try newest(of: block, upTo: seq, limit: limit) }
        if let decision = try rowBefore(seq, of: application, in: db), decision.seq > block?.last ?? 0 { return [decision] }
        return try block.map { try newest(of: $0, upTo: seq, limit: limit) } ?? []
    }

    private static func newest(of block: DecisionBlock, upTo seq: Int64, limit: Int) throws -> [Decision] {
        try block.entries.reversed().lazy.filter { $0.seq <= seq }.prefix(limit).map { try block.decision($0) }
    }

    /// The link `seq` of an application's chain, or where it is missing the last decision before it.
    ///
    /// A link is missing when two loops decided for one application at the same time and the process died, or the disk
    /// was full, between their commits: nobody was answered with it. Only the episode around it is searched.
    static func decision(of application: Int64, upTo seq: Int64, in db: GRDB.Database) throws -> Decision? {
        try stretch(of: application, upTo: seq, before: .infinity, limit: 1, in: db).first
    }

    private static func rowBefore(_ seq: Int64, of application: Int64, in db: GRDB.Database) throws -> Decision? {
        let closing = try Int64.fetchOne(
            db, sql: "SELECT max(closing) FROM episode WHERE application = ? AND closing < ?",
            arguments: [application, seq])
        let last = try Int64.fetchOne(
            db, sql: "SELECT max(seq) FROM decision WHERE application = ? AND seq >= ? AND seq < ?",
            arguments: [application, closing ?? 0, seq])
        return try last.flatMap { try decision(seq: $0, in: db) }
    }

    static func decision(seq: Int64, in db: GRDB.Database) throws -> Decision? {
        let statement = try db.cachedStatement(sql: rowBySeq)
        return try Row.fetchOne(statement, arguments: [seq]).map { try decision($0, seq: seq) }
    }

    /// - Parameter row: application, previous, time, episode, step, reward, record.
    static func decision(_ row: Row, seq: Int64) throws -> Decision {
        let record: Data = row[6]
        return try DecisionRecord.decode(
            Array(record), seq: seq, application: row[0], previous: row[1], time: row[2], episode: row[3],
            step: row[4], reward: row[5])
    }

    /// Episodes of one application with a number below `before`, newest first.
    public func episodes(of application: Int64, before number: Int, limit: Int) throws -> [EpisodeSummary] {
        try pool.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT * FROM episode WHERE application = ? AND number < ? ORDER BY number DESC LIMIT ?
                        """), arguments: [application, number, limit]
            ).map(Self.episode)
        }
    }

    static func episode(_ row: Row) -> EpisodeSummary {
        var summary = EpisodeSummary(
            application: row["application"], number: row["number"], started: row["started"], ended: row["ended"],
            steps: row["steps"], closing: row["closing"], stage: Stage(rawValue: row["stage"]) ?? .initialized,
            controller: EpisodeSummary.Controller(rawValue: row["actor"]) ?? .rules, modelVersion: row["modelVersion"],
            reward: row["reward"], rulesReward: row["rulesReward"], violations: row["violations"])
        (summary.bill, summary.rulesBill, summary.oomKills) = (row["bill"], row["rulesBill"], row["oomKills"])
        return summary
    }
}

// What is forgotten and when: rows of deleted applications, and decisions and episodes that are old or too many.
//
// In slices of a few milliseconds between commits, so that no decision waits for a deletion, however large. A slice goes
// along the decisions' numbers, which is the order in which they lie in the file: their pages become free together.

import Dispatch
import Foundation
import GRDB
import Synchronization

/// How long things are kept.
public struct Retention: Sendable, Equatable {
    /// Seconds that decisions, and that episodes, are kept; those of a running episode always are.
    public var steps: Double?
    public var episodes: Double?
    /// Bytes of the file beyond which the oldest decisions go, whatever their age.
    public var size: Int64?

    /// 30 days of decisions, 400 days of episodes, 10 GiB: a server that nobody looks at never fills a disk.
    public init(steps: Double? = 30 * 86_400, episodes: Double? = 400 * 86_400, size: Int64? = 10 << 30) {
        self.steps = steps
        self.episodes = episodes
        self.size = size
    }
}

extension Database {
    /// Numbers of decisions that one slice looks at, and the pause after it.
    private static let sliceDecisions: Int64 = 1000
    private static let rounds = DispatchTimeInterval.seconds(10)
    /// Rounds after which it is looked for what is too old: that may read a lot to find little.
    private static let forgettingRounds = 60

    /// Begins to forget, every ten minutes, and to compact, every ten seconds, until the database is shut down.
    /// - Parameter now: seconds since 1970, of a clock that nobody sets: one that jumped ahead would forget everything.
    public func startRetention(_ retention: Retention, now: @escaping @Sendable () -> Double) {
        maintenance.async { [self] in round(0, retention, now) }
    }

    private func round(_ number: Int, _ retention: Retention, _ now: @escaping @Sendable () -> Double) {
        guard !state.withLock({ $0.isClosed }) else { return }
        // What fails, for want of space or because of a fault, is tried again in the next round.
        if finishedRows.load(ordering: .relaxed) >= Self.compactionRows {
            finishedRows.store(0, ordering: .relaxed)
            _ = try? compact()
        }
        if number % Self.forgettingRounds == 0 { try? forget(retention, at: now()) }
        maintenance.asyncAfter(deadline: .now() + Self.rounds) { [self] in round(number + 1, retention, now) }
    }

    /// One round; blocks until all is forgotten that should be.
    func forget(_ retention: Retention, at now: Double) throws {
        try finishDeletions()
        // Age counts from the newest decision: what a simulation recorded is not old because its clock is.
        let newest = try pool.read { try Double.fetchOne($0, sql: "SELECT time FROM decision ORDER BY seq DESC LIMIT 1") }
        let now = min(now, newest ?? now)
        if let steps = retention.steps { try forgetDecisions(before: now - steps) }
        if let size = retention.size { while try fileBytes() > size, try forgetOldest() > 0 {} }
        if let episodes = retention.episodes { try forgetEpisodes(before: now - episodes) }
        try giveBackPages()
    }

    /// Begins soon to remove what a deleted application has left.
    func scheduleDeletions() { maintenance.async { [self] in try? finishDeletions() } }

    /// A slice of work between two commits; nothing once the database is being closed. The pause after it is longer the longer it
    /// took and had to wait: what gives back gigabytes must not fill the log faster than it is written back.
    func slice<T>(_ work: (GRDB.Database) throws -> T?) throws -> T? {
        guard !state.withLock({ $0.isClosed }) else { return nil }
        let begun = ContinuousClock.now
        let result = try write(work)
        if result != nil { Thread.sleep(forTimeInterval: patience * max(0.01, 8 * ((ContinuousClock.now - begun) / .seconds(1)))) }
        return result
    }

    func finishDeletions() throws {
        while let (application, last) = try pool.read({ db in
            // Rows of an application that is just arriving look like those of one that was deleted.
            let arriving = state.withLock { $0.arriving }
            return try Row.fetchAll(db, sql: "SELECT application, last FROM deletion").lazy.map { ($0[0] as Int64, $0[1] as Int64) }
                .first { !arriving.contains($0.0) }
        }) {
            var next = Int64.min
            // From row to row: the numbers of an application that came from elsewhere have wide gaps.
            while let from = try pool.read({ try Int64.fetchOne($0, sql: "SELECT min(seq) FROM decision WHERE seq >= ?", arguments: [next]) }),
                from <= last
            {
                let to = from + Self.sliceDecisions
                let done = try slice { db -> Bool? in
                    // The numbers of an arrival that died are in the mark already.
                    try Self.keepHighest(db)
                    try db.execute(
                        sql: "DELETE FROM decision WHERE seq >= ? AND seq < ? AND application = ?",
                        arguments: [from, to, application])
                    return true
                }
                guard done != nil else { return }
                next = to
            }
            while try slice({ db -> Bool? in
                try db.execute(
                    sql: "DELETE FROM decisionBlock WHERE id IN (SELECT id FROM decisionBlock WHERE application = ? LIMIT 25)",
                    arguments: [application])
                return db.changesCount > 0 ? true : nil
            }) != nil {}
            guard try slice({ db -> Bool? in
                try db.execute(sql: "DELETE FROM deletion WHERE application = ?", arguments: [application])
                return true
            }) != nil else { return }
        }
    }

    /// Not of a running episode, which a restart needs, nor what training has not seen.
    private static let isSpent = """
        seq < coalesce((SELECT seq FROM agentState WHERE application = decision.application), 0)
            AND episode <= coalesce((SELECT episode FROM trainerState WHERE application = decision.application), 0)
            OR application NOT IN (SELECT id FROM application)
        """

    private static let isSpentBlock = """
        episode <= coalesce((SELECT episode FROM trainerState WHERE application = decisionBlock.application), 0)
            OR application NOT IN (SELECT id FROM application)
        """

    private func forgetDecisions(before time: Double) throws {
        while try slice({ db -> Int? in
            // In the order of their making; the first that is too young ends it.
            guard let first = try Row.fetchOne(db, sql: "SELECT ended FROM decisionBlock ORDER BY id LIMIT 1"), first[0] < time
            else { return nil }
            try db.execute(
                sql: """
                    DELETE FROM decisionBlock WHERE id IN (SELECT id FROM decisionBlock ORDER BY id LIMIT 25)
                        AND ended < ? AND (\(Self.isSpentBlock))
                    """, arguments: [time])
            return db.changesCount > 0 ? db.changesCount : nil
        }) != nil {}
        var next = try pool.read { try Int64.fetchOne($0, sql: "SELECT min(seq) FROM decision") } ?? .max
        while next < .max {
            let from = next
            let found = try slice { db -> Int64? in
                guard let row = try Row.fetchOne(
                    db, sql: "SELECT seq, time FROM decision WHERE seq >= ? ORDER BY seq LIMIT 1", arguments: [from])
                else { return nil }
                let (first, firstTime): (Int64, Double) = (row[0], row[1])
                // The order of numbers is the order of time but for jumps of the clock.
                guard firstTime < time else { return nil }
                try Self.keepHighest(db)
                try db.execute(
                    sql: "DELETE FROM decision WHERE seq >= ? AND seq < ? AND time < ? AND (\(Self.isSpent))",
                    arguments: [first, first + Self.sliceDecisions, time])
                try db.execute(
                    sql: "DELETE FROM outcome WHERE seq >= ?1 AND seq < ?2 AND seq NOT IN (SELECT seq FROM decision WHERE seq >= ?1 AND seq < ?2)",
                    arguments: [first, first + Self.sliceDecisions])
                return first + Self.sliceDecisions
            }
            guard let found else { return }
            next = found
        }
    }

    /// - Returns: how many decisions went.
    private func forgetOldest() throws -> Int {
        try slice { db -> Int? in
            try Self.keepHighest(db)
            try db.execute(
                sql: """
                    DELETE FROM decisionBlock WHERE id IN (
                        SELECT id FROM decisionBlock WHERE \(Self.isSpentBlock) ORDER BY id LIMIT 25)
                    """)
            if db.changesCount > 0 { return db.changesCount }
            try db.execute(
                sql: "DELETE FROM decision WHERE seq IN (SELECT seq FROM decision WHERE \(Self.isSpent) ORDER BY seq LIMIT ?)",
                arguments: [Self.sliceDecisions])
            if db.changesCount > 0 { return db.changesCount }
            // Rather than fill the disk: what training has not seen, because it fails for that application.
            try db.execute(sql: "DELETE FROM decisionBlock WHERE id IN (SELECT id FROM decisionBlock ORDER BY id LIMIT 25)")
            return db.changesCount
        } ?? 0
    }

    private func forgetEpisodes(before time: Double) throws {
        for application in try applications().map(\.id) {
            while try slice({ db -> Int? in
                // The last one says where the application is.
                try db.execute(
                    sql: """
                        DELETE FROM episode WHERE application = ?1 AND number IN (
                            SELECT number FROM episode WHERE application = ?1 AND ended < ?2
                                AND number < (SELECT max(number) FROM episode WHERE application = ?1)
                            ORDER BY number LIMIT 200)
                        """, arguments: [application, time])
                return db.changesCount > 0 ? db.changesCount : nil
            }) != nil {}
        }
    }

    /// Bytes of the file that are in use.
    func fileBytes() throws -> Int64 {
        try pool.read { db in
            let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let free = try Int64.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return (pages - free) * (try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 4096)
        }
    }

    /// Free pages beyond a tenth of the file go back to the file system, 64 at a time; only in files that were made for
    /// that (older ones use their free pages themselves).
    private func giveBackPages() throws {
        while try slice({ db -> Bool? in
            let free = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            guard free > pages / 10, free > 1024, try Int.fetchOne(db, sql: "PRAGMA auto_vacuum") == 2 else { return nil }
            _ = try Row.fetchAll(db, sql: "PRAGMA incremental_vacuum(64)")
            return true
        }) != nil {}
    }
}

// Rewrites the rows of finished episodes as one compressed block each, in the background.
//
// First the blocks are written, then the rows deleted along their numbers, in slices between commits: adjoining rows lie
// on the same pages, which become free together. Between the two a decision is there twice, which harms nobody: rows are
// looked for first. A crash leaves at most that, and the next pass finds the blocks and deletes the rows.

import Agents
import Foundation
import GRDB

extension Database {
    /// Rows of finished episodes that are worth a pass, and that one pass takes.
    static let compactionRows = 40_000
    private static let blocksPerSlice = 50
    private static let rowsPerSlice: Int64 = 1000

    /// Compacts while there are `rows` or more rows of finished episodes; blocks until then.
    /// - Returns: how many decisions went into blocks.
    @discardableResult
    func compact(rows limit: Int = Database.compactionRows) throws -> Int {
        var total = 0
        while let count = try compactOnce(limit) { total += count }
        return total
    }

    private func compactOnce(_ limit: Int) throws -> Int? {
        guard !isClosed else { return nil }
        let (blocks, first, last) = try blocksToWrite(limit)
        guard !blocks.isEmpty else { return nil }
        var count = 0
        for start in stride(from: 0, to: blocks.count, by: Self.blocksPerSlice) {
            let part = try blocks[start..<min(start + Self.blocksPerSlice, blocks.count)].map { ($0, try $0.encode()) }
            guard try slice({ db -> Bool? in
                for (block, bytes) in part { try Self.insert(block, bytes, into: db) }
                return true
            }) != nil else { return nil }
            count += part.reduce(0) { $0 + $1.0.entries.count }
        }
        var next = first
        // From row to row: the numbers of an application that came from elsewhere have wide gaps.
        while let from = try pool.read({ try Int64.fetchOne($0, sql: "SELECT min(seq) FROM decision WHERE seq >= ?", arguments: [next]) }),
            from <= last
        {
            guard try slice({ db -> Bool? in
                try db.execute(
                    sql: """
                        DELETE FROM decision WHERE seq >= ?1 AND seq < ?2 AND EXISTS (
                            SELECT 1 FROM decisionBlock AS block WHERE block.application = decision.application
                                AND block.episode = decision.episode AND decision.seq BETWEEN block.first AND block.last)
                        """, arguments: [from, from + Self.rowsPerSlice])
                return true
            }) != nil else { return nil }
            next = from + Self.rowsPerSlice
        }
        return count
    }

    /// The oldest rows of finished episodes, by episode: only whole ones, unless there are none.
    private func blocksToWrite(_ limit: Int) throws -> ([DecisionBlock], first: Int64, last: Int64) {
        try pool.read { db in
            struct Key: Hashable { var application: Int64, episode: Int }
            var found: [Key: [DecisionBlock.Entry]] = [:]
            var order: [Key] = []
            var (first, last, count) = (Int64.max, Int64(0), 0)
            let rows = try Row.fetchCursor(
                db,
                sql: """
                    SELECT seq, application, previous, time, episode, step, reward, record FROM decision
                    WHERE seq < (SELECT seq FROM agentState WHERE application = decision.application)
                    ORDER BY seq LIMIT ?
                    """, arguments: [limit])
            while let row = try rows.next() {
                let key = Key(application: row[1], episode: row[4])
                let record: Data = row[7]
                if found[key] == nil { order.append(key) }
                found[key, default: []].append(
                    DecisionBlock.Entry(
                        seq: row[0], previous: row[2], time: row[3], step: row[5], reward: row[6], record: Array(record)))
                first = min(first, row[0])
                last = max(last, row[0])
                count += 1
            }
            guard count >= limit else { return ([], first, last) }
            let closing = try db.cachedStatement(sql: "SELECT closing FROM episode WHERE application = ? AND number = ?")
            let whole = try order.filter { key in
                try Int64.fetchOne(closing, arguments: [key.application, key.episode]).map { $0 <= last } ?? true
            }
            let taken = whole.isEmpty ? order : whole
            return (
                taken.map { DecisionBlock(application: $0.application, episode: $0.episode, entries: found[$0]!) }, first, last
            )
        }
    }

    private static func insert(_ block: DecisionBlock, _ bytes: [UInt8], into db: GRDB.Database) throws {
        // Of an application that was deleted meanwhile nothing is kept.
        try db.cachedStatement(
            sql: """
                INSERT OR REPLACE INTO decisionBlock (application, episode, first, last, started, ended, count, bytes)
                SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM application WHERE id = ?1)
                """
        ).execute(arguments: [
            block.application, block.episode, block.first, block.last, block.started, block.ended, block.entries.count,
            Data(bytes),
        ])
    }
}

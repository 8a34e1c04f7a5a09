// Blocks of finished episodes: everything that was read from rows is read from them alike, by index, and damage is seen.

import Agents
import Foundation
import GRDB
import Operations
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct CompactionTests {
    /// Two applications that take turns, `count` decisions of each, in episodes of `steps`.
    private static func fill(_ database: Store.Database, count: Int, steps: Int) throws -> (Subject, Subject) {
        var (a, b) = (try Subject(database, name: "a", episodeSteps: steps), try Subject(database, name: "b", episodeSteps: steps))
        for start in stride(from: 0, to: count, by: 50) {
            var batch: [PendingDecision] = []
            for index in start..<min(start + 50, count) {
                batch.append(a.decide(seq: Int64(index * 2 + 1)))
                batch.append(b.decide(seq: Int64(index * 2 + 2)))
            }
            try database.commit(batch)
        }
        return (a, b)
    }

    @Test func historyIsTheSameBeforeAndAfter() async throws {
        try await withDatabase { database in
            let (a, _) = try Self.fill(database, count: 205, steps: 10)
            let id = a.agent.id
            func views() throws -> [[Decision]] {
                let episodes = try database.episodes(of: id, after: 0, limit: 100)
                return try [
                    database.decisions(of: id, from: 409, limit: 1000), database.decisions(of: id, from: 201, limit: 7),
                    [database.decision(seq: 33, of: id)!], database.agent(of: id, last: 409).decisions,
                ] + episodes.map { try database.decisions(of: $0) }
            }
            let before = try views()
            let rows = try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decision")! }
            let count = try database.compact(rows: 100)
            let left = try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decision")! }
            #expect(rows == 410 && count == rows - left && left < 120, "\(rows) rows, \(count) compacted, \(left) left")
            let after = try views()
            #expect(before.count == after.count)
            for (x, y) in zip(before, after) { #expect(x.map(DecisionRecord.encode) == y.map(DecisionRecord.encode)) }
            #expect(try database.decision(seq: 33, of: id + 1) == nil)
            // One block an episode, but for one that lies across two passes.
            let blocks = try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decisionBlock")! }
            let parts = try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(DISTINCT application * 1000 + episode) FROM decisionBlock")! }
            #expect(blocks == parts)
            // By time: nothing before the beginning, and everything before the end.
            #expect(try database.decisions(of: id, from: 409, limit: 10, before: 0).filter { $0.time < 0 }.isEmpty)
            #expect(try database.decisions(of: id, from: 101, limit: 100, before: before[0][204 - 20].time).first!.seq <= 41)
            try database.delete(application: id)
            try database.finishDeletions()
            #expect(try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decisionBlock WHERE application = ?", arguments: [id])! } == 0)
        }
    }

    @Test func aCrashBetweenBlocksAndDeletionLosesNothing() async throws {
        try await withDatabase { database in
            let (a, _) = try Self.fill(database, count: 100, steps: 10)
            let before = try database.decisions(of: a.agent.id, from: 199, limit: 1000).map(DecisionRecord.encode)
            try database.pool.write { try $0.execute(sql: "CREATE TEMP TABLE kept AS SELECT * FROM decision") }
            try database.compact(rows: 100)
            try database.pool.write { try $0.execute(sql: "INSERT OR IGNORE INTO decision SELECT * FROM kept") }
            #expect(try database.decisions(of: a.agent.id, from: 199, limit: 1000).map(DecisionRecord.encode) == before)
            try database.compact(rows: 100)
            #expect(try database.decisions(of: a.agent.id, from: 199, limit: 1000).map(DecisionRecord.encode) == before)
        }
    }

    /// zlib has more than one form for the same content: such a flip changes nothing that is read.
    @Test func aFlippedBitOfABlockNeverChangesWhatIsRead() async throws {
        try await withDatabase { database in
            let (a, _) = try Self.fill(database, count: 60, steps: 10)
            try database.compact(rows: 60)
            let (id, bytes) = try database.pool.read { db in
                let row = try Row.fetchOne(db, sql: "SELECT id, bytes FROM decisionBlock WHERE application = ? ORDER BY first LIMIT 1", arguments: [a.agent.id])!
                return (row[0] as Int64, row[1] as Data)
            }
            func read() throws -> [[UInt8]] { try database.decisions(of: a.agent.id, from: 5, limit: 10).map(DecisionRecord.encode) }
            let whole = try read()
            var (flips, noticed) = (0, 0)
            for bit in stride(from: 0, to: bytes.count * 8, by: 61) {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                try database.pool.write { try $0.execute(sql: "UPDATE decisionBlock SET bytes = ? WHERE id = ?", arguments: [flipped, id]) }
                flips += 1
                do {
                    #expect(try read() == whole, "bit \(bit)")
                } catch {
                    noticed += 1
                }
            }
            #expect(noticed > flips * 9 / 10, "\(noticed) of \(flips)")
            try database.pool.write { try $0.execute(sql: "UPDATE decisionBlock SET bytes = ?, ended = ended + 1 WHERE id = ?", arguments: [bytes, id]) }
            #expect(throws: (any Error).self) { try database.decisions(of: a.agent.id, from: 5, limit: 10) }
        }
    }

    /// What the API asks for is found by index: no plan scans a table.
    @Test func everyReadIsByIndex() async throws {
        try await withDatabase { database in
            try database.pool.read { db in
                for sql in Store.Database.historyQueries {
                    let plan = try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql.replacingOccurrences(of: "?", with: "1")).map { $0["detail"] as String }
                    #expect(!plan.isEmpty && plan.allSatisfy { !$0.hasPrefix("SCAN") && !$0.contains("TEMP B-TREE") }, "\(sql): \(plan)")
                }
            }
        }
    }
}

// An application in a file of its own: all tables are in it, and a move that dies halfway leaves nothing.

import Agents
import Foundation
import GRDB
import Operations
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct BundleTests {
    private static let entry = AuditEntry(time: 1, operatorName: "test", action: "arrive", application: "a", reason: "", detail: "{}")

    /// A new table belongs into the bundle, or must be named as one that stays.
    @Test func everyTableOfAnApplicationMoves() async throws {
        try await withDatabase { database in
            let (all, named) = try database.pool.read { db in
                let tables = try String.fetchAll(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
                return (Set(tables), Set(try tables.filter { try db.columns(in: $0).contains { $0.name == "application" } }))
            }
            let moved = Set(ApplicationBundle.tables.map(\.name) + ["decision"])
            #expect(named == moved.union(ApplicationBundle.local), "\(named.symmetricDifference(moved.union(ApplicationBundle.local)))")
            // Those without the column concern all applications, or have rules of their own.
            let others = ["application", "weights", "killSwitch", "keptAnswer", "highest", "grdb_migrations", "sqlite_sequence"]
            #expect(all.subtracting(named) == Set(others), "\(all.subtracting(named))")
            // A column that counts decisions is renumbered.
            for table in ApplicationBundle.tables {
                let columns = try database.pool.read { try $0.columns(in: table.name).map(\.name) }
                let numbers = columns.filter { ["seq", "previous", "closing", "first", "last"].contains($0) }
                #expect(numbers == table.numbers, "\(table.name)")
                #expect(table.key == (columns.contains("id") ? "id" : nil), "\(table.name)")
            }
        }
    }

    /// Two applications that take turns, so that the numbers of one have gaps; old episodes of them in blocks.
    private static func fill(_ database: Store.Database) throws -> Subject {
        var (a, b) = (try Subject(database, name: "a", episodeSteps: 10), try Subject(database, name: "b", episodeSteps: 10))
        for start in stride(from: 0, to: 300, by: 50) {
            var batch: [PendingDecision] = []
            for index in start..<start + 50 {
                batch.append(a.decide(seq: Int64(index * 2 + 1)))
                batch.append(b.decide(seq: Int64(index * 2 + 2)))
            }
            try database.commit(batch)
        }
        _ = try database.insert(DecisionFeedback(applied: false, reward: 1), on: 401, application: a.agent.id, at: 1)
        try database.compact(rows: 100)
        return a
    }

    /// Everything of a decision but its numbers.
    private static func plain(_ decisions: [Decision]) -> [Decision] {
        decisions.map { decision in
            var plain = decision
            (plain.seq, plain.previous, plain.application) = (0, 0, 0)
            return plain
        }
    }

    @Test func historyIsTheSameUnderOtherNumbers() async throws {
        try await withDatabase { source in
            let a = try Self.fill(source)
            let bundle = try source.export(application: a.agent.id, last: nil, seed: 7)
            let before = try source.decisions(of: a.agent.id, from: 599, limit: 1000)
            #expect(before.count == 300)
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-store-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let target = try Store.Database(folder: folder)
            defer { try? target.shutDown() }
            _ = try Self.fill(target)
            let arrived = try target.add(bundle: bundle, as: "moved", numbers: { _ in 5001 }, audit: Self.entry)
            let (id, shift) = (arrived.application.id, try #require(arrived.application.origin?.shift))
            #expect(arrived.application.origin == Origin(number: a.agent.id, seed: 7, shift: 5000))
            let last = try target.lastDecision(of: id)
            let after = try target.decisions(of: id, from: last, limit: 1000)
            #expect(Self.plain(after) == Self.plain(before))
            #expect(after.map { $0.seq - shift } == before.map(\.seq) && last == 599 + shift)
            #expect(try target.feedback(on: 401 + shift) == source.feedback(on: 401))
            let (mine, there) = (try source.episodes(of: a.agent.id, after: 0, limit: 100), try target.episodes(of: id, after: 0, limit: 100))
            #expect(mine.count == 29 && there.count == 29)
            for (x, y) in zip(mine, there) {
                #expect(Self.plain(try source.decisions(of: x)) == Self.plain(try target.decisions(of: y)))
                #expect(x.reward == y.reward && x.closing == y.closing - shift && x.bill == y.bill)
            }
            #expect(try source.agent(of: a.agent.id, last: 599).state.map { try Agent.renumbered($0) { $0 + shift } } == target.agent(of: id, last: last).state)
            #expect(try Doctor.examine(folder: folder).damage.isEmpty)
            // And what was exported twice is the same file.
            #expect(try source.export(application: a.agent.id, last: 599, seed: 7) == bundle)
        }
    }

    @Test func anArrivalThatDiedHalfwayIsRemoved() async throws {
        try await withFolder { folder in
            try await onThread {
                let database = try Store.Database(folder: folder)
                let a = try Self.fill(database)
                let bundle = try database.export(application: a.agent.id, last: nil, seed: 1)
                // A trigger that dies with the last row.
                try database.pool.writeWithoutTransaction {
                    try $0.execute(sql: "CREATE TEMP TRIGGER no BEFORE INSERT ON main.moved BEGIN SELECT RAISE(ABORT, 'no'); END")
                }
                #expect(throws: DatabaseError.self) {
                    try database.add(bundle: bundle, as: "copy", numbers: { _ in 5001 }, audit: Self.entry)
                }
                try database.finishDeletions()
                func rows(_ database: Store.Database) throws -> [Int] {
                    try database.pool.read { db in
                        try ["application", "decision", "decisionBlock", "episode", "deletion"].map {
                            try Int.fetchOne(db, sql: "SELECT count(*) FROM \($0)\($0 == "deletion" ? "" : " WHERE \($0 == "application" ? "id" : "application") > 2")")!
                        }
                    }
                }
                #expect(try rows(database) == [0, 0, 0, 0, 0])
                // The process dies in the middle: what is there looks as `begin` and the first slices leave it.
                try database.pool.write { db in
                    try db.execute(sql: "INSERT INTO application (name, profile, revision, created) VALUES ('copy', '{}', 1, 0)")
                    let id = db.lastInsertedRowID
                    try db.execute(sql: "INSERT INTO deletion (application, last) VALUES (?, 9000)", arguments: [id])
                    for seq in [5001, 8999] {
                        try db.execute(
                            sql: "INSERT INTO decision (seq, application, previous, time, episode, step, record) VALUES (?, ?, 0, 0, 1, 0, x'00')",
                            arguments: [seq, id])
                    }
                }
                try database.shutDown()
                let again = try Store.Database(folder: folder)
                #expect(try again.applications().map(\.name) == ["a", "b"])
                try again.finishDeletions()
                #expect(try rows(again) == [0, 0, 0, 0, 0])
                // Nobody was answered with what is gone, so nothing was lost.
                #expect(try Doctor.examine(folder: folder).damage == [])
                #expect(try again.add(bundle: bundle, as: "copy", numbers: { _ in 10_001 }, audit: Self.entry).application.name == "copy")
                try again.shutDown()
            }
        }
    }
}

// Decisions on disk: groups in one transaction, chains that can be read, failures that leave nothing behind.

import Agents
import Foundation
import GRDB
import Operations
import Synchronization
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct DecisionStoreTests {
    @Test func chainsOfSeveralApplicationsAreReadSeparately() async throws {
        try await withDatabase { database in
            var (a, b) = (try Subject(database, name: "a"), try Subject(database, name: "b"))
            var batch: [PendingDecision] = []
            for seq in Int64(1)...40 { batch.append(seq % 3 == 0 ? b.decide(seq: seq) : a.decide(seq: seq)) }
            try database.commit(batch)
            let read = try database.decisions(of: b.agent.id, from: 39, limit: 100)
            let wanted: [Int64] = (Int64(1)...40).filter { $0 % 3 == 0 }.reversed()
            #expect(read.map(\.seq) == wanted)
            #expect(read.allSatisfy { $0.application == b.agent.id })
            #expect(try database.decisions(of: a.agent.id, from: 40, limit: 5).map(\.seq) == [40, 38, 37, 35, 34])
            // What is numbered but not committed yet does not hide what is.
            #expect(try database.decisions(of: a.agent.id, from: 41, limit: 2).map(\.seq) == [40, 38])
            #expect(try database.lastDecision(of: b.agent.id) == 39)
            #expect(try database.lastDecisions() == [a.agent.id: 40, b.agent.id: 39])
            #expect(try database.lastSeq() == 40)
        }
    }

    /// Several rows go into one statement: every size of a group, and refused ones, leave what they should.
    @Test(arguments: [1, 7, 8, 9, 16, 31]) func groupsOfEverySizeAreWhole(count: Int) async throws {
        try await withDatabase { database in
            var subject = try Subject(database, episodeSteps: 5)
            let all = (Int64(1)...Int64(count)).map { subject.decide(seq: $0) }
            // A number that is taken refuses its whole group.
            var repeated = all
            repeated[count - 1].seq = 1
            if count > 1 { #expect(throws: DatabaseError.self) { try database.commit(repeated) } }
            #expect(try database.lastSeq() == 0)
            try database.commit(all)
            let read = try database.decisions(of: subject.agent.id, from: Int64(count), limit: 100)
            #expect(read.map(\.seq) == all.map(\.seq).reversed())
            #expect(read.map(\.previous) == all.map(\.previous).reversed())
            #expect(read.map(\.reward) == all.map(\.reward).reversed())
            #expect(read.map { DecisionRecord.encode($0) } == all.map(\.record).reversed())
        }
    }

    @Test func aMissingLinkEndsNoHistory() async throws {
        try await withDatabase { database in
            var subject = try Subject(database, episodeSteps: 4)
            let all = (Int64(1)...20).map { subject.decide(seq: $0) }
            try database.commit(all.filter { $0.seq != 7 && $0.seq != 8 && $0.seq != 18 })
            let expected: [Int64] = (Int64(1)...20).filter { ![7, 8, 18].contains($0) }.reversed()
            #expect(try database.decisions(of: subject.agent.id, from: 20, limit: 100).map(\.seq) == expected)
            let agent = try database.agent(of: subject.agent.id, last: 20)
            #expect(agent.decisions.map(\.seq) == [19, 20])
            try database.delete(application: subject.agent.id)
            try database.finishDeletions()
            #expect(try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decision") } == 0)
        }
    }

    @Test func lateCommitsOfLowerNumbersAreNotOverlooked() async throws {
        try await withDatabase { database in
            var (a, b) = (try Subject(database, name: "a"), try Subject(database, name: "b"))
            let early = a.decide(seq: 1)
            let late = b.decide(seq: 2)
            let middle = a.decide(seq: 3)
            try database.commit([early, middle])
            #expect(try database.lastDecision(of: a.agent.id) == 3)
            try database.commit([late])
            #expect(try database.lastDecision(of: b.agent.id) == 2)
            #expect(try database.lastDecisions() == [a.agent.id: 3, b.agent.id: 2])
        }
    }

    @Test func aGroupIsOneTransaction() async throws {
        try await withDatabase { database in
            var subject = try Subject(database)
            var batch = (Int64(1)...10).map { subject.decide(seq: $0) }
            // The last one breaks a rule of the schema: a decision cannot come before itself.
            batch[9].previous = 99
            #expect(throws: DatabaseError.self) { try database.commit(batch) }
            #expect(try database.lastSeq() == 0)
            batch[9].previous = 9
            try database.commit(batch)
            #expect(try database.lastSeq() == 10)
        }
    }

    @Test func aFullDiskFailsTheGroupAndNothingElse() async throws {
        try await withDatabase { database in
            var subject = try Subject(database, episodeSteps: 5)
            try database.commit((Int64(1)...10).map { subject.decide(seq: $0) })
            try database.pool.writeWithoutTransaction { db in
                let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
                _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = \(pages + 1)")
            }
            let refused = (Int64(11)...60).map { subject.decide(seq: $0) }
            #expect(throws: DatabaseError.self) { try database.commit(refused) }
            #expect(try database.lastSeq() == 10)
            #expect(try database.episodes(of: subject.agent.id, after: 0, limit: 100).count == 1)
            try database.pool.writeWithoutTransaction { db in
                _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = 1073741823")
            }
            // The agent goes on from what is stored.
            let stored = try database.agent(of: subject.agent.id, last: 10)
            try subject.agent.restore(state: stored.state, decisions: stored.decisions, policy: nil)
            let next = subject.decide(seq: 61)
            #expect(next.previous == 10 && next.step == 0 && next.episode == 3)
            try database.commit([next])
            #expect(try database.decisions(of: subject.agent.id, from: 61, limit: 3).map(\.seq) == [61, 10, 9])
        }
    }

    @Test func aDeletedApplicationCannotFailTheOthers() async throws {
        try await withDatabase { database in
            var (gone, other) = (
                try Subject(database, name: "gone", episodeSteps: 2), try Subject(database, name: "other")
            )
            let inFlight = (Int64(1)...3).map { gone.decide(seq: $0) }
            try database.delete(application: gone.agent.id)
            try database.commit(inFlight + [other.decide(seq: 4)])
            #expect(try database.decision(seq: 4) != nil)
            // Its number is not given to anybody else.
            #expect(try database.insert(application: "new", profile: "{}", created: 0) > other.agent.id)
        }
    }

    @Test func aFlippedBitIsNoticed() async throws {
        try await withDatabase { database in
            var subject = try Subject(database)
            try database.commit([subject.decide(seq: 1)])
            let record = try database.pool.read { try Data.fetchOne($0, sql: "SELECT record FROM decision") } ?? Data()
            for bit in stride(from: 0, to: record.count * 8, by: 37) {
                var flipped = record
                flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                try database.pool.write { try $0.execute(sql: "UPDATE decision SET record = ?", arguments: [flipped]) }
                #expect(throws: DecisionRecord.Failure.checksum, "bit \(bit)") { try database.decision(seq: 1) }
            }
        }
    }

    @Test func theRecorderCommitsGroupsAndReportsFailures() async throws {
        try await withFolder { folder in
            let database = try await onThread { try Store.Database(folder: folder) }
            let recorder = Recorder(sink: database)
            let batches = try await onThread {
                var subject = try Subject(database)
                return (Int64(1)...20).map { [subject.decide(seq: $0)] }
            }
            let failures = await withTaskGroup(of: Bool.self) { group in
                for batch in batches {
                    group.addTask {
                        await withCheckedContinuation { continuation in
                            recorder.submit(batch) { continuation.resume(returning: $0 != nil) }
                        }
                    }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(failures == 0)
            let commits = recorder.commits.load(ordering: .relaxed)
            #expect((1...20).contains(commits))
            let count = try await onThread { try database.decisions(of: 1, from: 20, limit: 100).count }
            #expect(count == 20)
            // The same numbers once more break the primary key: an error, not a crash, and the next group works.
            let error: (any Error)? = await withCheckedContinuation { continuation in
                recorder.submit(batches[3]) { continuation.resume(returning: $0) }
            }
            let failed = recorder.failures.load(ordering: .relaxed)
            #expect(error != nil && failed == 1)
            try await onThread { try database.shutDown() }
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct CheckpointerTests {
    /// The log's longest size in bytes over 5,000 commits; every decision must be there after a restart.
    private static func longestLog(in folder: String, checkpointPages: Int) throws -> Int {
        let database = try Store.Database(folder: folder, checkpointPages: checkpointPages)
        var subject = try Subject(database)
        var (longest, seq) = (0, Int64(0))
        for _ in 0..<5000 {
            try database.commit(
                (0..<10).map { _ in
                    seq += 1
                    return subject.decide(seq: seq)
                })
            let log = try FileManager.default.attributesOfItem(atPath: folder + "/aware.sqlite-wal")
            longest = max(longest, log[.size] as? Int ?? 0)
        }
        try database.shutDown()
        let again = try Store.Database(folder: folder)
        defer { try? again.shutDown() }
        return try again.lastSeq() == seq ? longest : .max
    }

    @Test func theLogIsWrittenBackWhileDecisionsAreCommittedAndBeginsAnew() async throws {
        try await withFolder { folder in
            let (endless, bounded) = try await onThread {
                (
                    try Self.longestLog(in: folder + "/endless", checkpointPages: .max / 8),
                    try Self.longestLog(in: folder + "/bounded", checkpointPages: 50)
                )
            }
            #expect(bounded < endless / 2 && endless < 1 << 30, "\(bounded) and \(endless) bytes")
        }
    }
}

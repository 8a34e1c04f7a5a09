// Damage and loss are seen: a lost end, a changed row, a replaced file; and what is sound goes on.

import Agents
import Base
import CStore
import Foundation
import GRDB
import Operations
import Scaling
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct IntegrityTests {
    private static func fill(_ folder: String, decisions: Int64, from first: Int64 = 1, shutDown: Bool = true) throws {
        let database = try Store.Database(folder: folder)
        var subject = try Subject(database, name: "app-\(first)", episodeSteps: 5)
        for seq in first..<first + decisions { try database.commit([subject.decide(seq: seq)]) }
        if shutDown { try database.shutDown() }
    }

    /// One bit in the middle of the log: SQLite says nothing, and half of the answers are gone. We say so.
    @Test func aFlippedBitInTheLogIsTold() async throws {
        try await withFolder { folder in
            try await onThread {
                let database = try Store.Database(folder: folder)
                var subject = try Subject(database, episodeSteps: 5)
                for seq in Int64(1)...300 { try database.commit([subject.decide(seq: seq)]) }
                // As kill -9 leaves them.
                let copy = folder + "-copy"
                try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
                defer { try? FileManager.default.removeItem(atPath: copy) }
                for name in ["aware.sqlite", "aware.sqlite-wal", "aware.mark"] {
                    try FileManager.default.copyItem(atPath: folder + "/" + name, toPath: copy + "/" + name)
                }
                try database.shutDown()
                var log = try Data(contentsOf: URL(fileURLWithPath: copy + "/aware.sqlite-wal"))
                log[log.count / 2] ^= 4
                try log.write(to: URL(fileURLWithPath: copy + "/aware.sqlite-wal"))
                let again = try Store.Database(folder: copy)
                let notice = try #require(again.startNotice)
                #expect(notice.contains("answered decisions"), "\(notice)")
                let last = try again.pool.read { try Int64.fetchOne($0, sql: "SELECT max(seq) FROM decision") ?? 0 }
                #expect(last < 300)
                #expect(notice.contains("numbers \(last + 1) to 300"))
                // No number is given twice, and operators are told.
                #expect(try again.lastSeq() == 300)
                #expect(try again.events(LogFilter()).first?.event.kind == "loss")
                try again.shutDown()
                let third = try Store.Database(folder: copy)
                #expect(third.startNotice == nil)
                try third.shutDown()
            }
        }
    }

    @Test(arguments: ["removed", "older copy"]) func aDatabaseThatVanishedOrWasReplacedIsTold(what: String) async throws {
        try await withFolder { folder in
            try await onThread {
                try Self.fill(folder, decisions: 20)
                let (path, copy) = (folder + "/aware.sqlite", folder + "/older")
                try FileManager.default.copyItem(atPath: path, toPath: copy)
                try Self.fill(folder, decisions: 20, from: 21)
                try FileManager.default.removeItem(atPath: path)
                if what == "older copy" { try FileManager.default.moveItem(atPath: copy, toPath: path) }
                #expect(try Doctor.examine(folder: folder).damage.count == 1)
                let database = try Store.Database(folder: folder)
                #expect(database.startNotice?.contains(what == "removed" ? "up to 40 answered" : "up to 20 answered") == true)
                #expect(try database.lastSeq() == 40)
                try database.shutDown()
            }
        }
    }

    /// Every bit of the columns beside a decision's record is covered, too.
    @Test func aChangedColumnOfADecisionIsNoticed() async throws {
        try await withDatabase { database in
            var subject = try Subject(database, episodeSteps: 5)
            for seq in Int64(1)...3 { try database.commit([subject.decide(seq: seq)]) }
            for change in ["time = time + 1", "step = step + 1", "episode = episode + 1", "reward = 0.123", "previous = 0", "application = 7"] {
                try database.pool.write { try $0.execute(sql: "CREATE TEMP TABLE kept AS SELECT * FROM decision WHERE seq = 3") }
                try database.pool.write { try $0.execute(sql: "UPDATE decision SET \(change) WHERE seq = 3") }
                #expect(throws: DecisionRecord.Failure.checksum, "\(change)") { try database.decision(seq: 3) }
                try database.pool.write { db in
                    try db.execute(sql: "INSERT OR REPLACE INTO decision SELECT * FROM kept")
                    try db.execute(sql: "DROP TABLE kept")
                }
                #expect(try database.decision(seq: 3) != nil)
            }
        }
    }

    /// A row that another program changed: the doctor finds each, and loading refuses what rests on it.
    @Test func aChangedRowOfEveryTableIsFound() async throws {
        try await withFolder { folder in
            try await onThread {
                let database = try Store.Database(folder: folder)
                var subject = try Subject(database, episodeSteps: 5)
                for seq in Int64(1)...12 { try database.commit([subject.decide(seq: seq)]) }
                let id = subject.agent.id
                let entry = AuditEntry(time: 1, operatorName: "a", action: "pin", application: "shop-web", reason: "r")
                var control = StoredControl()
                control.pin = .init(
                    allocation: .init(replicas: 3, cpuMillicores: 100, memoryBytes: 1 << 20), until: nil, reason: "r", operatorName: "a", created: 1)
                try database.set(control, of: id, audit: entry)
                try database.commit(
                    TrainingCommit(
                        application: id, episode: 1, state: [1, 2], optimizer: [3],
                        models: [
                            ModelVersion(
                                application: id, version: 1, parent: 0, created: 1, algorithm: "ppo", episode: 1, diagnostics: [:],
                                weights: Array(repeating: 5, count: 64))
                        ], events: []))
                try database.write { try $0.execute(sql: "INSERT INTO moved (application, number, seed, shift) VALUES (?, 7, 1, 0)", arguments: [id]) }
                try database.shutDown()
                #expect(try Doctor.examine(folder: folder).damage == [])
                let path = folder + "/aware.sqlite"
                let changes = [
                    "application": "created = created + 1", "agentState": "state = zeroblob(length(state))", "trainerState": "state = x'0103'",
                    "trainerOptimizer": "bytes = x'04'", "episode": "violations = 0.75", "model": "algorithm = 'qpo'", "pin": "replicas = 4",
                    "control": "episodeEnded = 9", "moved": "shift = 5",
                ]
                #expect(Set(changes.keys) == Set(RowChecksums.tables.map(\.name)))
                let whole = try Data(contentsOf: URL(fileURLWithPath: path))
                for (table, change) in changes {
                    let queue = try DatabaseQueue(path: path)
                    try queue.write { try $0.execute(sql: "UPDATE \(table) SET \(change) WHERE rowid IN (SELECT rowid FROM \(table) LIMIT 1)".replacingOccurrences(of: table == "episode" || table == "model" ? " WHERE rowid IN (SELECT rowid FROM \(table) LIMIT 1)" : "\u{0}", with: "")) }
                    try queue.close()
                    let damage = try Doctor.examine(folder: folder).damage
                    #expect(!damage.isEmpty && damage.allSatisfy { $0.hasPrefix(table + ":") }, "\(table): \(damage)")
                    let opened = try Store.Database(folder: folder)
                    switch table {
                    case "application", "moved": #expect(try opened.applications()[0].isSound == false)
                    case "agentState": #expect(throws: StoredDamage.self) { try opened.agent(of: id, last: 12) }
                    case "trainerState", "trainerOptimizer":
                        #expect(throws: StoredDamage.self) { try opened.trainerState(of: id) }
                    case "pin", "control": #expect(try opened.controls()[id]?.mode == .pause)
                    default: break
                    }
                    try opened.shutDown()
                    for end in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) }
                    try whole.write(to: URL(fileURLWithPath: path))
                }
            }
        }
    }

    /// A data folder of the format before this one opens, keeps its history and goes on.
    /// Every page of a long file is read beside the service. Whoever stops it then stops the reading, and nothing fails.
    @Test func aStopInTheMiddleOfTheCheckIsClean() async throws {
        try await withFolder { folder in
            try await onThread {
                let first = try Store.Database(folder: folder)
                try first.write { db in
                    for id in 1...6000 {
                        try db.execute(
                            sql: """
                                INSERT INTO decisionBlock (id, application, episode, first, last, started, ended, count, bytes)
                                VALUES (?1, 1, ?1, ?1, ?1, 0, 0, 1, randomblob(15000))
                                """, arguments: [id])
                    }
                }
                try first.shutDown()
                for milliseconds in 0..<12 {
                    let database = try Store.Database(folder: folder)
                    Thread.sleep(forTimeInterval: Double(milliseconds) / 500)
                    var subject = try Subject(database, name: "app-\(milliseconds)")
                    try database.commit([subject.decide(seq: Int64(milliseconds + 1))])
                    try database.shutDown()
                    // The log has been written back.
                    let log = FileManager.default.contents(atPath: database.path + "-wal")?.count ?? 0
                    #expect(log == 0)
                }
                let last = try Store.Database(folder: folder)
                #expect(try last.lastSeq() == 12)
                try last.shutDown()
            }
        }
    }

    @Test func anOlderFolderMigratesWithItsHistory() async throws {
        try await withFolder { folder in
            try await onThread {
                let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                    .appendingPathComponent("Fixtures/format-0006.zlib")
                let packed = try Array(Data(contentsOf: fixture))
                var size = uLongf(1 << 20)
                var bytes = [UInt8](repeating: 0, count: Int(size))
                try #require(uncompress(&bytes, &size, packed, uLong(packed.count)) == Z_OK)
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try Data(bytes.prefix(Int(size))).write(to: URL(fileURLWithPath: folder + "/aware.sqlite"))
                let database = try Store.Database(folder: folder)
                #expect(database.startNotice == nil)
                let applications = try database.applications()
                #expect(applications.map(\.name) == ["shop-web", "shop-api", "batch"])
                #expect(applications.map(\.isSound) == [true, true, true])
                let last = try database.lastDecisions()
                #expect(try database.lastSeq() == 109)
                let web = applications[0].id
                #expect(try database.decisions(of: web, from: last[web] ?? 0, limit: 1000).count == 54)
                let episodes = try database.episodes(of: web, after: 0, limit: 1000)
                #expect(episodes.count == 13)
                for episode in episodes { #expect(try database.decisions(of: episode).count == episode.steps + 1) }
                #expect(try database.model(of: web, version: 1) != nil)
                #expect(try database.trainerState(of: web)?.optimizer != nil)
                #expect(try database.controls()[applications[1].id]?.pin?.allocation.replicas == 8)
                #expect(try database.audit(LogFilter()).count == 4)
                #expect(try database.storedResponses().count == 1)
                let stored = try database.agent(of: web, last: last[web] ?? 0)
                let agent = Agent(id: web, name: "shop-web", created: 0, profile: .init(), revision: 1, seed: 1)
                try agent.restore(state: stored.state, decisions: stored.decisions, policy: nil)
                #expect(agent.status(nil).episodes == 13)
                try database.shutDown()
                #expect(try Doctor.examine(folder: folder).damage == [])
            }
        }
    }

    @Test func aBackupBesideAWriterIsWholeAndRestores() async throws {
        try await withFolder { folder in
            try await onThread {
                let database = try Store.Database(folder: folder)
                var subject = try Subject(database, episodeSteps: 5)
                for seq in Int64(1)...50 { try database.commit([subject.decide(seq: seq)]) }
                #expect(try Backup.make(of: folder, to: folder + "/backup") == 50)
                #expect(throws: Backup.Failure.self) { try Backup.make(of: folder, to: folder + "/backup") }
                for seq in Int64(51)...60 { try database.commit([subject.decide(seq: seq)]) }
                #expect(throws: Backup.Failure.self) { try Backup.restore(folder + "/backup", to: folder) }
                try database.shutDown()
                let (old, decisions) = try Backup.restore(folder + "/backup", to: folder)
                #expect(decisions == 50 && old != nil)
                let restored = try Store.Database(folder: folder)
                // It tells what the backup does not have, and gives no number twice.
                #expect(restored.startNotice?.contains("numbers 51 to 60") == true)
                #expect(try restored.lastSeq() == 60)
                #expect(try restored.decisions(of: subject.agent.id, from: 60, limit: 100).count == 50)
                try restored.shutDown()
                var bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/backup"))
                // Some bytes are in use by nothing: so many that some are in use by something.
                for index in stride(from: 4096, to: bytes.count, by: 211) { bytes[index] ^= 1 }
                try bytes.write(to: URL(fileURLWithPath: folder + "/backup"))
                #expect(throws: Backup.Failure.self) { try Backup.restore(folder + "/backup", to: folder) }
            }
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct RetentionTests {
    @Test func oldDecisionsGoAndRunningEpisodesStay() async throws {
        try await withDatabase { database in
            var subject = try Subject(database, episodeSteps: 10)
            try database.commit((Int64(1)...95).map { subject.decide(seq: $0) })
            let times = try database.pool.read { try Double.fetchAll($0, sql: "SELECT time FROM decision ORDER BY seq") }
            // Nothing was trained on yet: nothing may go.
            try database.forget(Retention(steps: 1, episodes: nil, size: nil), at: times.last! + 1000)
            #expect(try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decision") } == 95)
            try database.commit(TrainingCommit(application: subject.agent.id, episode: 9, state: [], optimizer: nil, models: [], events: []))
            try database.forget(Retention(steps: times[94] - times[49], episodes: nil, size: nil), at: times[94])
            #expect(try database.pool.read { try Int64.fetchAll($0, sql: "SELECT seq FROM decision ORDER BY seq") } == Array(50...95))
            try database.forget(Retention(steps: 1, episodes: nil, size: nil), at: times.last! + 1000)
            let left = try database.pool.read { try Int64.fetchAll($0, sql: "SELECT seq FROM decision ORDER BY seq") }
            #expect(left == Array(91...95))
            // It goes on.
            let stored = try database.agent(of: subject.agent.id, last: 95)
            try subject.agent.restore(state: stored.state, decisions: stored.decisions, policy: nil)
            let next = subject.decide(seq: 96)
            #expect(next.episode == 10 && next.step == 5)
            #expect(try database.decisions(of: subject.agent.id, from: 95, limit: 100).count == 5)
        }
    }

    @Test func theFileStaysBelowItsSizeAndOldEpisodesGo() async throws {
        try await withDatabase { database in
            var subject = try Subject(database, episodeSteps: 10)
            for group in 0..<100 { try database.commit((1...100).map { subject.decide(seq: Int64(group * 100 + $0)) }) }
            try database.commit(TrainingCommit(application: subject.agent.id, episode: 2000, state: [], optimizer: nil, models: [], events: []))
            let before = try database.fileBytes()
            try database.forget(Retention(steps: nil, episodes: nil, size: before / 2), at: 0)
            let after = try database.fileBytes()
            #expect(after <= before / 2 && after > before / 4, "\(before) then \(after)")
            let last = try #require(try database.episodes(of: subject.agent.id, before: .max, limit: 1).first)
            try database.forget(Retention(steps: nil, episodes: 1, size: nil), at: last.ended + 1000)
            #expect(try database.episodes(of: subject.agent.id, after: 0, limit: 10000).map(\.number) == [last.number])
        }
    }

    @Test func aDeletedApplicationsDecisionsGoInSlices() async throws {
        try await withDatabase { database in
            var (gone, other) = (try Subject(database, name: "gone", episodeSteps: 50), try Subject(database, name: "other"))
            for group in 0..<50 {
                try database.commit((1...100).map { n in
                    let seq = Int64(group * 100 + n)
                    return n % 4 == 0 ? other.decide(seq: seq) : gone.decide(seq: seq)
                })
            }
            try database.delete(application: gone.agent.id)
            try database.finishDeletions()
            let left = try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM decision") }
            #expect(left == 1250)
            #expect(try database.decisions(of: other.agent.id, from: 5000, limit: 5000).count == 1250)
            try database.delete(application: other.agent.id)
            try database.finishDeletions()
            // Their numbers are not given again.
            #expect(try database.lastSeq() == 5000)
        }
    }
}

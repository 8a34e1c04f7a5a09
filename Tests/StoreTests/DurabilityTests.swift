// What a loss of power and a failing disk leave: with `full` everything that was answered, with `normal` a beginning of it.

import Agents
import CFaultyDisk
import Foundation
import GRDB
import GRDBSQLite
import Operations
import Synchronization
import Testing

@testable import Store

/// AWARE_TEST_CUTS asks for more cuts than a daily run has time for.
@Suite(.serialized, .timeLimit(.minutes(10))) struct DurabilityTests {
    private static let marker = "aware-store-"
    private static let cuts = ProcessInfo.processInfo.environment["AWARE_TEST_CUTS"].flatMap { Int($0) } ?? 200

    @Test(arguments: Store.Database.Durability.allCases)
    func everyConnectionSyncsAsItWasTold(durability: Store.Database.Durability) async throws {
        try await withFolder { folder in
            try await onThread {
                let database = try Store.Database(folder: folder, durability: durability)
                defer { try? database.shutDown() }
                let found = try database.pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
                #expect(found == (durability == .full ? 2 : 1))
                let pages = try database.pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA wal_autocheckpoint") }
                #expect(pages == 0)
            }
        }
    }

    private struct Verdict: Equatable {
        var lost: Int64 = 0
        var isWhole = true
    }

    /// Commits decisions one by one with a cut of the power at the operation `cut`, and looks at what that left.
    private static func run(_ durability: Store.Database.Durability, cut: Int64, seed: UInt64, in folder: String) throws -> Verdict {
        let (live, dead) = (folder + "/live-\(seed)", folder + "/dead-\(seed)")
        try FileManager.default.createDirectory(atPath: dead, withIntermediateDirectories: true)
        faultydisk_begin(live)
        let database = try Store.Database(folder: live, durability: durability, checkpointPages: 20)
        var subject = try Subject(database, episodeSteps: 5)
        faultydisk_cut_at(faultydisk_operations() + cut, dead, seed)
        var seq: Int64 = 0
        while faultydisk_acknowledged_at_cut() < 0, seq < 400 {
            seq += 1
            try database.commit([subject.decide(seq: seq)])
            faultydisk_acknowledge(seq)
        }
        let answered = faultydisk_acknowledged_at_cut()
        try database.shutDown()
        faultydisk_begin("")
        defer { for path in [live, dead] { try? FileManager.default.removeItem(atPath: path) } }
        guard answered >= 0 else { return Verdict() }
        let found = try DatabaseQueue(path: dead + "/aware.sqlite")
        defer { try? found.close() }
        return try found.read { db in
            let last = try Int64.fetchOne(db, sql: "SELECT max(seq) FROM decision") ?? 0
            let count = try Int64.fetchOne(db, sql: "SELECT count(*) FROM decision") ?? 0
            let verdict = try String.fetchOne(db, sql: "PRAGMA integrity_check")
            // A decision that was being committed may be there, too.
            return Verdict(lost: max(0, answered - last), isWhole: verdict == "ok" && count == last)
        }
    }

    private static func cutMany(_ durability: Store.Database.Durability) async throws -> (lost: Int64, damaged: Int) {
        #expect(faultydisk_install(marker) == SQLITE_OK)
        return try await withFolder { folder in
            try await onThread {
                var (lost, damaged) = (Int64(0), 0)
                for index in 0..<cuts {
                    let verdict = try run(durability, cut: Int64(1 + index * 7 % 397), seed: UInt64(index), in: folder)
                    lost += verdict.lost
                    if !verdict.isWhole {
                        damaged += 1
                        print("cut \(index) leaves a damaged file")
                    }
                }
                print("\(cuts) cuts with \(durability): \(lost) answered decisions lost, \(damaged) files damaged")
                return (lost, damaged)
            }
        }
    }

    @Test func fullSurvivesLossesOfPower() async throws {
        let (lost, damaged) = try await Self.cutMany(.full)
        #expect(lost == 0 && damaged == 0)
    }

    /// Proves that the test above bites, and what `normal` means: the end may be missing, the rest is sound.
    @Test func normalMayLoseTheEndAndNothingElse() async throws {
        let (lost, damaged) = try await Self.cutMany(.normal)
        #expect(lost > 0 && damaged == 0)
    }

    /// The k-th sync or write fails, for every k: what was acknowledged is there, and the store recovers by itself.
    @Test(arguments: [FAULTYDISK_SYNC, FAULTYDISK_WRITE]) func aFailedCallIsNeverAcknowledged(kind: Int) async throws {
        #expect(faultydisk_install(Self.marker) == SQLITE_OK)
        try await withFolder { folder in
            try await onThread {
                var (failed, recovered) = (0, 0)
                for number in 1...60 {
                    let path = folder + "/\(kind)-\(number)"
                    faultydisk_begin(path)
                    let database = try Store.Database(folder: path, durability: .full, checkpointPages: 8)
                    var subject = try Subject(database, episodeSteps: 5)
                    faultydisk_fail(
                        Int32(kind), Int64(number), 1, (kind == FAULTYDISK_SYNC ? ResultCode.SQLITE_IOERR_FSYNC : .SQLITE_IOERR_WRITE).rawValue)
                    var (acknowledged, seq): (Set<Int64>, Int64) = ([], 0)
                    // Until the call has come: how soon the log is written back is the other thread's business.
                    while seq < 40 || (faultydisk_failures() == 0 && seq < 400) || (database.fault != nil && seq < 4000) {
                        seq += 1
                        let pending = subject.decide(seq: seq)
                        do {
                            try database.commit([pending])
                            acknowledged.insert(seq)
                        } catch {
                            if database.fault != nil { Thread.sleep(forTimeInterval: 0.002) }
                            let stored = try? database.agent(of: subject.agent.id, last: database.lastDecision(of: subject.agent.id))
                            if let stored {
                                try subject.agent.restore(state: stored.state, decisions: stored.decisions, policy: nil)
                            }
                        }
                    }
                    failed += Int(faultydisk_failures())
                    if database.fault == nil { recovered += 1 }
                    // What has not failed by now shall not fail the next start.
                    faultydisk_fail(0, 0, 0, 0)
                    try database.shutDown()
                    let again = try Store.Database(folder: path, durability: .full)
                    let stored = try again.pool.read { try Int64.fetchSet($0, sql: "SELECT seq FROM decision") }
                    #expect(acknowledged.isSubset(of: stored), "call \(number): \(acknowledged.subtracting(stored))")
                    try again.shutDown()
                }
                #expect(recovered == 60)
                #expect(failed >= 50, "only \(failed) calls have failed")
                print("\(kind == FAULTYDISK_SYNC ? "sync" : "write"): \(failed) failures, recovered \(recovered) of 60, nothing lost")
            }
        }
        faultydisk_begin("")
    }

    /// A reader that has taken a connection keeps it, whatever the disk does meanwhile.
    @Test func whoReadsWhileTheStoreIsOpenedAnewIsNotCutOff() async throws {
        #expect(faultydisk_install(Self.marker) == SQLITE_OK)
        try await withFolder { folder in
            try await onThread {
                let path = folder + "/readers"
                faultydisk_begin(path)
                let database = try Store.Database(folder: path, durability: .full, checkpointPages: 8)
                var subject = try Subject(database, episodeSteps: 5)
                let application = subject.agent.id
                let isOver = Atomic(false)
                let reads = Atomic(0)
                let readers = DispatchGroup()
                for _ in 0..<3 {
                    DispatchQueue.global().async(group: readers) {
                        while !isOver.load(ordering: .relaxed) {
                            if (try? database.lastDecision(of: application)) != nil { reads.add(1, ordering: .relaxed) }
                        }
                    }
                }
                var (faults, seq): (Int, Int64) = (0, 0)
                for _ in 0..<60 {
                    faultydisk_fail(Int32(FAULTYDISK_SYNC), 1, 1, ResultCode.SQLITE_IOERR_FSYNC.rawValue)
                    seq += 1
                    let pending = subject.decide(seq: seq)
                    do { try database.commit([pending]) } catch { faults += 1 }
                    for _ in 0..<2000 where database.fault != nil { Thread.sleep(forTimeInterval: 0.001) }
                    if let stored = try? database.agent(of: application, last: database.lastDecision(of: application)) {
                        try subject.agent.restore(state: stored.state, decisions: stored.decisions, policy: nil)
                    }
                }
                isOver.store(true, ordering: .relaxed)
                readers.wait()
                faultydisk_fail(0, 0, 0, 0)
                #expect(faults >= 30 && database.fault == nil, "\(faults) faults")
                #expect(reads.load(ordering: .relaxed) > 1000)
                try database.shutDown()
            }
        }
        faultydisk_begin("")
    }
}

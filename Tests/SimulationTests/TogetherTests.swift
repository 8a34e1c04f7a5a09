// Everything at once: 64 clients, the trainer, backups, compaction, write-back and readers, each on a thread of its own. What
// the simulation leaves out, which has one thread; to be run by ThreadSanitizer.

import Agents
import Dispatch
import Foundation
import Scaling
import Synchronization
import Testing

@testable import Operations
@testable import Store

@Suite(.serialized, .timeLimit(.minutes(10))) struct TogetherTests {
    private static let clients = 64
    private static let applications = 8
    private static let decisions = 60

    /// What came of it.
    private final class Tally: Sendable {
        let failures = Mutex<[String]>([])
        let answered = Mutex<[Int64: Int]>([:])
        let isOver = Atomic(false)
        let backups = Atomic(0)
        let passes = Atomic(0)
        let reads = Atomic(0)

        func fail(_ text: String) { failures.withLock { $0.append(text) } }
    }

    /// Decides one observation after the other and waits for each commit.
    private static func decide(_ number: Int, _ server: SimulatedServer, _ tally: Tally) {
        var context = DecisionContext(table: server.table)
        for step in 0..<decisions {
            var seen = Observation(replicas: 2 + step % 3)
            seen.cpuUtilization = 0.3 + Double((step * 7 + number) % 50) / 100
            seen.memoryUtilization = 0.5
            seen.latencySeconds = 0.2
            seen.requestRate = Double(50 + step)
            let request = DecisionRequest(observation: seen, clientID: "\(number)-\(step)")
            do {
                let agent = try server.decide.agent(for: request, of: "app-\(number % applications)")
                guard case .decided(let decision, let closed) = server.decide.decide(request, by: agent, in: &context) else {
                    tally.fail("client \(number) gets no decision")
                    continue
                }
                var group = DecisionGroup()
                group.append(decision, closed: closed, by: agent)
                let done = DispatchSemaphore(value: 0)
                server.decide.commit(group) { errors in
                    if let error = errors?.first { tally.fail("client \(number): \(error)") }
                    done.signal()
                }
                done.wait()
                tally.answered.withLock { $0[decision.seq, default: 0] += 1 }
            } catch {
                tally.fail("client \(number): \(error)")
            }
        }
    }

    private static func thread(_ group: DispatchGroup, _ body: @escaping @Sendable () -> Void) {
        group.enter()
        Thread {
            body()
            group.leave()
        }.start()
    }

    /// Does `body` again and again until the clients are done.
    private static func meanwhile(_ group: DispatchGroup, _ tally: Tally, _ body: @escaping @Sendable (Int) throws -> Void) {
        thread(group) {
            var round = 0
            while !tally.isOver.load(ordering: .relaxed) || round == 0 {
                do { try body(round) } catch { tally.fail("\(error)") }
                round += 1
            }
        }
    }

    private static func run(_ root: String) throws {
        let tally = Tally()
        nonisolated(unsafe) let server = try SimulatedServer(
            folder: root + "/data", machine: SimulatedClock(), seed: 1, checkpointPages: 50, trainerThreads: 1)
        var profile = Profile()
        profile.episodeSteps = 12
        for index in 0..<applications { _ = try server.directory.create("app-\(index)", profile: profile, at: 0) }
        server.trainer.start()
        let (clients, others) = (DispatchGroup(), DispatchGroup())
        for number in 0..<Self.clients { thread(clients) { decide(number, server, tally) } }
        meanwhile(others, tally) { round in
            _ = try Backup.make(of: root + "/data", to: root + "/backup-\(round)")
            tally.backups.add(1, ordering: .relaxed)
        }
        meanwhile(others, tally) { _ in
            try server.database.compact(rows: 100)
            try server.database.forget(Retention(), at: 0)
            tally.passes.add(1, ordering: .relaxed)
        }
        meanwhile(others, tally) { round in
            let agent = try server.service.agent(named: "app-\(round % applications)")
            let action = OperatorAction(operatorName: "operator", action: "mode", time: 0, reason: "round \(round)", application: agent.name)
            try server.controls.change(agent, audit: action.entry()) { $0.mode = round % 2 == 0 ? .freezeDown : .running }
            _ = try server.database.decisions(of: agent.id, from: agent.status(nil).lastSeq, limit: 100)
            _ = try server.database.episodes(of: agent.id, before: .max, limit: 10)
            tally.reads.add(1, ordering: .relaxed)
        }
        clients.wait()
        tally.isOver.store(true, ordering: .relaxed)
        others.wait()
        let stopped = DispatchSemaphore(value: 0)
        Task {
            await server.trainer.stop()
            stopped.signal()
        }
        stopped.wait()
        server.settle()
        #expect(tally.failures.withLock { $0 } == [])
        let answered = tally.answered.withLock { $0 }
        #expect(answered.count == Self.clients * decisions && answered.values.allSatisfy { $0 == 1 })
        var stored = Set<Int64>()
        for agent in server.registry.agents(before: .max, limit: .max) {
            let found = try server.database.decisions(of: agent.id, from: .max, limit: .max)
            stored.formUnion(found.map(\.seq))
            #expect(found.count == Self.clients / applications * decisions, "\(agent.name) has \(found.count) decisions")
            let steps = found.reversed().map { ($0.episode - 1) * profile.episodeSteps + $0.step }
            #expect(steps == Array(0..<found.count), "the steps of \(agent.name) are not one after the other")
        }
        #expect(stored == Set(answered.keys))
        let done = (tally.backups.load(ordering: .relaxed), tally.passes.load(ordering: .relaxed), tally.reads.load(ordering: .relaxed))
        print("\(stored.count) decisions of \(Self.clients) clients; \(done.0) backups, \(done.1) compactions, \(done.2) rounds of an operator, \(server.trainer.updates.load(ordering: .relaxed)) updates")
        server.shutDown()
    }

    @Test func clientsTrainerBackupCompactionAndWriteBack() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("aware-together-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread { continuation.resume(with: Result { try Self.run(root) }) }.start()
        }
    }
}

// What a seed drives besides the clients: the machine's clocks, its disk, and the server that runs on it.

import API
import Agents
import Base
import CFaultyDisk
import Dispatch
import Foundation
import GRDB
import Scaling
import Synchronization

@testable import Operations
@testable import Store

/// The two clocks of a machine: one that can be set, and one that cannot.
final class SimulatedClock: Sendable {
    private let time = Mutex((wall: 1_780_000_000.0, monotonic: 1000.0))

    var wall: Double { time.withLock { $0.wall } }
    var monotonic: Double { time.withLock { $0.monotonic } }

    func pass(_ seconds: Double) { time.withLock { $0 = ($0.wall + seconds, $0.monotonic + seconds) } }
    func jump(by seconds: Double) { time.withLock { $0.wall += seconds } }
}

/// The operations of a server as `PolicyServer` puts them together, on a disk that can fail. One thread drives it; what the store
/// does on queues of its own is waited for by `settle`.
final class SimulatedServer {
    typealias Idempotency = IdempotencyService<Int>

    let folder: String
    let clock: Clock
    let database: Store.Database
    let table = ServingTable()
    let registry = AgentRegistry()
    let trainer: Trainer
    let directory: ApplicationDirectory
    let controls: OperatorControls
    let decide: Decide
    let service: ApplicationService
    let idempotency: Idempotency
    /// One for each loop.
    var contexts: [DecisionContext]

    static let loops = 2

    /// - Parameter checkpointPages: of the log, after which it is written back; by default a step of the simulation does that.
    init(
        folder: String, machine: SimulatedClock, seed: UInt64, checkpointPages: Int = 1 << 40, trainerThreads: Int = 0
    ) throws {
        self.folder = folder
        clock = Clock(followsObservations: false, wall: { machine.wall }, monotonic: { machine.monotonic })
        database = try Store.Database(folder: folder, durability: .full, checkpointPages: checkpointPages, patience: 0)
        do {
            database.maintenance.sync {}
            trainer = Trainer(store: database, table: table, base: nil, threads: trainerThreads, seed: seed)
            directory = ApplicationDirectory(
                registry: registry, table: table, store: database, trainer: trainer, form: ProfileCodec.text, seed: seed)
            _ = try directory.loadAll()
            let controls = try OperatorControls(
                store: database, registry: registry, clock: clock, log: .silent, retryAfter: .never)
            self.controls = controls
            directory.onCreation { controls.enforce(on: $0) }
            decide = try Decide(
                registry: registry, directory: directory, recorder: Recorder(sink: database), trainer: trainer,
                clock: clock, store: database, patience: .nanoseconds(0), log: .silent)
            service = ApplicationService(
                registry: registry, store: database, trainer: trainer, controls: controls, directory: directory)
            idempotency = try Idempotency(store: database)
            contexts = [DecisionContext](repeating: DecisionContext(table: table), count: Self.loops)
        } catch {
            faultydisk_fail(0, 0, 0, 0)
            Self.settle(database)
            try? database.shutDown()
            throw error
        }
    }

    /// Waits until the store has overcome its faults and does nothing more by itself.
    func settle() { Self.settle(database) }

    private static func settle(_ database: Store.Database) {
        for _ in 0..<2000 {
            database.maintenance.sync {}
            database.recovery.sync {}
            if database.fault == nil { return }
            Thread.sleep(forTimeInterval: 0.005)
        }
        fatalError("the store does not recover: \(database.fault.map { "\($0)" } ?? "")")
    }

    /// Copies the log back, as the store does when it has become long.
    func writeBack() {
        guard let connections = database.state.withLock({ $0.connections }) else { return }
        connections.checkpointer.copy()
        // Behind what the copying has left to the writer.
        try? connections.pool.writeWithoutTransaction { _ in }
        settle()
    }

    /// Makes a group durable; what was in the way, for each of its decisions.
    func commit(_ group: DecisionGroup) -> [OperationError]? {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<[OperationError]?>(nil)
        decide.commit(group) { errors in
            result.withLock { $0 = errors }
            done.signal()
        }
        done.wait()
        settle()
        return result.withLock { $0 }
    }

    /// The decision `seq` as it is answered once more.
    func stored(_ seq: Int64) -> Decision? {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Decision?>(nil)
        decide.whenStored(seq) { found in
            result.withLock { $0 = try? found.get() }
            done.signal()
        }
        done.wait()
        return result.withLock { $0 }
    }

    /// Gives the trainer a command, and lets it carry it out and learn.
    func carryOut(_ command: TrainingCommand, for agent: Agent, by action: OperatorAction) -> Result<ActivePolicy, any Error> {
        let result = Mutex<Result<ActivePolicy, any Error>?>(nil)
        service.carryOut(command, for: agent, by: action, "{}") { found in result.withLock { $0 = found } }
        do {
            try trainer.train(agent)
        } catch {
            settle()
            return result.withLock { $0 } ?? .failure(error)
        }
        settle()
        return result.withLock { $0 } ?? .failure(Unanswered())
    }

    struct Unanswered: Error {}

    /// - Returns: whether the disk let it.
    @discardableResult
    func shutDown() -> Bool { (try? database.shutDown()) != nil }

    // MARK: What a crash leaves

    private static let mark = "/aware.mark"

    var markBytes: Data? { FileManager.default.contents(atPath: folder + Self.mark) }

    /// Where the next server starts after this process was killed: the files as they are, without any goodbye.
    func killed(into next: String) throws {
        try FileManager.default.createDirectory(atPath: next, withIntermediateDirectories: true)
        for name in ["/aware.sqlite", "/aware.sqlite-wal", Self.mark] where FileManager.default.fileExists(atPath: folder + name) {
            try FileManager.default.copyItem(atPath: folder + name, toPath: next + name)
        }
        faultydisk_fail(0, 0, 0, 0)
        shutDown()
    }

    /// The same after a loss of power, which `CFaultyDisk` has written to `next`. The mark is not synced: what counts is an
    /// older one.
    func cut(into next: String, mark: Data?) throws {
        faultydisk_fail(0, 0, 0, 0)
        shutDown()
        if let mark { try mark.write(to: URL(fileURLWithPath: next + Self.mark)) }
    }
}

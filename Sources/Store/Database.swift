// Opens the one data file: settings, migrations, a lock against a second server.

import Agents
import CStore
import Dispatch
import Foundation
import GRDB
import GRDBSQLite
import Logging
import Operations
import Synchronization

/// The SQLite file of a data folder. One connection does all writes; a second one copies the log back, in a way that
/// `Checkpointer` shows to be safe; readers are read-only.
public final class Database: Sendable {
    /// How much a commit survives: `normal` a crash of the process, `full` also a loss of power.
    public enum Durability: String, Sendable, CaseIterable { case normal, full }

    /// Connections that read at the same time.
    static let readers = 2
    public var readersMax: Int { Self.readers }

    public enum Failure: Error, CustomStringConvertible {
        case folder(String, reason: String)
        case locked(String)
        case damaged(String, reason: String)
        case foreign(String)
        case newer(String)

        public var description: String {
            switch self {
            case .folder(let path, let reason):
                "The data folder \(path) cannot be used: \(reason). Give a folder that can be written with --data."
            case .locked(let path):
                "Another aware server uses \(path). Stop it first, or give this one a folder of its own with --data."
            case .damaged(let path, let reason):
                "The database \(path) is damaged: \(reason). Move it away, or restore a backup, and start again."
            case .foreign(let path):
                "The database \(path) belongs to another program. Give aware a folder of its own with --data."
            case .newer(let path):
                "The database \(path) was written by a newer version of aware. Start that version, or restore a backup."
            }
        }
    }

    /// Pages of the log after which it is written back: 32 MiB, about once a second under full load.
    public static let checkpointPages = 8192

    /// Bytes of a database up to which every page is checked at each start.
    private static let checkedAtStart: Int64 = 64 << 20

    /// Of the SQLite library that the process has loaded.
    public static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    /// The connections of one opening; closing is safe to repeat.
    struct Connections: Sendable {
        let pool: DatabasePool
        let checkpointer: Checkpointer

        /// The log stays as it is.
        func close() throws {
            // A connection that is closed already says so: then there is nothing left to do.
            try? checkpointer.stop()
            try pool.close()
        }
    }

    struct State {
        var connections: Connections?
        var fault: StorageFault?
        var isClosed = false
        /// `nil` until the database is ready.
        var mark: HighWaterMark?
        var loss: StorageLoss?
        var startNotice: String?
        /// Applications that are just being added, slice by slice.
        var arriving: Set<Int64> = []
    }

    let state = Mutex(State())
    let recovery = DispatchQueue(label: "aware.reopen")
    /// Rows of finished episodes since the last compaction; a start does not know how many there are.
    let finishedRows = Atomic<Int>(Database.compactionRows)
    /// The connection that reads every page at present.
    private struct Checking: @unchecked Sendable { let connection: OpaquePointer? }
    private let checking = Mutex(Checking(connection: nil))
    /// What may take long and is never urgent.
    let maintenance = DispatchQueue(label: "aware.maintenance", qos: .utility)
    public let path: String
    private let durability: Durability
    let log: Logger
    private let checkpointPages: Int
    /// What the pauses of background work are multiplied by.
    let patience: Double
    private let lockDescriptor: Int32
    /// In a structure: a function alone in a Mutex would be wrapped once more by every access.
    private struct Listener { var hear: @Sendable () -> Void }
    private let eventListener = Mutex(Listener {})

    /// For reading; whoever writes uses `write`, which knows of faults.
    var pool: DatabasePool { state.withLock { $0.connections!.pool } }

    /// What a person should know of how answers are kept.
    public var summary: String {
        "SQLite \(Self.libraryVersion), durability \(durability.rawValue): an answer survives "
            + (durability == .full ? "a loss of power" : "a crash of the process, not a loss of power (--durability full)")
    }

    /// - Parameter patience: 0 for tests in which nobody is kept waiting by background work.
    public init(
        folder: String, durability: Durability = .normal, checkpointPages: Int = Database.checkpointPages,
        patience: Double = 1, log: Logger = .silent
    ) throws {
        self.patience = patience
        self.log = log
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw Failure.folder(folder, reason: error.localizedDescription)
        }
        lockDescriptor = open(folder + "/lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lockDescriptor >= 0 else { throw Failure.folder(folder, reason: String(cString: strerror(errno))) }
        path = folder + "/aware.sqlite"
        self.durability = durability
        self.checkpointPages = checkpointPages
        guard flock(lockDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(lockDescriptor)
            throw Failure.locked(folder)
        }
        do {
            let connections = try connect()
            state.withLock { $0.connections = connections }
            switch try Migrations.origin(of: connections.pool) {
            case .ours: try Migrations.apply(to: connections.pool, log)
            case .newer: throw Failure.newer(path)
            case .foreign: throw Failure.foreign(path)
            }
            try keepChecksums(on: connections)
            try checkPages()
            try openMark()
            try dropUnfinished()
            scheduleDeletions()
        } catch let error as DatabaseError
            where error.resultCode == .SQLITE_NOTADB || error.resultCode == .SQLITE_CORRUPT
        {
            giveUp()
            throw Failure.damaged(path, reason: error.message ?? "it is not an SQLite database")
        } catch let error as DatabaseError where Self.isOfTheDisk(error) {
            giveUp()
            throw Failure.folder(folder, reason: "\(error)")
        } catch {
            giveUp()
            throw error
        }
    }

    /// Every page, but not those of a long file: reading gigabytes would keep decisions waiting. Those are read later,
    /// beside the service; a damaged page that is needed before says so itself.
    private func checkPages() throws {
        @Sendable func verdict() throws -> String? {
            try pool.read { db in
                let connection = Checking(connection: db.sqliteConnection)
                checking.withLock { $0 = connection }
                defer { checking.withLock { $0 = Checking(connection: nil) } }
                return try String.fetchOne(db, sql: "PRAGMA quick_check(1)")
            }
        }
        guard try fileBytes() > Self.checkedAtStart else {
            let verdict = try verdict()
            guard verdict == "ok" else { throw Failure.damaged(path, reason: verdict ?? "quick_check says nothing") }
            return
        }
        maintenance.async { [self] in
            guard !isClosed, let found = try? verdict(), found != "ok" else { return }
            noteDamage(of: nil, "The database \(path) is damaged: \(found). Run `aware doctor`.")
        }
    }

    func keepChecksums(on connections: Connections) throws {
        try connections.pool.writeWithoutTransaction { try RowChecksums.keep(on: $0) }
    }

    /// A full or read-only disk is no damage.
    private static func isOfTheDisk(_ error: DatabaseError) -> Bool {
        [.SQLITE_FULL, .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_IOERR, .SQLITE_PERM].contains(error.resultCode)
    }

    /// Said explicitly: a child process that is just being started has the descriptor, too, until it runs its program.
    private func releaseLock() {
        flock(lockDescriptor, LOCK_UN)
        close(lockDescriptor)
    }

    private func giveUp() {
        try? state.withLock { $0.connections }?.close()
        releaseLock()
    }

    /// Opens the file, and proves that every connection is set as it must be.
    func connect() throws -> Connections {
        let wanted = durability
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = Self.readers
        configuration.prepareDatabase { db in
            try Self.check(cstore_keep_log_on_close(db.sqliteConnection), db)
            db.add(function: RowChecksums.function)
            guard !db.configuration.readonly else { return }
            try db.execute(sql: "PRAGMA synchronous = \(wanted.rawValue.uppercased())")
            // Only a file without tables takes it on.
            try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
        }
        let pool = try DatabasePool(path: path, configuration: configuration)
        try pool.writeWithoutTransaction { db in
            // Setting up the log has made it NORMAL, after the above.
            try db.execute(sql: "PRAGMA synchronous = \(wanted.rawValue.uppercased())")
            let found = try Int.fetchOne(db, sql: "PRAGMA synchronous")
            guard found == (wanted == .full ? 2 : 1) else {
                throw DatabaseError(message: "PRAGMA synchronous is \(found ?? -1) and not \(wanted)")
            }
        }
        let checkpointer = try Checkpointer(path: path, pool: pool, configuration: configuration, pages: checkpointPages) {
            [weak self] in self?.suspend($0)
        }
        return Connections(pool: pool, checkpointer: checkpointer)
    }

    private static func check(_ code: Int32, _ db: GRDB.Database) throws {
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }

    /// Writes back the log and gives up the folder.
    public func shutDown() throws {
        let (connections, fault) = state.withLock { state in
            state.isClosed = true
            return (state.connections, state.fault)
        }
        recovery.sync {}
        // A check of gigabytes must not hold up the end. Its connection alone: an interrupted writer would not write back its log.
        // Again and again, because a statement that is just beginning does not hear it.
        let rest = DispatchSemaphore(value: 0)
        maintenance.async { rest.signal() }
        repeat {
            checking.withLock { if let connection = $0.connection { sqlite3_interrupt(connection) } }
        } while rest.wait(timeout: .now() + .milliseconds(20)) == .timedOut
        guard let connections else { return }
        try? connections.checkpointer.stop()
        // With a fault the log stays: the next start reads it from its beginning.
        if fault == nil { try connections.pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) } }
        try connections.pool.close()
        releaseLock()
    }

    /// Calls `action`, on whichever thread it was, after each commit that added events.
    public func onEvents(_ action: @escaping @Sendable () -> Void) { eventListener.withLock { $0.hear = action } }

    func announceEvents() {
        if let mark = state.withLock({ $0.mark }), let last = try? lastEvent() {
            mark.note { $0.event = max($0.event, last) }
        }
        eventListener.withLock { $0.hear }()
    }

    /// What a start found missing, or could not tell; for operators.
    public var startNotice: String? { state.withLock { $0.startNotice } }

    /// Proves that the database accepts a write, for `/readyz`. Throws what SQLite says.
    public func probe() throws {
        if let fault { throw fault }
        // Nothing uses this number, but setting it writes its page to the log: a rolled back change would not get there.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 0") }
    }
}

extension Database: ServerStore {}

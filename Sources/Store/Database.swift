// Opens the one data file: settings, migrations, a lock against a second server.

import Foundation
import GRDB
import GRDBSQLite
import Synchronization

/// The SQLite file of a data folder. One connection does all writes and all checkpoints; readers are read-only
/// (SQLite before 3.51.3 can corrupt a file that two connections checkpoint at once, RELIABILITY section 1).
public final class Database: Sendable {
    /// How much a commit survives: `normal` a crash of the process, `full` also a loss of power.
    public enum Durability: String, Sendable, CaseIterable { case normal, full }

    /// Connections that read at the same time.
    public static let readers = 2

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

    /// Of the SQLite library that the process has loaded.
    public static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    let pool: DatabasePool
    private let checkpointer: Checkpointer
    public let path: String
    private let lockDescriptor: Int32
    /// In a structure: a function alone in a Mutex would be wrapped once more by every access.
    private struct Listener { var hear: @Sendable () -> Void }
    private let eventListener = Mutex(Listener {})

    public init(
        folder: String, durability: Durability = .normal, checkpointPages: Int = Database.checkpointPages
    ) throws {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw Failure.folder(folder, reason: error.localizedDescription)
        }
        lockDescriptor = open(folder + "/lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lockDescriptor >= 0 else { throw Failure.folder(folder, reason: String(cString: strerror(errno))) }
        guard flock(lockDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(lockDescriptor)
            throw Failure.locked(folder)
        }
        path = folder + "/aware.sqlite"
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = Self.readers
        configuration.prepareDatabase { db in
            guard !db.configuration.readonly else { return }
            try db.execute(sql: "PRAGMA synchronous = \(durability.rawValue.uppercased())")
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            switch try Migrations.origin(of: pool) {
            case .ours: try Migrations.apply(to: pool)
            case .newer: throw Failure.newer(path)
            case .foreign: throw Failure.foreign(path)
            }
            let verdict = try pool.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
            guard verdict == "ok" else { throw Failure.damaged(path, reason: verdict ?? "quick_check says nothing") }
            checkpointer = try Checkpointer(
                path: path, pool: pool, configuration: configuration, pages: checkpointPages)
        } catch let error as DatabaseError
            where error.resultCode == .SQLITE_NOTADB || error.resultCode == .SQLITE_CORRUPT
        {
            close(lockDescriptor)
            throw Failure.damaged(path, reason: error.message ?? "it is not an SQLite database")
        } catch {
            close(lockDescriptor)
            throw error
        }
    }

    /// Writes back the log and gives up the folder.
    public func shutDown() throws {
        try checkpointer.stop()
        try pool.close()
        close(lockDescriptor)
    }

    /// Calls `action`, on whichever thread it was, after each commit that added events.
    public func onEvents(_ action: @escaping @Sendable () -> Void) { eventListener.withLock { $0.hear = action } }

    func announceEvents() { eventListener.withLock { $0.hear }() }

    /// Proves that the database accepts a write, for `/readyz`. Throws what SQLite says.
    public func probe() throws {
        // Nothing uses this number, but setting it writes its page to the log: a rolled back change would not get there.
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 0") }
    }
}

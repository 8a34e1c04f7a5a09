// When the disk has broken its word, nothing more is acknowledged until the database has been opened anew.
//
// After a failed fsync nobody knows which pages reached the disk, and a second fsync may succeed without them (the kernel
// has marked them as clean). So it is never tried again: the connections are closed with the log kept as it is, and
// opened anew; SQLite then reads the log from its beginning, and a checkpoint writes every page of it once more.

import Dispatch
import Foundation
import GRDB
import GRDBSQLite
import Logging
import Synchronization

/// Why the store takes no writes at the moment; it tries to overcome it by itself.
public struct StorageFault: Error, CustomStringConvertible, Sendable {
    public let reason: String
    /// Seconds since 1970.
    public let since: Double

    public var description: String { "the store has stopped at \(Date(timeIntervalSince1970: since).ISO8601Format()): \(reason)" }

    /// Whether an error means that what was thought to be on the disk may not be. A full disk does not: SQLite takes
    /// back the transaction, and the next one may succeed.
    static func isOne(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return switch error.extendedResultCode {
        case .SQLITE_IOERR_FSYNC, .SQLITE_IOERR_DIR_FSYNC, .SQLITE_IOERR_CHECKRESERVEDLOCK, .SQLITE_READONLY_DBMOVED: true
        default: error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
        }
    }
}

extension Database {
    /// Between two attempts to open the database anew.
    private static let reopenSeconds = 0.5

    /// Why nothing is written at the moment; `nil` when all is well.
    public var fault: StorageFault? { state.withLock { $0.fault } }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// A transaction that refuses while there is a fault, and notes one.
    func write<T>(_ body: (GRDB.Database) throws -> T) throws -> T {
        if let fault { throw fault }
        do {
            return try pool.write(body)
        } catch {
            note(error)
            throw error
        }
    }

    /// Stops acknowledging when `error` is a fault, and begins to overcome it.
    func note(_ error: any Error) {
        if StorageFault.isOne(error) { suspend(error) }
    }

    func suspend(_ error: any Error) {
        let isFirst = state.withLock { state in
            guard state.fault == nil, !state.isClosed else { return false }
            state.fault = StorageFault(reason: "\(error)", since: Date().timeIntervalSince1970)
            return true
        }
        if isFirst {
            log.error("the database takes no writes until it has been opened anew", metadata: ["error": "\(error)"])
        }
        if isFirst { recovery.async { [self] in reopen() } }
    }

    private func reopen() {
        let old = state.withLock { $0.isClosed ? nil : $0.connections }
        guard let old else { return }
        do {
            // Not closed: a reader that has just taken the old pool would read from a connection that is gone. It is let go
            // with its last user, and until the new one is there reads go on. What writes refuses while there is a fault.
            try? old.checkpointer.stop()
            let new = try connect()
            state.withLock { $0.connections = new }
            try keepChecksums(on: new)
            // Every page of the log once more, and a sync: only now it is known that the disk keeps what it is given.
            try new.pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
            state.withLock { $0.fault = nil }
            log.notice("the database takes writes again")
        } catch {
            state.withLock { state in
                guard let fault = state.fault else { return }
                state.fault = StorageFault(reason: "\(error)", since: fault.since)
            }
            recovery.asyncAfter(deadline: .now() + patience * Self.reopenSeconds) { [self] in reopen() }
        }
    }
}

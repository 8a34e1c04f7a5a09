// Copies the write-ahead log back into the database beside the writer, so that no decision waits for it.
//
// SQLite's own way is a checkpoint by the commit that finds the log long: 40 to 70 ms of copying and syncing, and every
// answer waits. Here a second connection copies and syncs while decisions are being committed. What was added meanwhile
// keeps the log from beginning anew; the writer copies that rest between two commits: little, and hardly anything to sync.
//
// Why two connections may do that with an SQLite before 3.51.3, which can corrupt a file when a commit begins the log
// anew in the middle of another connection's checkpoint (sqlite.org/wal.html#walresetbug): here no commit can. A third
// connection holds a read transaction from before the copying begins until after it has ended.
// - When that transaction reads from the log, it holds one of the read marks 1 to 4. To begin the log anew a writer
//   must lock all of these exclusively (walRestartLog), so it appends instead.
// - When the log was wholly copied already, it holds mark 0, which says that it reads the database file alone. To
//   copy anything a checkpoint must lock mark 0 exclusively, so it does nothing at all.
// The writer's own checkpoint of the rest runs after the copy has ended, and the next copy is not begun before that is
// done. Should the writer copy because the log is far too long, in the middle of a copy, the checkpoint lock refuses it.

import CStore
import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

final class Checkpointer: Sendable {
    private struct Log {
        /// Pages of the log that are back in the database.
        var copied = 0
        var isBeingCopied = false
        /// A copy that is not on the disk for sure must not be built upon: nothing more is copied.
        var hasFailed = false
    }

    /// Pages of the log that are worth a checkpoint.
    private let pages: Int
    /// With so many times as many the writer no longer waits for the other thread.
    private static let limit = 4

    private let pool: DatabasePool
    private let copier: DatabaseQueue
    /// Holds the read transaction that keeps the log from beginning anew.
    private let holder: DatabaseQueue
    /// Not on a thread of low priority: one that waits for the processor in the middle of a sync keeps pages locked that
    /// commits write to (p99 of decisions 15 to 100 ms instead of 5).
    private let queue = DispatchQueue(label: "aware.checkpoint", qos: .utility)
    private let log = Mutex(Log())
    private let hasFailed: @Sendable (any Error) -> Void

    /// - Parameters:
    ///   - pool: on the database at `path`, in WAL mode; its writer checkpoints no more by itself.
    ///   - hasFailed: told of a copy or a sync that failed, once; `stop` and a new checkpointer must follow.
    init(
        path: String, pool: DatabasePool, configuration: Configuration, pages: Int,
        hasFailed: @escaping @Sendable (any Error) -> Void
    ) throws {
        self.pool = pool
        self.pages = pages
        self.hasFailed = hasFailed
        copier = try DatabaseQueue(path: path, configuration: configuration)
        var reading = configuration
        reading.readonly = true
        holder = try DatabaseQueue(path: path, configuration: reading)
        try pool.writeWithoutTransaction { db in
            // Replaces SQLite's automatic checkpoints. Released by `stop`.
            let context = Unmanaged.passRetained(self).toOpaque()
            sqlite3_wal_hook(
                db.sqliteConnection,
                { context, connection, _, pages in
                    guard let context else { return SQLITE_OK }
                    let checkpointer = Unmanaged<Checkpointer>.fromOpaque(context).takeUnretainedValue()
                    checkpointer.committed(pages: Int(pages), on: connection)
                    return SQLITE_OK
                }, context)
        }
    }

    /// Waits for what is being copied, and lets go of the database.
    func stop() throws {
        queue.sync {}
        try pool.writeWithoutTransaction { db in
            if let context = sqlite3_wal_hook(db.sqliteConnection, nil, nil) {
                Unmanaged<Checkpointer>.fromOpaque(context).release()
            }
        }
        try holder.close()
        try copier.close()
    }

    /// On the writer's thread, within each commit.
    private func committed(pages: Int, on writer: OpaquePointer?) {
        let (isLong, isTooLong) = log.withLock { log in
            if pages < log.copied { log.copied = 0 }
            let added = pages - log.copied
            let isLong = !log.isBeingCopied && !log.hasFailed && added >= self.pages
            if isLong { log.isBeingCopied = true }
            return (isLong, !log.hasFailed && added >= Self.limit * self.pages)
        }
        if isLong { queue.async { [self] in copy() } }
        guard isTooLong else { return }
        // The machine is too busy for the other thread. If that is in the middle of it, this does nothing.
        var copied: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(writer, nil, SQLITE_CHECKPOINT_PASSIVE, nil, &copied)
        if code == SQLITE_OK {
            log.withLock { $0.copied = Int(copied) }
        } else if code & 0xFF != SQLITE_BUSY && code & 0xFF != SQLITE_LOCKED {
            fail(DatabaseError(resultCode: ResultCode(rawValue: code), message: "the log could not be written back"))
        }
    }

    func copy() {
        do {
            // The log first, so that neither the checkpoint nor the writer's rest finds much to sync.
            try copier.inDatabase { try Self.check(cstore_sync_log($0.sqliteConnection), "the log could not be synced") }
            try holder.inDatabase { held in
                try held.execute(sql: "BEGIN")
                defer { try? held.execute(sql: "ROLLBACK") }
                _ = try Row.fetchOne(held, sql: "SELECT 1 FROM sqlite_schema")
                try copier.inDatabase { db in
                    _ = try Self.checkpoint(db)
                    // SQLite syncs the file with a copy of the whole log only, which this hardly ever is: the writer's
                    // would find all of it to sync.
                    try Self.check(cstore_sync_database(db.sqliteConnection), "the database could not be synced")
                }
            }
        } catch {
            return fail(error)
        }
        pool.asyncWriteWithoutTransaction { [self] db in
            guard !log.withLock({ $0.hasFailed }) else { return }
            do {
                let copied = try Self.checkpoint(db)
                log.withLock { log in
                    log.copied = copied ?? 0
                    log.isBeingCopied = false
                }
            } catch {
                fail(error)
            }
        }
    }

    /// Copies what can be copied without waiting; `nil` while another connection, perhaps of another process, does that.
    private static func checkpoint(_ db: GRDB.Database) throws -> Int? {
        do {
            return try db.checkpoint(.passive).checkpointedFrameCount
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY || error.resultCode == .SQLITE_LOCKED {
            return nil
        }
    }

    private func fail(_ error: any Error) {
        let isFirst = log.withLock { log in
            log.isBeingCopied = false
            defer { log.hasFailed = true }
            return !log.hasFailed
        }
        if isFirst { hasFailed(error) }
    }

    private static func check(_ code: Int32, _ message: String) throws {
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code), message: message) }
    }
}

// Copies the write-ahead log back into the database beside the writer, so that no decision waits for it.
//
// SQLite's own way is a checkpoint by the commit that finds the log long: 40 to 70 ms of copying and syncing, about once a
// second under full load, and every answer waits. Here a second connection copies while decisions are being committed.
// What was added meanwhile keeps the log from beginning anew; the writer copies that rest between two commits: little,
// and hardly anything to sync.

import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

final class Checkpointer: Sendable {
    private struct Log {
        /// Pages of the log that are back in the database.
        var copied = 0
        var isBeingCopied = false
    }

    /// Pages of the log that are worth a checkpoint.
    private let pages: Int
    /// With so many times as many the writer no longer waits for the other thread.
    private static let limit = 4

    private let pool: DatabasePool
    private let connection: DatabaseQueue
    private let queue = DispatchQueue(label: "aware.checkpoint", qos: .utility)
    private let log = Mutex(Log())

    /// - Parameter pool: on the database at `path`, in WAL mode; its writer checkpoints no more by itself.
    init(path: String, pool: DatabasePool, configuration: Configuration, pages: Int) throws {
        self.pool = pool
        self.pages = pages
        connection = try DatabaseQueue(path: path, configuration: configuration)
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

    /// Waits for what is being copied, and writes back the rest.
    func stop() throws {
        queue.sync {}
        try pool.writeWithoutTransaction { db in
            if let context = sqlite3_wal_hook(db.sqliteConnection, nil, nil) {
                Unmanaged<Checkpointer>.fromOpaque(context).release()
            }
            _ = try db.checkpoint(.truncate)
        }
        try connection.close()
    }

    /// On the writer's thread, within each commit.
    private func committed(pages: Int, on writer: OpaquePointer?) {
        let (isLong, isTooLong) = log.withLock { log in
            if pages < log.copied { log.copied = 0 }
            let added = pages - log.copied
            let isLong = !log.isBeingCopied && added >= self.pages
            if isLong { log.isBeingCopied = true }
            return (isLong, added >= Self.limit * self.pages)
        }
        if isLong { queue.async { [self] in copy() } }
        guard isTooLong else { return }
        // The machine is too busy for the other thread. If that is in the middle of it, this does nothing.
        var copied: Int32 = 0
        if sqlite3_wal_checkpoint_v2(writer, nil, SQLITE_CHECKPOINT_PASSIVE, nil, &copied) == SQLITE_OK {
            log.withLock { $0.copied = Int(copied) }
        }
    }

    private func copy() {
        // What fails here, for want of space, fails for the next commits, too, which say so.
        _ = try? connection.inDatabase { try $0.checkpoint(.passive) }
        pool.asyncWriteWithoutTransaction { [self] db in
            let result = try? db.checkpoint(.passive)
            log.withLock { log in
                log.copied = result?.checkpointedFrameCount ?? 0
                log.isBeingCopied = false
            }
        }
    }
}

// The file that one application moves in: a small database of the same schema with that application's rows.
//
// The tables are the server's own, made by the same migrations: a bundle of an older version is migrated like a folder of
// one, and whatever checks a database checks a bundle. A new table with an application in it must be named below; a test
// fails until it is.

import Base
import Foundation
import GRDB
import GRDBSQLite
import Operations

enum ApplicationBundle {
    /// A tag, the length of the database, its compressed form, a checksum of all before.
    private static let magic: UInt64 = 0x3130_4C44_4E42_5741  // "AWBNDL01"
    /// Of zlib: most of the bytes are compressed already.
    private static let level: Int32 = 1
    /// Bytes of the database, and of the file.
    static let bytesMax = 1 << 30

    /// A table that has rows of an application.
    struct Table {
        let name: String
        /// The rows of the application `:id`, called `:name`.
        var condition = "application = :id"
        /// A column that only tells the rows of one file apart, which get another number elsewhere.
        var key: String?
        /// Columns with numbers of decisions.
        var numbers: [String] = []
    }

    /// In the order in which they are added: what says that the application is there comes last. `decision`, `weights` and
    /// `application` have rules of their own.
    static let tables = [
        Table(name: "decisionBlock", key: "id", numbers: ["first", "last"]),
        Table(name: "episode", numbers: ["closing"]),
        Table(name: "event", key: "id"),
        Table(name: "audit", condition: "application = :name", key: "id"),
        Table(name: "outcome", numbers: ["seq"]),
        Table(name: "foreignTransition"),
        Table(name: "model"),
        Table(name: "embedding"),
        Table(name: "control"),
        Table(name: "pin"),
        Table(name: "trainerOptimizer"),
        Table(name: "trainerState"),
        Table(name: "agentState", numbers: ["seq"]),
    ]
    /// Whose rows say where an application is on one server: they are made anew.
    static let local = ["deletion", "lastDecision", "seal", "moved"]

    // MARK: The file

    static func pack(_ image: [UInt8]) throws -> [UInt8] {
        guard let packed = image.withUnsafeBytes({ Zlib.pack($0, level: level) }) else {
            throw BundleFailure(description: "it could not be compressed")
        }
        var writer = ByteWriter(reserving: packed.count + 32)
        writer.write(magic)
        writer.write(UInt64(image.count))
        packed.withUnsafeBytes { writer.append($0) }
        writer.write(checksum(writer.written))
        return writer.bytes
    }

    static func unpack(_ bytes: [UInt8]) throws -> [UInt8] {
        var reader = ByteReader(bytes)
        guard bytes.count > 24, try reader.integer(UInt64.self) == magic else {
            throw BundleFailure(description: "this is no application of aware; GET .../export and `aware export --format bundle` give one")
        }
        let sum = bytes.withUnsafeBytes { checksum(UnsafeRawBufferPointer(rebasing: $0.dropLast(8))) }
        var tail = ByteReader(Array(bytes.suffix(8)))
        guard try tail.integer(UInt64.self) == sum else {
            throw BundleFailure(description: "the file does not fit its checksum: it is damaged or incomplete")
        }
        let length = try reader.integer(UInt64.self)
        guard length > 0, length <= bytesMax else { throw BundleFailure(description: "it says that it is \(length) bytes long") }
        let packed = 16..<bytes.count - 8
        guard let image = bytes.withUnsafeBytes({ Zlib.unpack(UnsafeRawBufferPointer(rebasing: $0[packed]), length: Int(length)) }) else {
            throw BundleFailure(description: "it cannot be unpacked")
        }
        return image
    }

    private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var sum = Checksum()
        sum.add(bytes)
        return sum.value
    }

    // MARK: The database in it

    private static func database() throws -> DatabaseQueue {
        var configuration = Doctor.configuration(readonly: false)
        configuration.prepareDatabase { db in
            db.add(function: RowChecksums.function)
            // A file that somebody made by hand must not have anything called.
            try db.execute(sql: "PRAGMA trusted_schema = OFF")
        }
        return try DatabaseQueue(configuration: configuration)
    }

    /// An empty database of today's schema, and what it consists of: made once, because the migrations take longer than most moves.
    private static let template = Result {
        let queue = try database()
        try Migrations.migrator.migrate(queue)
        return (image: try image(of: queue), schema: try schema(of: queue))
    }

    static func empty() throws -> DatabaseQueue {
        let queue = try database()
        try load(template.get().image, into: queue)
        return queue
    }

    /// Every table, index and trigger, and the migrations that made them.
    private static func schema(of queue: DatabaseQueue) throws -> [String] {
        try queue.read { db in
            let parts = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1"
            return try String.fetchAll(db, sql: parts) + Migrations.migrator.appliedMigrations(db)
        }
    }

    private static func load(_ image: [UInt8], into queue: DatabaseQueue) throws {
        try queue.inDatabase { db in
            guard let memory = sqlite3_malloc64(UInt64(image.count)) else {
                throw BundleFailure(description: "there is no memory for it")
            }
            image.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: image.count) }
            // SQLite frees it, also when it refuses.
            let code = sqlite3_deserialize(
                db.sqliteConnection, "main", memory.assumingMemoryBound(to: UInt8.self), sqlite3_int64(image.count),
                sqlite3_int64(image.count), UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE))
            guard code == SQLITE_OK else { throw BundleFailure(description: "it is no database") }
            db.clearSchemaCache()
        }
    }

    static func image(of queue: DatabaseQueue) throws -> [UInt8] {
        try queue.inDatabase { db in
            var size: sqlite3_int64 = 0
            guard let bytes = sqlite3_serialize(db.sqliteConnection, "main", &size, 0) else {
                throw BundleFailure(description: "there is no memory for it")
            }
            defer { sqlite3_free(bytes) }
            guard size <= bytesMax else {
                throw BundleFailure(description: "it has \(size >> 20) MiB, and \(bytesMax >> 20) is the limit: shorten its history with --keep-steps, or move the whole folder")
            }
            return Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
        }
    }

    /// The database of a file, checked and brought up to today's schema.
    static func open(_ bytes: [UInt8]) throws -> DatabaseQueue {
        let image = try unpack(bytes)
        let queue = try database()
        do {
            try load(image, into: queue)
            try bringUpToDate(queue)
            var findings = Doctor.Findings()
            try queue.read { try Doctor.examine($0, &findings) }
            guard findings.damage.isEmpty else {
                throw BundleFailure(description: "it is damaged: " + findings.damage.prefix(3).joined(separator: "; "))
            }
            guard findings.applications == 1 else {
                throw BundleFailure(description: "it has \(findings.applications) applications and not one")
            }
            return queue
        } catch let error as DatabaseError {
            throw BundleFailure(description: "it is damaged: \(error.message ?? "\(error)")")
        }
    }

    /// Tables, indexes and triggers must be those that this program made, in this version or an earlier one.
    private static func bringUpToDate(_ queue: DatabaseQueue) throws {
        let found = try schema(of: queue)
        if try found == template.get().schema { return }
        let migrator = Migrations.migrator
        guard try !queue.read(migrator.hasBeenSuperseded) else {
            throw BundleFailure(description: "it was exported by a newer version of aware")
        }
        guard let last = try queue.read({ try migrator.appliedMigrations($0).last }) else {
            throw BundleFailure(description: "it is no database of aware")
        }
        let ours = try database()
        try migrator.migrate(ours, upTo: last)
        guard try found == schema(of: ours) else { throw BundleFailure(description: "its tables are not those of aware") }
        try migrator.migrate(queue)
    }
}

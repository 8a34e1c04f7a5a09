// The schema's history, embedded in the binary from `migrations/`: forward only, each file in one transaction.

import GRDB
import Logging

enum Migrations {
    /// Every file of `migrations/`, in order.
    static let files: [(name: String, sql: [UInt8])] = [
        ("m0001_init", PackageResources.m0001_init_sql),
        ("m0002_control", PackageResources.m0002_control_sql),
        ("m0003_experience", PackageResources.m0003_experience_sql),
        ("m0004_idempotency", PackageResources.m0004_idempotency_sql),
        ("m0005_optimizer", PackageResources.m0005_optimizer_sql),
        ("m0006_weights", PackageResources.m0006_weights_sql),
        ("m0007_freeze_up", PackageResources.m0007_freeze_up_sql),
        ("m0008_integrity", PackageResources.m0008_integrity_sql),
        ("m0009_blocks", PackageResources.m0009_blocks_sql),
        ("m0010_bill", PackageResources.m0010_bill_sql),
        ("m0011_move", PackageResources.m0011_move_sql),
    ]

    /// Who wrote a database.
    enum Origin { case ours, newer, foreign }

    static func origin(of pool: DatabasePool) throws -> Origin {
        try pool.read { db in
            if try migrator.hasBeenSuperseded(db) { return .newer }
            let tables = try String.fetchAll(db, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
            return tables.isEmpty || tables.contains("grdb_migrations") ? .ours : .foreign
        }
    }

    static func apply(to pool: DatabasePool, _ log: Logger) throws {
        let applied = try pool.read(migrator.appliedIdentifiers)
        try migrator.migrate(pool)
        let new = files.map(\.name).filter { !applied.contains($0) }
        if !new.isEmpty { log.notice("migrated the database", metadata: ["migrations": "\(new.joined(separator: " "))"]) }
    }

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for file in files {
            migrator.registerMigration(file.name) { db in
                try db.execute(sql: String(decoding: file.sql, as: UTF8.self))
                if file.name == "m0008_integrity" { try RowChecksums.complete(db) }
            }
        }
        return migrator
    }
}

// A checksum for every row that decisions or training rest on: set by triggers of our own connection, compared on reading.
//
// The triggers are temporary ones: they are not in the file, so that every SQLite opens it. A row that something else
// changed (a flipped bit, another program) no longer fits its checksum.

import Foundation
import GRDB

enum RowChecksums {
    /// Tables and the columns that their checksum covers, the key first.
    static let tables: [(name: String, columns: [String])] = [
        ("application", ["id", "name", "profile", "revision", "created"]),
        ("agentState", ["application", "seq", "state"]),
        ("trainerState", ["application", "episode", "state"]),
        ("trainerOptimizer", ["application", "bytes"]),
        (
            "episode",
            [
                "application", "number", "started", "ended", "steps", "closing", "stage", "actor", "modelVersion",
                "reward", "rulesReward", "violations",
            ]
        ),
        ("model", ["application", "version", "parent", "created", "algorithm", "episode", "diagnostics", "weights"]),
        ("pin", ["application", "replicas", "cpu", "memory", "until", "reason", "actor", "created"]),
        (
            "control",
            [
                "application", "mode", "modeReason", "approvedReplicas", "approvedCpu", "approvedMemory", "episodeEnded",
            ]
        ),
        ("moved", ["application", "number", "seed", "shift"]),
    ]

    private static func expression(_ table: (name: String, columns: [String]), of row: String = "") -> String {
        let prefix = row.isEmpty ? "" : row + "."  // Several tables of a join have an `application`.
        return "aware_sum('\(table.name)', \(table.columns.map { prefix + $0 }.joined(separator: ", ")))"
    }

    /// A condition on rows of `table` that is true for sound ones.
    static func isSound(_ table: String, as alias: String = "") -> String {
        let found = tables.first { $0.name == table }!
        return "\(alias.isEmpty ? table : alias).sum IS \(expression(found, of: alias.isEmpty ? table : alias))"
    }

    static let function = DatabaseFunction("aware_sum", argumentCount: nil, pure: true) { values in
        var sum = Checksum()
        for value in values {
            switch value.storage {
            case .null: sum.add(0xFF as UInt8)
            case .int64(let value): sum.add(value)
            case .double(let value): sum.add(value.bitPattern)
            case .string(let value): sum.add(Array(value.utf8))
            case .blob(let value): sum.add(Array(value))
            }
        }
        return Int64(bitPattern: sum.value)
    }

    /// Keeps the checksums of what `db` writes; its tables must have the column.
    static func keep(on db: GRDB.Database) throws {
        for table in tables {
            let keys = Array(table.columns.prefix(isKeyedTwice(table.name) ? 2 : 1))
            let row = keys.map { "\($0) = NEW.\($0)" }.joined(separator: " AND ")
            let update = "UPDATE \(table.name) SET sum = \(expression(table)) WHERE \(row)"
            try db.execute(
                sql: """
                    CREATE TEMP TRIGGER IF NOT EXISTS sumInserted_\(table.name) AFTER INSERT ON main.\(table.name)
                    BEGIN \(update); END;
                    CREATE TEMP TRIGGER IF NOT EXISTS sumUpdated_\(table.name)
                    AFTER UPDATE OF \(table.columns.joined(separator: ", ")) ON main.\(table.name)
                    BEGIN \(update); END
                    """)
        }
    }

    /// For rows from before there were checksums.
    static func complete(_ db: GRDB.Database) throws {
        for table in tables where try db.tableExists(table.name) {
            try db.execute(sql: "UPDATE \(table.name) SET sum = \(expression(table)) WHERE sum IS NULL")
        }
    }

    private static func isKeyedTwice(_ table: String) -> Bool { table == "episode" || table == "model" }

    /// A sentence for every damaged row, at most `limit`.
    static func damage(in db: GRDB.Database, limit: Int) throws -> [String] {
        var found: [String] = []
        for table in tables where try db.tableExists(table.name) {
            let keys = table.columns.prefix(isKeyedTwice(table.name) ? 2 : 1)
            let rows = try Row.fetchAll(
                db,
                sql: "SELECT \(keys.joined(separator: ", ")) FROM \(table.name) WHERE NOT (\(isSound(table.name))) LIMIT ?",
                arguments: [max(0, limit - found.count)])
            for row in rows {
                let key = zip(keys, row.databaseValues).map { "\($0) \($1)" }.joined(separator: ", ")
                found.append("\(table.name): the row of \(key) does not fit its checksum")
            }
        }
        return found
    }
}

/// A multiplicative hash over words of eight bytes: it is there to notice damage, not an attacker.
struct Checksum {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
        value ^= value >> 32
    }
    mutating func add(_ byte: UInt8) { add(UInt64(byte)) }
    mutating func add(_ value: Int64) { add(UInt64(bitPattern: value)) }
    mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }
    mutating func add(_ raw: UnsafeRawBufferPointer) {
        add(UInt64(raw.count))
        var offset = 0
        while offset + 8 <= raw.count {
            add(raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        while offset < raw.count {
            add(UInt64(raw[offset]))
            offset += 1
        }
    }
}

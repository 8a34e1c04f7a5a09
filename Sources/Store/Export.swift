// One application's rows, copied into a file of their own as of one instant; and the seal that goes before.

import Agents
import Foundation
import GRDB
import Operations

extension Database {
    public func seal(of application: Int64) throws -> StoredHold? {
        try pool.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM seal WHERE application = ?", arguments: [application]).map {
                StoredHold(reason: $0["reason"], operatorName: $0["actor"], created: $0["created"])
            }
        }
    }

    public func set(_ seal: StoredHold?, of application: Int64, audit entry: AuditEntry) throws {
        try write { db in
            try db.execute(sql: "DELETE FROM seal WHERE application = ?", arguments: [application])
            if let seal {
                try db.execute(
                    sql: "INSERT INTO seal (application, reason, actor, created) VALUES (?, ?, ?, ?)",
                    arguments: [application, seal.reason, seal.operatorName, seal.created])
            }
            try Self.insert(entry, of: application, into: db)
        }
        announceEvents()
    }

    public func export(application id: Int64, last: Int64?, seed: UInt64) throws -> [UInt8] {
        let bundle = try ApplicationBundle.empty()
        defer { try? bundle.close() }
        try pool.read { db in
            try bundle.write { copy in
                guard let name = try String.fetchOne(db, sql: "SELECT name FROM application WHERE id = ?", arguments: [id]) else {
                    throw BundleFailure(description: "it has just been deleted")
                }
                try Self.copy("application WHERE id = :id", id, name, from: db, to: copy)
                try Self.copy("weights WHERE id IN (SELECT weights FROM model WHERE application = :id)", id, name, from: db, to: copy)
                for table in ApplicationBundle.tables {
                    try Self.copy("\(table.name) WHERE \(table.condition)", id, name, from: db, to: copy)
                }
                try Self.copyDecisions(of: id, last: last ?? lastDecision(of: id, in: db), from: db, to: copy)
                try Self.copy("moved WHERE application = :id", id, name, from: db, to: copy)
                try RowChecksums.keep(on: copy)
                try copy.execute(
                    sql: "INSERT OR IGNORE INTO moved (application, number, seed, shift) VALUES (?, ?, ?, 0)",
                    arguments: [id, id, Int64(bitPattern: seed)])
            }
        }
        // What the other server would refuse is not let go from here.
        var findings = Doctor.Findings()
        try bundle.read { try Doctor.examine($0, &findings) }
        guard findings.damage.isEmpty else {
            throw BundleFailure(description: "it is damaged: " + findings.damage.prefix(3).joined(separator: "; "))
        }
        return try ApplicationBundle.pack(ApplicationBundle.image(of: bundle))
    }

    private func lastDecision(of application: Int64, in db: GRDB.Database) throws -> Int64 {
        try Self.lastDecision(of: application, in: db)
    }

    /// Rows as they are, their checksums among them.
    private static func copy(
        _ source: String, _ id: Int64, _ name: String, from db: GRDB.Database, to copy: GRDB.Database
    ) throws {
        let table = source.prefix { $0 != " " }
        let rows = try Row.fetchCursor(
            db, sql: "SELECT * FROM \(source)",
            arguments: StatementArguments(["id": id, "name": name].filter { source.contains(":" + $0.key) }))
        while let row = try rows.next() { try insert(row, into: String(table), of: copy) }
    }

    private static func insert(_ row: Row, into table: String, of copy: GRDB.Database) throws {
        let columns = Array(row.columnNames)
        let statement = try copy.cachedStatement(
            sql: "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(columns.map { _ in "?" }.joined(separator: ", ")))")
        try statement.execute(arguments: StatementArguments(Array(row.databaseValues)))
    }

    /// The decisions that are not in blocks, along their chain: no index leads to them by application.
    private static func copyDecisions(
        of id: Int64, last: Int64, from db: GRDB.Database, to copy: GRDB.Database
    ) throws {
        let inBlocks = try Int64.fetchOne(
            db, sql: "SELECT max(last) FROM decisionBlock WHERE application = ?", arguments: [id]) ?? 0
        var next = last
        while next > inBlocks, let decision = try decision(of: id, upTo: next, in: db), decision.seq > inBlocks {
            // A link into what another application has there now leads nowhere.
            guard decision.application == id else { return }
            let row = try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM decision WHERE seq = ?"), arguments: [decision.seq])
            if let row { try insert(row, into: "decision", of: copy) }
            next = decision.previous
        }
    }
}

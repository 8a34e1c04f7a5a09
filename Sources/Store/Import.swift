// An application that comes in a file of its own: added row by row between the commits of decisions, all of it or nothing.
//
// The application's own row comes first and takes the name and a number; beside it stands a row of `deletion`, so that a
// process which dies in between leaves what the next start removes. The last slice takes that row away.

import Agents
import Foundation
import GRDB
import Operations
import Synchronization

extension Database {
    /// Rows and bytes of one slice.
    private static let arrivalsPerSlice = 400
    private static let arrivingBytes = 512 << 10

    public func add(
        bundle bytes: [UInt8], as name: String, numbers reserve: (Int64) -> Int64, audit entry: AuditEntry
    ) throws -> ArrivedApplication {
        let bundle = try ApplicationBundle.open(bytes)
        defer { try? bundle.close() }
        var arrival = try bundle.read { try Arrival($0, name: name) }
        if arrival.count > 0 { arrival.shift = reserve(arrival.count) - arrival.first }
        // Known before the first row is there: the deletion of others must leave these alone.
        let id = try begin(arrival, entry.time)
        arrival.application = id
        defer { state.withLock { _ = $0.arriving.remove(id) } }
        do {
            try bundle.read { source in
                try arrival.rows(of: source, by: { rows, isLast in
                    func insert(_ db: GRDB.Database) throws -> Bool? {
                        for row in rows { try row.insert(into: db) }
                        if isLast { try Self.finish(arrival, entry, in: db) }
                        return true
                    }
                    // Nothing follows the last one that it had to leave room for.
                    let done = isLast ? try write(insert) : try slice(insert)
                    guard done != nil else { throw BundleFailure(description: "the server is being stopped") }
                })
            }
        } catch {
            // What is left of it goes as the rows of a deleted application do.
            try? write { try $0.execute(sql: "DELETE FROM application WHERE id = ?", arguments: [id]) }
            state.withLock { _ = $0.arriving.remove(id) }
            scheduleDeletions()
            throw error
        }
        state.withLock { $0.mark }?.note { $0.seq = max($0.seq, arrival.first + arrival.count - 1 + arrival.shift) }
        announceEvents()
        let (application, embedding) = try pool.read { db in
            (
                try Row.fetchOne(db, sql: Self.selectApplications + " WHERE application.id = ?", arguments: [id]).map(Self.application),
                try Self.embeddings(in: db, of: id)[id]
            )
        }
        guard let application else { throw BundleFailure(description: "it has just been deleted") }
        return ArrivedApplication(application: application, control: try controls()[id] ?? StoredControl(), embedding: embedding)
    }

    /// What a file holds: the application's name, and how many decisions.
    /// - Throws: `BundleFailure` for a file that `add` would refuse.
    public static func summary(ofBundle bytes: [UInt8]) throws -> (name: String, decisions: Int) {
        let bundle = try ApplicationBundle.open(bytes)
        defer { try? bundle.close() }
        return try bundle.read { db in
            (
                try String.fetchOne(db, sql: "SELECT name FROM application") ?? "",
                try Int.fetchOne(db, sql: "SELECT (SELECT count(*) FROM decision) + (SELECT coalesce(sum(count), 0) FROM decisionBlock)") ?? 0
            )
        }
    }

    /// Takes a name and a number for what arrives.
    private func begin(_ arrival: Arrival, _ now: Double) throws -> Int64 {
        try write { db in
            guard try Int64.fetchOne(db, sql: "SELECT id FROM application WHERE name = ?", arguments: [arrival.name]) == nil else {
                throw OperationError(.conflict, "There is an application \(arrival.name) already.")
            }
            try db.execute(
                sql: "INSERT INTO application (name, profile, revision, created) VALUES (?, ?, ?, ?)",
                arguments: [arrival.name, arrival.profile, arrival.revision, arrival.created])
            let id = db.lastInsertedRowID
            state.withLock { _ = $0.arriving.insert(id) }
            try db.execute(
                sql: "INSERT INTO deletion (application, last) VALUES (?, ?)",
                arguments: [id, arrival.first + arrival.count + arrival.shift])
            return id
        }
    }

    /// From now on it is there.
    private static func finish(_ arrival: Arrival, _ entry: AuditEntry, in db: GRDB.Database) throws {
        try db.execute(
            sql: "INSERT INTO moved (application, number, seed, shift) VALUES (?, ?, ?, ?)",
            arguments: [arrival.application, arrival.origin.number, Int64(bitPattern: arrival.origin.seed), arrival.origin.shift + arrival.shift])
        try db.execute(sql: "DELETE FROM deletion WHERE application = ?", arguments: [arrival.application])
        try insert(entry, of: arrival.application, into: db)
    }

    /// Applications that were still arriving when the process died: their rows follow with those of deleted ones.
    func dropUnfinished() throws {
        try write { try $0.execute(sql: "DELETE FROM application WHERE id IN (SELECT application FROM deletion)") }
    }

    /// What a file says of the application, and how its numbers become those of this database.
    private struct Arrival {
        var name: String
        var profile: String
        var revision: Int
        var created: Double
        var origin: Origin
        /// Its number in the file, and here.
        var old: Int64
        var application: Int64 = 0
        /// The lowest number of a decision in the file, and how many there are from there to the highest.
        var first: Int64
        var count: Int64
        var shift: Int64 = 0

        init(_ db: GRDB.Database, name: String) throws {
            guard let row = try Row.fetchOne(db, sql: selectApplications) else {
                throw BundleFailure(description: "it has no application")
            }
            let stored = Database.application(row)
            guard let origin = stored.origin else { throw BundleFailure(description: "it does not say where it comes from") }
            (self.name, profile, revision, created) = (name, stored.profile, stored.revision, stored.created)
            (old, self.origin) = (stored.id, origin)
            let numbers = ["SELECT min(seq), max(seq) FROM decision"] + ApplicationBundle.tables.filter { !$0.numbers.isEmpty }
                .map { "SELECT min(\($0.numbers.first!)), max(\($0.numbers.last!)) FROM \($0.name)" }
            let bounds = try numbers.compactMap { try Row.fetchOne(db, sql: $0) }
            first = bounds.compactMap { $0[0] as Int64? }.min() ?? 1
            count = (bounds.compactMap { $0[1] as Int64? }.max() ?? 0) - first + 1
            guard first > 0, count >= 0, count < 1 << 48 else { throw BundleFailure(description: "its numbers are impossible") }
        }

        /// A number as it is here; 0 for a decision that has been forgotten.
        func number(_ old: Int64) -> Int64 { old < first ? 0 : old + shift }

        /// Every row, in slices; `isLast` with the last of them.
        func rows(of source: GRDB.Database, by give: ([Insertion], _ isLast: Bool) throws -> Void) throws {
            var slice: [Insertion] = []
            var bytes = 0
            func add(_ insertion: Insertion) throws {
                slice.append(insertion)
                bytes += insertion.bytes
                guard slice.count >= arrivalsPerSlice || bytes >= arrivingBytes else { return }
                try give(slice, false)
                slice.removeAll(keepingCapacity: true)
                bytes = 0
            }
            let decisions = try Row.fetchCursor(source, sql: "SELECT * FROM decision ORDER BY seq")
            while let row = try decisions.next() { try add(decision(row)) }
            for table in ApplicationBundle.tables {
                let order = table.key.map { " ORDER BY " + $0 } ?? ""
                let rows = try Row.fetchCursor(source, sql: "SELECT * FROM \(table.name)\(order)")
                while let row = try rows.next() { try add(insertion(row, table, source)) }
            }
            try give(slice, true)
        }

        private func decision(_ row: Row) throws -> Insertion {
            var insertion = Insertion("decision", row)
            let (seq, previous): (Int64, Int64) = (row["seq"], row["previous"])
            let record: Data = row["record"]
            insertion["seq"] = number(seq).databaseValue
            insertion["previous"] = number(previous).databaseValue
            insertion["application"] = application.databaseValue
            insertion["record"] = Data(
                try DecisionRecord.renumbered(
                    Array(record), time: row["time"], episode: row["episode"], step: row["step"], reward: row["reward"],
                    from: (seq, old, previous), to: (number(seq), application, number(previous)))
            ).databaseValue
            return insertion
        }

        private func insertion(_ row: Row, _ table: ApplicationBundle.Table, _ source: GRDB.Database) throws -> Insertion {
            var insertion = Insertion(table.name, row)
            insertion["sum"] = nil
            if let key = table.key { insertion[key] = nil }
            for column in table.numbers { insertion[column] = number(row[column]).databaseValue }
            insertion["application"] = table.name == "audit" ? name.databaseValue : application.databaseValue
            switch table.name {
            case "decisionBlock":
                insertion["bytes"] = Data(try block(try DecisionBlock.read(row)).encode()).databaseValue
            case "agentState":
                let state: Data = row["state"]
                insertion["state"] = Data(try Agent.renumbered(Array(state), number)).databaseValue
            case "model":
                insertion.weights = try Data.fetchOne(
                    source, sql: "SELECT bytes FROM weights WHERE id = ?", arguments: [row["weights"] as Int64])
                guard insertion.weights != nil else { throw BundleFailure(description: "a version has no weights") }
            default: break
            }
            return insertion
        }

        private func block(_ block: DecisionBlock) throws -> DecisionBlock {
            DecisionBlock(
                application: application, episode: block.episode,
                entries: try block.entries.map { entry in
                    var new = entry
                    (new.seq, new.previous) = (number(entry.seq), number(entry.previous))
                    new.record = try DecisionRecord.renumbered(
                        entry.record, time: entry.time, episode: block.episode, step: entry.step, reward: entry.reward,
                        from: (entry.seq, old, entry.previous), to: (new.seq, application, new.previous))
                    return new
                })
        }
    }

    /// A row to be inserted.
    private struct Insertion {
        let table: String
        private var columns: [(name: String, value: DatabaseValue)]
        /// Of a version: stored once, however many have them.
        var weights: Data?

        init(_ table: String, _ row: Row) {
            self.table = table
            columns = zip(row.columnNames, row.databaseValues).map { ($0, $1) }
        }

        subscript(name: String) -> DatabaseValue? {
            get { columns.first { $0.name == name }?.value }
            set {
                guard let index = columns.firstIndex(where: { $0.name == name }) else { return }
                if let newValue { columns[index].value = newValue } else { columns.remove(at: index) }
            }
        }

        var bytes: Int {
            columns.reduce(weights?.count ?? 0) { sum, column in
                if case .blob(let data) = column.value.storage { sum + data.count } else { sum + 16 }
            }
        }

        func insert(into db: GRDB.Database) throws {
            var row = self
            if let weights { row["weights"] = try Database.weights(weights, in: db).databaseValue }
            let names = row.columns.map(\.name)
            // Not the text of the statement that decisions are inserted with: that one is bound by hand.
            let statement = try db.cachedStatement(
                sql: "INSERT INTO main.\(table) (\(names.joined(separator: ", "))) VALUES (\(names.map { _ in "?" }.joined(separator: ", ")))")
            try statement.execute(arguments: StatementArguments(row.columns.map(\.value)))
        }
    }
}

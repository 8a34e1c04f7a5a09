// Model versions, trainer states and events: what training persists before it publishes.

import Agents
import Foundation
import GRDB
import Operations

extension Database: EpisodeStore {
    public func episodes(of application: Int64, after number: Int, limit: Int) throws -> [EpisodeSummary] {
        try pool.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: "SELECT * FROM episode WHERE application = ? AND number > ? ORDER BY number LIMIT ?"),
                arguments: [application, number, limit]
            ).map(Self.episode)
        }
    }

    public func decisions(of episode: EpisodeSummary) throws -> [Decision] {
        let found = try decisions(of: episode.application, from: episode.closing, limit: episode.steps + 1)
        return try pool.read { try Self.complete(found.reversed(), in: $0) }
    }

    public func trainerState(of application: Int64) throws -> StoredTrainer? {
        try pool.read { db in
            guard
                let row = try Row.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT trainerState.episode, trainerState.state, bytes,
                                \(RowChecksums.isSound("trainerState")) AND (bytes IS NULL OR \(RowChecksums.isSound("trainerOptimizer")))
                            FROM trainerState LEFT JOIN trainerOptimizer ON trainerOptimizer.application = trainerState.application
                            WHERE trainerState.application = ?
                            """), arguments: [application])
            else { return nil }
            guard row[3] else { throw StoredDamage(description: "its training state does not fit its checksum") }
            let state: Data = row[1]
            let optimizer: Data? = row[2]
            return StoredTrainer(episode: row[0], state: Array(state), optimizer: optimizer.map { Array($0) })
        }
    }

    public func commit(_ training: TrainingCommit) throws {
        try write { db in
            for model in training.models { try Self.insert(model, into: db) }
            try db.execute(
                sql: """
                    INSERT INTO trainerState (application, episode, state) VALUES (?, ?, ?)
                    ON CONFLICT (application) DO UPDATE SET episode = excluded.episode, state = excluded.state
                    """, arguments: [training.application, training.episode, Data(training.state)])
            if let optimizer = training.optimizer {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO trainerOptimizer (application, bytes) VALUES (?, ?)",
                    arguments: [training.application, Data(optimizer)])
            }
            for event in training.events {
                try db.execute(
                    sql: """
                        INSERT INTO event (time, application, episode, kind, origin, target, reason, figures)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        event.time, event.application, event.episode, event.kind, event.from, event.to, event.reason,
                        try Self.json(event.figures),
                    ])
            }
            if let entry = training.audit { try Self.insert(entry, of: training.application, into: db) }
        }
        if !training.events.isEmpty || training.audit != nil { announceEvents() }
    }

    /// Equal weights are stored once.
    private static func insert(_ model: ModelVersion, into db: GRDB.Database) throws {
        try db.execute(
            sql: """
                INSERT INTO model (application, version, parent, created, algorithm, episode, diagnostics, weights)
                VALUES (:application, :version, :parent, :created, :algorithm, :episode, :diagnostics, :weights)
                """,
            arguments: [
                "application": model.application, "version": model.version, "parent": model.parent,
                "created": model.created, "algorithm": model.algorithm, "episode": model.episode,
                "diagnostics": try json(model.diagnostics), "weights": weights(Data(model.weights), in: db),
            ])
    }

    /// The number of these weights, added unless they are there.
    static func weights(_ bytes: Data, in db: GRDB.Database) throws -> Int64 {
        let stored = "SELECT id FROM weights WHERE substr(bytes, -8) = substr(?1, -8) AND bytes = ?1"
        if let id = try Int64.fetchOne(db, sql: stored, arguments: [bytes]) { return id }
        // Drawn at random, a number is never used again for other weights: who knows the number need not read them.
        try db.execute(sql: "INSERT INTO weights (id, bytes) VALUES (?, ?)", arguments: [Int64.random(in: 1 << 32..<1 << 62), bytes])
        return db.lastInsertedRowID
    }

    public func model(of application: Int64, version: Int) throws -> ModelVersion? {
        try pool.read { db in
            try Row.fetchOne(
                db,
                sql: """
                    SELECT model.*, bytes FROM model JOIN weights ON weights.id = model.weights
                    WHERE application = ? AND version = ?
                    """, arguments: [application, version]
            ).map(Self.model)
        }
    }

    public func weightsNumber(of application: Int64, version: Int) throws -> Int64? {
        try pool.read { db in
            try Int64.fetchOne(
                db.cachedStatement(sql: "SELECT weights FROM model WHERE application = ? AND version = ?"), arguments: [application, version])
        }
    }

    /// Versions below `before`, newest first, without their weights.
    public func models(of application: Int64, before version: Int, limit: Int) throws -> [ModelVersion] {
        try pool.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT application, version, parent, created, algorithm, episode, diagnostics, x'' AS bytes
                    FROM model WHERE application = ? AND version < ? ORDER BY version DESC LIMIT ?
                    """, arguments: [application, version, limit]
            ).map(Self.model)
        }
    }

    /// Events of one application, oldest first.
    public func events(of application: Int64, kind: String) throws -> [Event] {
        try pool.read { db in
            try Row.fetchAll(
                db, sql: "SELECT * FROM event WHERE application = ? AND kind = ? ORDER BY id",
                arguments: [application, kind]
            ).map(Self.event)
        }
    }

    static func event(_ row: Row) throws -> Event {
        Event(
            id: row["id"], time: row["time"], application: row["application"] ?? 0, episode: row["episode"],
            kind: row["kind"], from: row["origin"], to: row["target"], reason: row["reason"],
            figures: try figures(row["figures"]))
    }

    /// Figures by name as a JSON object with sorted keys.
    private static func json(_ figures: [String: Double]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(figures.filter { $0.value.isFinite }), as: UTF8.self)
    }

    private static func figures(_ text: String) throws -> [String: Double] {
        try JSONDecoder().decode([String: Double].self, from: Data(text.utf8))
    }

    private static func model(_ row: Row) throws -> ModelVersion {
        let weights: Data = row["bytes"]
        return try ModelVersion(
            application: row["application"], version: row["version"], parent: row["parent"], created: row["created"],
            algorithm: row["algorithm"], episode: row["episode"], diagnostics: figures(row["diagnostics"]),
            weights: Array(weights))
    }
}

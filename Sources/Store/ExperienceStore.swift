// What other controllers did, and the embeddings of applications.

import Agents
import Foundation
import GRDB

extension Database {
    /// Steps of other controllers that are kept of one application; the oldest go first.
    public static let externalTransitionsMax = 20_000

    /// Stores steps of another controller, each once: one whose time is known already is left out.
    /// - Returns: how many were new.
    public func insert(_ transitions: [ExternalTransition], of application: Int64) throws -> Int {
        try write { db in
            var new = 0
            for transition in transitions {
                try db.cachedStatement(
                    sql: """
                        INSERT OR IGNORE INTO foreignTransition (application, time, controller, record)
                        VALUES (?, ?, ?, ?)
                        """
                ).execute(arguments: [
                    application, transition.time, transition.controller, Data(transition.encode()),
                ])
                new += db.changesCount
            }
            try db.execute(
                sql: """
                    DELETE FROM foreignTransition WHERE application = ?1 AND time <= (
                        SELECT time FROM foreignTransition WHERE application = ?1
                        ORDER BY time DESC LIMIT 1 OFFSET ?2)
                    """, arguments: [application, Self.externalTransitionsMax])
            return new
        }
    }

    public func externalTransitions(of application: Int64, limit: Int) throws -> [ExternalTransition] {
        try pool.read { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT time, controller, record FROM foreignTransition WHERE application = ?
                        ORDER BY time DESC LIMIT ?
                        """), arguments: [application, limit]
            ).reversed().map { row in
                let record: Data = row[2]
                return try ExternalTransition(decoding: Array(record), time: row[0], controller: row[1])
            }
        }
    }

    public func set(_ embedding: WorkloadEmbedding, of application: Int64) throws {
        let bytes = embedding.vector.withUnsafeBytes { Data($0) }
        try write { db in
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO embedding (application, encoder, episodes, episode, created, vector)
                    SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM application WHERE id = ?1)
                    """,
                arguments: [
                    application, embedding.encoder, embedding.episodes, embedding.episode, embedding.created, bytes,
                ])
        }
    }

    /// Every application's embedding.
    public func embeddings() throws -> [Int64: WorkloadEmbedding] {
        try pool.read { try Self.embeddings(in: $0) }
    }

    /// - Parameter application: only its own.
    static func embeddings(in db: GRDB.Database, of application: Int64? = nil) throws -> [Int64: WorkloadEmbedding] {
        var all: [Int64: WorkloadEmbedding] = [:]
        let sql = "SELECT * FROM embedding WHERE ?1 IS NULL OR application = ?1"
        for row in try Row.fetchAll(db, sql: sql, arguments: [application]) {
            let bytes: Data = row["vector"]
            let vector = stride(from: 0, to: bytes.count - bytes.count % 4, by: 4).map { offset in
                bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Float.self) }
            }
            all[row["application"]] = WorkloadEmbedding(
                encoder: row["encoder"], vector: vector, episodes: row["episodes"], episode: row["episode"],
                created: row["created"])
        }
        return all
    }
}

// The audit log, and the events that operators listen to.

import Agents
import Foundation
import GRDB
import Operations

extension Database {
    /// Writes an entry and the event that goes with it (`kind` control; from: the actor, to: the action).
    static func insert(_ entry: AuditEntry, of application: Int64?, into db: GRDB.Database) throws {
        try db.execute(
            sql: "INSERT INTO audit (time, actor, action, application, reason, detail) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [entry.time, entry.operatorName, entry.action, entry.application, entry.reason, entry.detail])
        try db.execute(
            sql: """
                INSERT INTO event (time, application, episode, kind, origin, target, reason, figures)
                VALUES (?, ?, NULL, 'control', ?, ?, ?, '{}')
                """, arguments: [entry.time, application, entry.operatorName, entry.action, entry.reason])
    }

    public func audit(_ filter: LogFilter) throws -> [AuditEntry] {
        try pool.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM audit WHERE id < :before AND time >= :since AND time < :until
                        AND (:application IS NULL OR application = :application) AND (:kind IS NULL OR action = :kind)
                    ORDER BY id DESC LIMIT :limit
                    """, arguments: Self.arguments(filter)
            ).map { row in
                var entry = AuditEntry(
                    time: row["time"], operatorName: row["actor"], action: row["action"], application: row["application"],
                    reason: row["reason"], detail: row["detail"])
                entry.id = row["id"]
                return entry
            }
        }
    }

    public func events(_ filter: LogFilter) throws -> [NamedEvent] {
        try pool.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT event.*, application.name AS name FROM event LEFT JOIN application ON application.id = application
                    WHERE event.id < :before AND time >= :since AND time < :until
                        AND (:application IS NULL OR name = :application) AND (:kind IS NULL OR kind = :kind)
                    ORDER BY event.id DESC LIMIT :limit
                    """, arguments: Self.arguments(filter)
            ).map(Self.namedEvent)
        }
    }

    /// Events with an id above `id`, oldest first: what a listener has missed.
    public func events(after id: Int64, limit: Int) throws -> [NamedEvent] {
        try pool.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT event.*, application.name AS name FROM event LEFT JOIN application ON application.id = application
                    WHERE event.id > ? ORDER BY event.id LIMIT ?
                    """, arguments: [id, limit]
            ).map(Self.namedEvent)
        }
    }

    public func lastEvent() throws -> Int64 {
        try pool.read { try Int64.fetchOne($0, sql: "SELECT max(id) FROM event") ?? 0 }
    }

    private static func namedEvent(_ row: Row) throws -> NamedEvent {
        NamedEvent(event: try event(row), application: row["name"])
    }

    private static func arguments(_ filter: LogFilter) -> StatementArguments {
        [
            "before": filter.before, "since": max(filter.since, -1e15), "until": min(filter.until, 1e15),
            "application": filter.application, "kind": filter.kind, "limit": filter.limit,
        ]
    }
}

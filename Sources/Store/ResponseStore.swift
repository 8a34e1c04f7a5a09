// Answers that are kept for requests with an Idempotency-Key.

import Foundation
import GRDB
import Operations

extension Database {
    /// Adds an answer and forgets those of the keys `dropped`, in one transaction.
    public func keep(_ response: StoredResponse, dropping dropped: [String]) throws {
        try write { db in
            for key in dropped { try db.execute(sql: "DELETE FROM keptAnswer WHERE key = ?", arguments: [key]) }
            try db.execute(
                sql: "INSERT OR REPLACE INTO keptAnswer (key, request, created, status, body) VALUES (?, ?, ?, ?, ?)",
                arguments: [response.key, response.request, response.created, response.status, Data(response.body)])
        }
    }

    /// The answer that was given to `key`.
    public func storedResponse(of key: String) throws -> StoredResponse? {
        try pool.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM keptAnswer WHERE key = ?", arguments: [key]).map {
                StoredResponse(
                    key: $0["key"], request: $0["request"], created: $0["created"], status: $0["status"],
                    body: Array($0["body"] as Data))
            }
        }
    }

    /// All kept answers, oldest first, without their bodies but with their sizes in bytes.
    public func storedResponses() throws -> [(response: StoredResponse, bytes: Int)] {
        try pool.read { db in
            try Row.fetchAll(
                db, sql: "SELECT key, request, created, status, length(body) AS bytes FROM keptAnswer ORDER BY id"
            ).map {
                (
                    StoredResponse(
                        key: $0["key"], request: $0["request"], created: $0["created"], status: $0["status"], body: []),
                    $0["bytes"]
                )
            }
        }
    }
}

// Answers that are kept for requests with an Idempotency-Key.

import Foundation
import GRDB

/// A row of the table `keptAnswer`.
public struct KeptAnswer: Sendable, Equatable {
    /// Who asked, and the key.
    public var key: String
    /// What tells one request from another.
    public var request: String
    /// Seconds since 1970.
    public var created: Double
    public var status: Int
    public var body: [UInt8]

    public init(key: String, request: String, created: Double, status: Int, body: [UInt8]) {
        self.key = key
        self.request = request
        self.created = created
        self.status = status
        self.body = body
    }
}

extension Database {
    /// Adds an answer and forgets those of the keys `dropped`, in one transaction.
    public func keep(_ answer: KeptAnswer, dropping dropped: [String]) throws {
        try write { db in
            for key in dropped { try db.execute(sql: "DELETE FROM keptAnswer WHERE key = ?", arguments: [key]) }
            try db.execute(
                sql: "INSERT OR REPLACE INTO keptAnswer (key, request, created, status, body) VALUES (?, ?, ?, ?, ?)",
                arguments: [answer.key, answer.request, answer.created, answer.status, Data(answer.body)])
        }
    }

    /// The answer that was given to `key`.
    public func keptAnswer(of key: String) throws -> KeptAnswer? {
        try pool.read { db in
            try Row.fetchOne(db, sql: "SELECT * FROM keptAnswer WHERE key = ?", arguments: [key]).map {
                KeptAnswer(
                    key: $0["key"], request: $0["request"], created: $0["created"], status: $0["status"],
                    body: Array($0["body"] as Data))
            }
        }
    }

    /// All kept answers, oldest first, without their bodies but with their sizes in bytes.
    public func keptAnswers() throws -> [(answer: KeptAnswer, bytes: Int)] {
        try pool.read { db in
            try Row.fetchAll(
                db, sql: "SELECT key, request, created, status, length(body) AS bytes FROM keptAnswer ORDER BY id"
            ).map {
                (
                    KeptAnswer(
                        key: $0["key"], request: $0["request"], created: $0["created"], status: $0["status"], body: []),
                    $0["bytes"]
                )
            }
        }
    }
}

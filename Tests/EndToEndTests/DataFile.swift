// Looks into the database of a server that does not run, with SQLite alone: what is on disk, whatever aware says.

import Foundation
import GRDB

struct DataFile {
    private let queue: DatabaseQueue

    init(_ folder: String) throws { queue = try DatabaseQueue(path: folder + "/aware.sqlite") }

    func integrity() async throws -> String? {
        try await queue.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") }
    }

    func counts() async throws -> (decisions: Int, episodes: Int) {
        try await queue.read { db in
            (
                try Int.fetchOne(db, sql: "SELECT count(*) FROM decision") ?? 0,
                try Int.fetchOne(db, sql: "SELECT count(*) FROM episode") ?? 0
            )
        }
    }

    /// All decisions' numbers.
    func decisions() async throws -> Set<Int64> {
        try await queue.read { try Int64.fetchSet($0, sql: "SELECT seq FROM decision") }
    }

    /// Decisions whose predecessor is missing, or belongs to another application.
    func brokenLinks() async throws -> [Int64] {
        try await queue.read { db in
            try Int64.fetchAll(
                db,
                sql: """
                    SELECT later.seq FROM decision AS later LEFT JOIN decision AS earlier ON earlier.seq = later.previous
                    WHERE later.previous > 0 AND earlier.application IS NOT later.application
                    """)
        }
    }

    /// Decisions that two others name as their predecessor, or a second first one of an application.
    func forks() async throws -> Int {
        try await queue.read { db in
            try Int.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM (SELECT 1 FROM decision GROUP BY application, previous HAVING count(*) > 1)
                    """) ?? 0
        }
    }
}

// Looks into the database of a server that does not run: what is on disk, whatever aware says.

import Foundation
import GRDB

@testable import Store

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

    /// A decision's place in its application's chain.
    struct Link {
        let application: Int64
        let previous: Int64
    }

    /// All decisions by their numbers: those with a row of their own, and those of old episodes in their blocks.
    func links() async throws -> [Int64: Link] {
        try await queue.read { db in
            var links: [Int64: Link] = [:]
            let rows = try Row.fetchCursor(db, sql: "SELECT seq, application, previous FROM decision")
            while let row = try rows.next() { links[row[0]] = Link(application: row[1], previous: row[2]) }
            let blocks = try Row.fetchCursor(db, sql: "SELECT * FROM decisionBlock")
            while let row = try blocks.next() {
                let block = try DecisionBlock.read(row)
                for entry in block.entries { links[entry.seq] = Link(application: block.application, previous: entry.previous) }
            }
            return links
        }
    }

    /// All decisions' numbers.
    func decisions() async throws -> Set<Int64> { Set(try await links().keys) }

    /// Decisions whose predecessor is missing, or belongs to another application.
    func brokenLinks() async throws -> [Int64] {
        let links = try await links()
        return links.filter { $0.value.previous > 0 && links[$0.value.previous]?.application != $0.value.application }.keys.sorted()
    }

    /// Decisions that two others name as their predecessor, or a second first one of an application.
    func forks() async throws -> Int {
        struct Place: Hashable { let application, previous: Int64 }
        let links = try await links()
        return links.count - Set(links.values.map { Place(application: $0.application, previous: $0.previous) }).count
    }
}

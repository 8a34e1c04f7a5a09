// The schema's history: every file is registered, in order, and an empty folder ends up with all of it.

import Foundation
import GRDB
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct MigrationTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../migrations").standardizedFileURL

    @Test func everyFileIsRegisteredInOrderWithItsText() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).filter {
            $0.hasSuffix(".sql")
        }.sorted()
        #expect(files == Migrations.files.map { $0.name + ".sql" })
        for file in Migrations.files {
            let text = try Data(contentsOf: Self.folder.appendingPathComponent(file.name + ".sql"))
            #expect(Array(text) == file.sql, "\(file.name) in the binary is not the file's text: build again")
        }
        for (index, name) in files.enumerated() { #expect(name.hasPrefix(String(format: "m%04d_", index + 1))) }
    }

    @Test func aNewFolderGetsAllTablesAndOpensAgain() async throws {
        try await withFolder { folder in
            for _ in 0..<2 {
                let tables = try await onThread {
                    let database = try Store.Database(folder: folder)
                    defer { try? database.shutDown() }
                    return try database.pool.read { db in
                        try String.fetchSet(db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'")
                    }
                }
                #expect(
                    tables.isSuperset(of: [
                        "application", "decision", "episode", "agentState", "model", "trainerState", "event",
                    ]))
            }
        }
    }

    @Test func aSecondDatabaseOnTheSameFolderIsRefusedUntilTheFirstIsClosed() async throws {
        try await withFolder { folder in
            try await onThread {
                let first = try Store.Database(folder: folder)
                #expect(throws: Store.Database.Failure.self) { try Store.Database(folder: folder) }
                try first.shutDown()
                try Store.Database(folder: folder).shutDown()
            }
        }
    }
}

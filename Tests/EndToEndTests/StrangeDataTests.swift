// Databases that aware cannot use: it says which file, why, and what to do, and leaves the file as it is.

import Foundation
import GRDB
import HTTPServer
import Service
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct StrangeDataTests {
    /// What a start on `folder` says that fails.
    private func refusal(on folder: String) async throws -> String {
        do {
            try await withService(on: folder) { _ in }
            return "it started"
        } catch {
            return "\(error)"
        }
    }

    private func change(_ folder: String, _ sql: String) async throws {
        let queue = try DatabaseQueue(path: folder + "/aware.sqlite")
        try await queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    private func expectHelp(_ text: String, _ folder: String, _ words: [String]) {
        #expect(text.contains(folder + "/aware.sqlite"), "\(text)")
        for word in words { #expect(text.contains(word), "\"\(word)\" is not in: \(text)") }
    }

    /// What is damaged concerns one application: the rules act for it, or nothing does when its limits are unknown.
    @Test(arguments: [
        ("UPDATE decision SET record = zeroblob(60) WHERE application = 1", 200, "the rules act"),
        ("UPDATE decision SET time = time + 5 WHERE application = 1", 200, "the rules act"),
        ("UPDATE application SET profile = '{' WHERE id = 1", 503, "nothing is decided"),
        ("UPDATE application SET name = 'shop-wob' WHERE id = 1", 200, "nothing is decided"),
    ])
    func damageOfOneApplicationIsToldAndTheOthersGoOn(_ sql: String, _ status: Int, _ words: String) async throws {
        try await withFolder { folder in
            try await withService(on: folder) { address in
                let client = try Client(address)
                for name in ["shop-web", "other"] {
                    let answer = try await client.post("/v1/applications/\(name)/decisions", #"{"replicas": 3}"#)
                    #expect(answer.status == 200)
                }
            }
            try await change(folder, sql)
            try await withService(on: folder) { address in
                let client = try Client(address)
                let other = try await client.post("/v1/applications/other/decisions", #"{"replicas": 3}"#)
                #expect(other.status == 200)
                #expect(try other.json["step"].integer == 1)
                let answer = try await client.post("/v1/applications/shop-web/decisions", #"{"replicas": 3}"#)
                #expect(answer.status == status, "\(answer.body)")
                if status == 200 { #expect(try answer.json["source"].string != "policy") }
                let events = try await client.get("/v1/audit").status
                #expect(events == 200)
            }
            let queue = try DatabaseQueue(path: folder + "/aware.sqlite")
            let reasons = try await queue.read { try String.fetchAll($0, sql: "SELECT reason FROM event WHERE kind = 'damage'") }
            #expect(reasons.count == 1 && reasons.allSatisfy { $0.contains(words) }, "\(reasons)")
        }
    }

    @Test func anotherProgramsDatabase() async throws {
        try await withFolder { folder in
            try await change(folder, "CREATE TABLE bookmark (url TEXT)")
            expectHelp(try await refusal(on: folder), folder, ["another program", "--data"])
            let queue = try DatabaseQueue(path: folder + "/aware.sqlite")
            let tables = try await queue.read { try String.fetchAll($0, sql: "SELECT name FROM sqlite_master") }
            #expect(tables == ["bookmark"], "nothing was added to it")
        }
    }

    @Test func aNewerVersionsDatabase() async throws {
        try await withFolder { folder in
            try await withService(on: folder) { _ in }
            try await change(folder, "INSERT INTO grdb_migrations VALUES ('m9999_future')")
            expectHelp(try await refusal(on: folder), folder, ["newer version"])
        }
    }

    @Test func noDatabaseAtAll() async throws {
        try await withFolder { folder in
            try Data("This is a letter to my aunt, and it is longer than a page header.".utf8).write(
                to: URL(fileURLWithPath: folder + "/aware.sqlite"))
            expectHelp(try await refusal(on: folder), folder, ["damaged", "Move it away"])
        }
    }
}

// The demo from the first step to the table, and its database served again: the same history each time.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct DemoTests {
    private static let arguments = ["demo", "--fast", "--seed", "1", "--applications", "2", "--listen", "127.0.0.1:0"]

    private static func histories(_ folder: String) async throws -> [JSON] {
        let server = try await ServerProcess.start(on: folder)
        let client = try Client(port: server.port)
        var histories: [JSON] = []
        for name in ["demo-1", "demo-2"] {
            for view in ["rewards", "episodes", "models", "decisions?limit=500"] {
                histories.append(try await client.read("/v1/applications/\(name)/\(view)"))
            }
        }
        server.program.signal(SIGTERM)
        #expect(await server.program.exit() == 0)
        return histories
    }

    @Test func servesTheSameHistoryAfterEachRestart() async throws {
        try await withFolder { folder in
            let demo = try RunningProgram("aware", Self.arguments + ["--steps", "450", "--data", folder])
            #expect(await demo.exit() == 0, "\(demo.output)")
            #expect(demo.output.contains("aware serve --data \(folder)"))
            let first = try await Self.histories(folder)
            #expect(first[0]["points"].items.count == 4 && first[1]["items"].items.count == 4)
            #expect(first[3]["items"].items.count == 450)
            #expect(try await Self.histories(folder) == first)
        }
    }

    @Test func killedInTheMiddleItLosesNothingThatWasLearnedFrom() async throws {
        try await withFolder { folder in
            let demo = try RunningProgram("aware", Self.arguments + ["--steps", "1000000", "--data", folder])
            let hasLearned = try await eventually(seconds: 60) {
                guard FileManager.default.fileExists(atPath: folder + "/aware.sqlite-wal") else { return false }
                return demo.output.contains("reward")
            }
            #expect(hasLearned, "\(demo.output)")
            demo.signal(SIGKILL)
            _ = await demo.exit()
            let file = try DataFile(folder)
            #expect(try await file.integrity() == "ok")
            #expect(try await file.brokenLinks() == [])
            let histories = try await Self.histories(folder)
            #expect(histories[0]["points"].items.count > 1 && histories[3]["items"].items.count == 500)
        }
    }
}

// A server that is told to stop while it starts: it ends in order, and nothing of its data is lost.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct StartTests {
    private static let path = "/v1/applications/shop/decisions"

    /// AWARE_TEST_STARTS asks for more rounds than a daily run has time for.
    private static let rounds = ProcessInfo.processInfo.environment["AWARE_TEST_STARTS"].flatMap { Int($0) } ?? 50

    @Test func toldToStopAtAnyMomentOfItsStartItLosesNothing() async throws {
        var random = SystemRandomNumberGenerator()
        try await withFolder { folder in
            var (answered, started, caught) = (0, 0, 0)
            /// Some decisions, so that there is something to load.
            func fill() async throws {
                let server = try await ServerProcess.start(on: folder)
                let client = try Client(port: server.port)
                for number in 0..<100 {
                    let body = #"{"replicas": 3, "cpuUtilization": 0.\#(40 + number % 40), "latencySeconds": 0.3, "requestRate": 50}"#
                    #expect(try await client.post("/v1/applications/shop-\(number % 7)/decisions", body).status == 200)
                    answered += 1
                }
                server.program.signal(SIGTERM)
                #expect(await server.program.exit() == 0)
            }
            for round in 0..<Self.rounds {
                // An empty folder first, which is made and migrated; later one with a past.
                if round == Self.rounds / 2 { try await fill() }
                if round < Self.rounds / 2 { for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] { try FileManager.default.removeItem(atPath: folder + "/" + name) } }
                let program = try RunningProgram("aware", ["serve", "--listen", "127.0.0.1:0", "--data", folder])
                // Every second one early, where a signal can come before anybody listens.
                let microseconds = Int.random(in: 0...(round % 2 == 0 ? 40_000 : 250_000), using: &random)
                try await Task.sleep(for: .microseconds(microseconds))
                program.signal(Bool.random(using: &random) ? SIGTERM : SIGINT)
                let begin = ContinuousClock.now
                let status = await program.exit()
                #expect(ContinuousClock.now - begin < .seconds(10))
                started += program.output.contains("aware serves") ? 1 : 0
                if status == 0 {
                    caught += 1
                } else {
                    // Before its first line nobody listens for signals, and nothing has been touched.
                    #expect(status == SIGTERM || status == SIGINT, "round \(round), \(microseconds) us: \(status) \(program.output)")
                    #expect(program.output.isEmpty)
                    if round < Self.rounds / 2 { #expect(!FileManager.default.fileExists(atPath: folder + "/aware.sqlite")) }
                }
                guard FileManager.default.fileExists(atPath: folder + "/aware.sqlite"), round % 5 == 4 || status != 0 else { continue }
                #expect(try await DataFile(folder).integrity() == "ok", "round \(round), \(microseconds) us")
            }
            print("starts cut short: \(Self.rounds), \(caught) ended in order, \(started) of them after they served")
            #expect(caught > Self.rounds / 4)
            let server = try await ServerProcess.start(on: folder)
            let client = try Client(port: server.port)
            var decisions = 0
            for number in 0..<7 {
                decisions += try #require(try await client.read("/v1/applications/shop-\(number)")["status"]["decisions"].integer)
            }
            #expect(decisions == answered)
            server.program.signal(SIGTERM)
            #expect(await server.program.exit() == 0)
        }
    }
}

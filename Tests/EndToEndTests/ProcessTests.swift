// What only a process can show: being killed, being told to stop, and refusing a folder that it must not touch.

import Agents
import Foundation
import Testing

/// AWARE_TEST_KILLS asks for more rounds than a daily run has time for.
private let kills = ProcessInfo.processInfo.environment["AWARE_TEST_KILLS"].flatMap { Int($0) } ?? 4

@Suite(.serialized, .timeLimit(.minutes(kills > 4 ? 60 : 5))) struct ProcessTests {
    private static let observation =
        #"{"replicas": 3, "cpuUtilization": 0.8, "memoryUtilization": 0.5, "latencySeconds": 0.3, "requestRate": 50}"#

    /// What became of the requests of one client.
    private struct Report: Sendable {
        var answered: Set<Int64> = []
        var statuses: Set<Int> = []
    }

    /// Posts decisions for a few applications, some of them pipelined, until the server is gone.
    private static func postUntilTheEnd(port: UInt16, index: Int) async -> Report {
        var report = Report()
        do {
            let client = try Client(port: port)
            var count = 0
            while true {
                let paths = (0...(index + count) % 3).map {
                    "/v1/applications/app-\((index + count + $0) % 5)/decisions"
                }
                // The server may go while it is being told something, with answers to what came before on their way.
                try? await client.send(paths.map { Client.request("POST", $0, observation) }.joined())
                for _ in paths {
                    let answer = try await client.receive()
                    report.statuses.insert(answer.status)
                    guard let id = try answer.json["id"].string, let seq = DecisionID.seq(of: id) else { continue }
                    report.answered.insert(seq)
                }
                count += 1
            }
        } catch {
            return report
        }
    }

    @Test func killedAtAnyMomentItHasEveryAnsweredDecision() async throws {
        // A new folder now and then: everything is looked at after each round.
        var left = kills
        while left > 0 {
            try await Self.killRepeatedly(min(left, 25))
            left -= 25
        }
    }

    private static func killRepeatedly(_ kills: Int) async throws {
        var random = SystemRandomNumberGenerator()
        try await withFolder { folder in
            var answered: Set<Int64> = []
            for round in 0..<kills {
                let server = try await ServerProcess.start(on: folder)
                let port = server.port
                let setup = try Client(port: port)
                for index in 0..<5 {
                    // Short episodes, so that kills also meet episode ends and training.
                    let answer = try await setup.send(
                        "PUT", "/v1/applications/app-\(index)", #"{"episodeSteps": 5, "thresholds": {"window": 2}}"#)
                    #expect(answer.status == (round == 0 ? 201 : 200))
                }
                let milliseconds = Int.random(in: 20...900, using: &random)
                let reports = await withTaskGroup(of: Report.self) { group in
                    for index in 0..<4 { group.addTask { await Self.postUntilTheEnd(port: port, index: index) } }
                    try? await Task.sleep(for: .milliseconds(milliseconds))
                    server.program.signal(SIGKILL)
                    return await group.reduce(into: [Report]()) { $0.append($1) }
                }
                _ = await server.program.exit()
                for report in reports {
                    #expect(report.statuses.isSubset(of: [200]), "\(report.statuses)")
                    #expect(answered.isDisjoint(with: report.answered), "a number was given twice")
                    answered.formUnion(report.answered)
                }
                let file = try DataFile(folder)
                #expect(try await file.integrity() == "ok")
                let stored = try await file.decisions()
                #expect(
                    answered.isSubset(of: stored),
                    "round \(round), \(milliseconds) ms: lost \(answered.subtracting(stored).count)")
                #expect(try await file.brokenLinks() == [])
                #expect(try await file.forks() == 0)
            }
            #expect(!answered.isEmpty)
            let server = try await ServerProcess.start(on: folder)
            let client = try Client(port: server.port)
            let before = try await client.read("/v1/applications/app-1/decisions?limit=1")["items"][0]
            let next = try await client.post("/v1/applications/app-1/decisions", Self.observation).json
            // It goes on where it was: the next step of the episode, or the first of the next one.
            let isNextStep =
                next["episode"] == before["episode"] && next["step"].number == before["step"].number.map { $0 + 1 }
            let isNextEpisode =
                next["episode"].number == before["episode"].number.map { $0 + 1 } && next["step"].number == 0
            #expect(isNextStep || isNextEpisode, "\(before["step"]) \(next["step"])")
            server.program.signal(SIGTERM)
            #expect(await server.program.exit() == 0)
        }
    }

    @Test func toldToStopItAnswersWhatItTookAndExitsWithZero() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let (start, port) = (ContinuousClock.now, server.port)
            let reports = await withTaskGroup(of: Report.self) { group in
                for index in 0..<4 { group.addTask { await Self.postUntilTheEnd(port: port, index: index) } }
                try? await Task.sleep(for: .milliseconds(400))
                server.program.signal(SIGTERM)
                return await group.reduce(into: [Report]()) { $0.append($1) }
            }
            #expect(await server.program.exit() == 0, "\(server.program.output)")
            #expect(ContinuousClock.now - start < .seconds(10))
            let stored = try await DataFile(folder).decisions()
            let answered = reports.reduce(into: Set<Int64>()) { $0.formUnion($1.answered) }
            #expect(!answered.isEmpty)
            // Each decision that was made has been answered, and the other way round.
            #expect(answered == stored, "stored \(stored.count), answered \(answered.count)")
        }
    }

    @Test func twoServersNeverShareAFolder() async throws {
        try await withFolder { folder in
            let first = try await ServerProcess.start(on: folder)
            let second = try RunningProgram("aware", ["serve", "--listen", "127.0.0.1:0", "--data", folder])
            #expect(await second.exit() != 0)
            #expect(second.output.contains("Another aware server uses \(folder)"), "\(second.output)")
            let client = try Client(port: first.port)
            #expect(try await client.get("/readyz").status == 200)
        }
    }

    @Test(arguments: [0, 1, 2]) func aDamagedFileIsRefusedWithAdvice(kind: Int) async throws {
        try await withFolder { folder in
            let path = folder + "/aware.sqlite"
            if kind == 0 {
                try Data("this has never been a database, whatever its name says".utf8).write(
                    to: URL(fileURLWithPath: path))
            } else {
                let server = try await ServerProcess.start(on: folder)
                let client = try Client(port: server.port)
                for _ in 0..<50 { _ = try await client.post("/v1/applications/shop-web/decisions", Self.observation) }
                server.program.signal(SIGTERM)
                #expect(await server.program.exit() == 0)
                var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                let page = 4096
                switch kind {
                case 1: bytes.replaceSubrange(page..<2 * page, with: Data(repeating: 0xA5, count: page))
                default: bytes.removeLast(bytes.count / 2)
                }
                try bytes.write(to: URL(fileURLWithPath: path))
            }
            let damaged = try RunningProgram("aware", ["serve", "--listen", "127.0.0.1:0", "--data", folder])
            #expect(await damaged.exit() != 0)
            #expect(
                damaged.output.contains("is damaged") && damaged.output.contains("restore a backup"),
                "\(damaged.output)")
        }
    }
}

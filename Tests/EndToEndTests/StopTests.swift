// How a server stops: it says so first, serves what still comes, ends at once when told twice, and restarts lose no request.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(10))) struct StopTests {
    private static let observation = #"{"replicas": 3, "cpuUtilization": 0.8, "latencySeconds": 0.3, "requestRate": 50}"#
    private static let path = "/v1/applications/shop/decisions"

    /// Waits until a new connection is told that the server is not ready.
    private static func isNotReady(_ port: UInt16) async throws -> Bool {
        try await eventually(seconds: 10) { try await Client(port: port).get("/readyz").status == 503 }
    }

    @Test func duringTheDrainDelayItIsNotReadyAndServes() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--drain-delay", "8"])
            let kept = try Client(port: server.port)
            #expect(try await kept.get("/readyz").status == 200)
            let begin = ContinuousClock.now
            server.program.signal(SIGTERM)
            #expect(try await Self.isNotReady(server.port))
            #expect(ContinuousClock.now - begin < .seconds(7), "it says so at once, not after the delay")
            // Who is connected, and who comes now, is served: balancers look only now and then.
            let last = try await kept.post(Self.path, Self.observation)
            #expect(last.status == 200 && last.headers["connection"] == "close", "and told to come back elsewhere")
            let late = try Client(port: server.port)
            #expect(try await late.post(Self.path, Self.observation).status == 200)
            #expect(await server.program.exit() == 0, "\(server.program.output)")
            #expect(ContinuousClock.now - begin >= .seconds(8))
        }
    }

    @Test(arguments: [(SIGTERM, SIGTERM), (SIGTERM, SIGINT), (SIGINT, SIGTERM)])
    func aSecondSignalEndsItAtOnce(_ first: Int32, _ second: Int32) async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--drain-delay", "60"])
            #expect(try await Client(port: server.port).post(Self.path, Self.observation).status == 200)
            server.program.signal(first)
            #expect(try await Self.isNotReady(server.port))
            let begin = ContinuousClock.now
            server.program.signal(second)
            #expect(await server.program.exit() == 130)
            #expect(ContinuousClock.now - begin < .seconds(30), "it waited for the drain")
            // What was answered is there.
            #expect(try await DataFile(folder).decisions().count == 1)
        }
    }

    /// What one client saw while servers came and went.
    private struct Report: Sendable {
        var answered = 0
        var failures: [String] = []
    }

    /// Decisions on kept connections until the task is cancelled. Between two servers nobody listens, and it tries again.
    private static func postUntilCancelled(_ port: UInt16) async -> Report {
        var report = Report()
        var connection: Client?
        var requests = 0
        while !Task.isCancelled {
            let client: Client
            if let connection {
                client = connection
            } else if let new = try? Client(port: port) {
                (client, connection, requests) = (new, new, 0)
            } else {
                continue
            }
            do {
                try await client.send(Client.request("POST", path, observation))
                let answer = try await client.receive()
                requests += 1
                report.answered += 1
                if answer.status != 200 { report.failures.append("\(answer.status) \(answer.body)") }
                if answer.headers["connection"] == "close" { connection = nil }
            } catch {
                let text = "\(error)"
                if Task.isCancelled { break }
                // ECONNREFUSED shows when the socket is first used.
                if requests > 0 || !(text.contains("send: 111") || text.contains("receive: 111") || text.contains("send: 32")) {
                    report.failures.append("request \(requests) of a connection: \(text)")
                }
                connection = nil
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
        return report
    }

    /// AWARE_TEST_RESTARTS asks for more rounds than a daily run has time for.
    @Test func restartsUnderLoadFailNoRequest() async throws {
        let rounds = ProcessInfo.processInfo.environment["AWARE_TEST_RESTARTS"].flatMap { Int($0) } ?? 5
        try await withFolder { folder in
            // Long enough for one more answer on each connection, which says that it is the last.
            var server = try await ServerProcess.start(on: folder, ["--drain-delay", "1"])
            let port = server.port
            let load = (0..<4).map { _ in Task { await Self.postUntilCancelled(port) } }
            for _ in 0..<rounds {
                try await Task.sleep(for: .milliseconds(300))
                server.program.signal(SIGTERM)
                #expect(await server.program.exit() == 0, "\(server.program.output)")
                server = try await ServerProcess.start(on: folder, ["--drain-delay", "1", "--listen", "127.0.0.1:\(port)"])
            }
            try await Task.sleep(for: .milliseconds(300))
            for task in load { task.cancel() }
            var answered = 0
            for task in load {
                let report = await task.value
                answered += report.answered
                #expect(report.failures.isEmpty, "\(report.failures.count) failed: \(report.failures.prefix(5))")
            }
            #expect(answered > rounds)
            // Each answered decision is there; the last requests were cut off by the test itself. In the file they are rows or,
            // once their episode is old, parts of a block: the server counts both.
            let application = try await Client(port: port).read(Self.path.replacing("/decisions", with: ""))
            #expect(try #require(application["status"]["decisions"].integer) >= answered)
            print("rolling restarts: \(rounds) rounds, \(answered) requests answered")
        }
    }
}

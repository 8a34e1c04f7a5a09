// The clients of deploy/clients and promtool, run against a server; where a tool is absent its test says so and is skipped.

import API
import Foundation
import Service
import Testing

@Suite(.serialized) struct RestClientTests {
    private static let clients = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("deploy/clients").path

    private static func has(_ tool: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
        }
    }

    /// Runs a program to its end without blocking a thread.
    private func run(
        _ arguments: [String], environment: [String: String] = [:], input: [UInt8] = []
    ) async throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let folder = NSTemporaryDirectory() + "aware-client-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = FileManager.default.createFile(atPath: folder + "/in", contents: Data(input))
        _ = FileManager.default.createFile(atPath: folder + "/out", contents: nil)
        process.standardInput = FileHandle(forReadingAtPath: folder + "/in")
        let output = FileHandle(forWritingAtPath: folder + "/out")
        process.standardOutput = output
        process.standardError = output
        let status = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        return (status, try String(contentsOfFile: folder + "/out", encoding: .utf8))
    }

    @Test(.enabled(if: has("python3"), "python3 is not installed")) func python() async throws {
        try await withRest { server in
            let url = "http://127.0.0.1:\(server.port)"
            let client = Self.clients + "/aware_client.py"
            let good = try await run([
                "python3", "-B", client, url, "shop", #"{"replicas": 3, "cpuUtilization": 0.95}"#,
            ])
            #expect(good.status == 0 && good.output.contains("\"application\": \"shop\""), "\(good.output)")
            let bad = try await run(["python3", "-B", client, url, "shop", #"{"cpuUtilization": "x"}"#])
            #expect(bad.status != 0 && bad.output.contains("/replicas") && bad.output.contains("/cpuUtilization"))
        }
    }

    @Test(.enabled(if: has("python3"), "python3 is not installed")) func environment() async throws {
        try await withRest { server in
            let played = try await run(
                ["python3", "-B", Self.clients + "/aware_environment.py", "http://127.0.0.1:\(server.port)", "3"])
            #expect(played.status == 0 && played.output.contains("episode 3: mean reward 0."), "\(played.output)")
            let episodes = try await server.send("GET", "/v1/applications/shop-environment/episodes")
            #expect(
                episodes.integer("/items/0/episode") == 3 && episodes.integer("/items/2/steps") == 20,
                "\(episodes.text)")
            // The other side: somebody else acts, and aware is told.
            let taught = try await run(
                [
                    "python3", "-B", Self.clients + "/aware_environment.py", "http://127.0.0.1:\(server.port)", "2",
                    "teach",
                ])
            #expect(
                taught.status == 0 && taught.output.contains("aware has 40 new steps to learn from"), "\(taught.output)"
            )
        }
    }

    /// In the form of Gymnasium, with or without it installed.
    @Test(.enabled(if: has("python3"), "python3 is not installed")) func gymnasium() async throws {
        try await withRest { server in
            let played = try await run(
                ["python3", "-B", Self.clients + "/aware_gymnasium.py", "http://127.0.0.1:\(server.port)", "2"])
            #expect(
                played.status == 0 && played.output.contains("episode 2: return") && played.output.contains("aware would have"),
                "\(played.output)")
            // Every episode reached aware as experience.
            let profile = try await server.send("GET", "/v1/applications/gymnasium")
            #expect(profile.status == 200)
        }
    }

    /// The exercise's own environment, and a learner beside the rules in it. Whether it learns is a measurement of 40,000 steps.
    @Test(.enabled(if: has("python3"), "python3 is not installed")) func exercise() async throws {
        try await withRest({ $0.followsObservedTime = true }) { server in
            let played = try await run(
                ["python3", "-B", Self.clients + "/aware_exercise.py", "http://127.0.0.1:\(server.port)", "--steps", "200"])
            #expect(played.output.contains("   200 steps: 0.") && played.output.contains("last tenth 0."), "\(played.output)")
            let episodes = try await server.send("GET", "/v1/applications/exercise/episodes")
            #expect(episodes.integer("/items/0/steps") == 100 && (episodes.number("/items/0/reward") ?? 0) > 0.5, "\(episodes.text)")
        }
    }

    @Test(.enabled(if: has("curl"), "curl is not installed")) func shell() async throws {
        try await withRest({ options in
            options.security.requiresToken = true
            options.security.tokens = [.init(name: "sh", scope: .admin, text: "a-token-for-the-shell", created: 0)]
        }) { server in
            let script = Self.clients + "/aware.sh"
            var environment = ["AWARE_URL": "http://127.0.0.1:\(server.port)"]
            let refused = try await run(["sh", script, "GET", "/v1/applications"], environment: environment)
            #expect(refused.status == 1 && refused.output.contains("401"), "\(refused.output)")
            environment["AWARE_TOKEN"] = "a-token-for-the-shell"
            let decided = try await run(
                ["sh", script, "POST", "/v1/applications/shop/decisions", #"{"replicas": 3}"#], environment: environment
            )
            #expect(decided.status == 0 && decided.output.contains("\"desired\""), "\(decided.output)")
            let killed = try await run(["sh", script, "PUT", "/v1/killswitch", #"{"reason": "drill"}"#], environment: environment)
            #expect(killed.status == 0 && killed.output.contains("\"on\":true"), "\(killed.output)")
        }
    }

    @Test(.enabled(if: has("promtool"), "promtool is not installed")) func metricsPassPromtool() async throws {
        try await withRest { server in
            try await server.send("POST", "/v1/applications/shop/decisions", observation())
            let metrics = try await server.send("GET", "/metrics")
            let checked = try await run(["promtool", "check", "metrics"], input: metrics.body)
            #expect(checked.status == 0 && checked.output.isEmpty, "\(checked.output)")
        }
    }
}

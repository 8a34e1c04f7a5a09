// `aware-bench scale`: what a server needs as the applications grow by powers of ten.

import ArgumentParser
import Foundation

struct ScaleBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Memory, start, throughput, times, file and training lag of a server with 100 to 100,000 applications.",
        discussion: """
            Each server begins with an empty folder. Every application is made by its first decision; then the server is
            stopped and started again, in the middle of everybody's episode; then it is loaded as fast as it goes, and at a
            constant rate. Server on one core, load on another.
            """)

    @Option(name: .customLong("applications"), parsing: .upToNextOption, help: "Numbers of applications.")
    var sizes = [100, 1000, 10_000, 100_000]

    @Option(help: "Seconds of each load.")
    var seconds = 10

    @Option(help: "Requests a second of the constant rate.")
    var rate = 10_000

    @Option(help: "Connections.")
    var connections = 64

    @Option(help: "Core of the server.")
    var serverCore = 0

    @Option(help: "Core of the load.")
    var loadCore = 1

    @Option(help: "The aware binary; by default the one beside this program.")
    var aware: String?

    func run() async throws {
        let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let binary = aware ?? beside.appendingPathComponent("aware").path
        // All threads there are, and so those to come.
        _ = try await Program.run(["taskset", "-a", "-cp", "\(loadCore)", "\(getpid())"], seconds: 5)
        print(
            Self.row(
                "applications", "made/s", "MiB", "start s", "decisions/s", "p50 ms", "p99 ms", "p99.9 ms", "file MiB", "B/decision",
                "waiting"))
        for size in sizes { print(try await measure(size, binary)) }
        print("\ndecisions/s as fast as it goes; times at \(rate)/s; waiting: applications whose training is due at the end")
    }

    private func measure(_ size: Int, _ binary: String) async throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-scale-\(getpid())-\(size)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let messages = DecisionLoad(applications: size, isDryRun: false).messages
        var (server, url, _) = try await start(binary, folder)
        do {
            var generator = RequestGenerator(url: url, connections: connections, messages: messages)
            let made = try generator.run(rate: .max, count: size, seconds: 600)
            guard made.errors == 0 else { throw BenchError("\(made.errors) of \(size) applications were not made") }
            try await server.stop()
            let again = try await start(binary, folder)
            (server, url) = (again.server, again.url)
            generator = RequestGenerator(url: url, connections: connections, messages: messages)
            let fast = try generator.run(rate: .max, count: .max, seconds: seconds)
            let steady = try generator.run(rate: rate, count: rate * seconds, seconds: seconds + 5)
            let memory = Program.residentKiB(server.id) ?? 0
            let waiting = try await metric("aware_training_backlog", of: url)
            try await server.stop()
            let file = folder.appendingPathComponent("aware.sqlite").path
            let bytes = (try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0
            let decisions = made.times.count + fast.times.count + steady.times.count
            return Self.row(
                "\(size)", "\(Int(made.perSecond))", "\(memory / 1024)", String(format: "%.2f", again.seconds),
                "\(Int(fast.perSecond))", String(format: "%.2f", steady.milliseconds(0.5)),
                String(format: "%.2f", steady.milliseconds(0.99)), String(format: "%.2f", steady.milliseconds(0.999)),
                "\(bytes >> 20)", "\(bytes / max(1, decisions))", waiting)
        } catch {
            try? await server.stop()
            throw error
        }
    }

    /// A server that is ready, its address, and how long that took.
    private func start(_ binary: String, _ folder: URL) async throws -> (server: Program, url: String, seconds: Double) {
        let begun = ContinuousClock.now
        let server = try Program(
            [binary, "serve", "--listen", "127.0.0.1:0", "--data", folder.path, "--loops", "1"], core: serverCore)
        let address = try await server.printedURL()
        while try await Program.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", address + "readyz"], seconds: 5) != "200" {
            guard ContinuousClock.now - begun < .seconds(120) else { throw BenchError("the server is not ready") }
            try await Task.sleep(for: .milliseconds(20))
        }
        return (server, address, (ContinuousClock.now - begun) / .seconds(1))
    }

    private func metric(_ name: String, of url: String) async throws -> String {
        // A server that has just been loaded may turn a read away.
        for _ in 0..<20 {
            let text = try await Program.run(["curl", "-s", url + "metrics"], seconds: 30)
            if let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") }) {
                return String(line.dropFirst(name.count + 1))
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        return "-"
    }

    private static func row(_ cells: String...) -> String {
        cells.map { String(repeating: " ", count: max(0, 13 - $0.count)) + $0 }.joined()
    }
}

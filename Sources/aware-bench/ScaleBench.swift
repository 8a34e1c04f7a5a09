// `aware-bench scale`: what a server needs as the applications grow by powers of ten.

import ArgumentParser
import BasePolicy
import Experiments
import Foundation

struct ScaleBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Memory, start, throughput, times, file and training lag of a server with 100 to 100,000 applications.",
        discussion: """
            Each server begins with an empty folder. Every application is made by its first decision (with --policies, it is
            given the shipped policy before, which acts from then on); then the server is stopped and started again, in the
            middle of everybody's episode; then it is loaded as fast as it goes, and at a constant rate. Server on one core,
            load on another.
            """)

    @Option(name: .customLong("applications"), parsing: .upToNextOption, help: "Numbers of applications.")
    var sizes = [100, 1000, 10_000, 100_000]

    @Flag(help: "Measure each size a second time, with a policy that acts for every application.")
    var policies = false

    @Option(help: "An SVG file: how memory, file, start and p99 grow.")
    var plot: String?

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
                "applications", "act", "made/s", "MiB", "start s", "decisions/s", "p50 ms", "p99 ms", "p99.9 ms", "file MiB", "B/decision",
                "waiting"))
        var measured: [Measured] = []
        for hasPolicies in policies ? [false, true] : [false] {
            for size in sizes {
                measured.append(try await measure(size, binary, hasPolicies: hasPolicies))
                print(measured[measured.count - 1].row)
            }
        }
        if let plot { try Data(Self.plot(measured).svg.utf8).write(to: URL(fileURLWithPath: plot)) }
        print("\ndecisions/s as fast as it goes; times at \(rate)/s; waiting: applications whose training is due at the end")
    }

    /// One row of the table, and what of it is drawn.
    private struct Measured {
        var size: Int
        var actor: String
        var row: String
        var figures: [(name: String, value: Double)]
    }

    /// Logarithms on both axes: what grows in proportion rises by one for each power of ten.
    private static func plot(_ measured: [Measured]) -> Plot {
        let lines = Dictionary(grouping: measured, by: \.actor).sorted { $0.key > $1.key }.flatMap { actor, rows in
            rows[0].figures.indices.map { index in
                Plot.Line(
                    name: "\(rows[0].figures[index].name), \(actor)",
                    points: rows.map { (log10(Double($0.size)), log10($0.figures[index].value)) })
            }
        }
        return Plot(
            title: "A server as its applications grow", xLabel: "applications, as a power of ten", yLabel: "as a power of ten", lines: lines)
    }

    /// Gives every application the shipped policy, which acts from its first decision on.
    private func givePolicies(_ size: Int, _ url: String) throws {
        let weights = BasePolicy.bytes
        for first in stride(from: 1, through: size, by: 500) {
            let messages = (first..<min(first + 500, size + 1)).flatMap { index in
                [
                    RequestGenerator.message("PUT", "demo-\(index)", Array("{}".utf8)),
                    RequestGenerator.message("PUT", "demo-\(index)/models/1/weights", weights, type: "application/octet-stream"),
                    RequestGenerator.message("POST", "demo-\(index)/models/1/promote", Array(#"{"reason":"scale"}"#.utf8)),
                ]
            }
            // One connection: each is answered before the next is sent.
            let result = try RequestGenerator(url: url, connections: 1, messages: messages).run(
                rate: .max, count: messages.count, seconds: 300)
            guard result.errors == 0 else { throw BenchError("\(result.errors) policies were not taken") }
        }
    }

    private func measure(_ size: Int, _ binary: String, hasPolicies: Bool) async throws -> Measured {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-scale-\(getpid())-\(size)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let messages = DecisionLoad(applications: size, isDryRun: false).messages
        var (server, url, _) = try await start(binary, folder)
        do {
            if hasPolicies { try givePolicies(size, url) }
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
            let row = Self.row(
                "\(size)", hasPolicies ? "policies" : "rules", "\(Int(made.perSecond))", "\(memory / 1024)", String(format: "%.2f", again.seconds),
                "\(Int(fast.perSecond))", String(format: "%.2f", steady.milliseconds(0.5)),
                String(format: "%.2f", steady.milliseconds(0.99)), String(format: "%.2f", steady.milliseconds(0.999)),
                "\(bytes >> 20)", "\(bytes / max(1, decisions))", waiting)
            return Measured(
                size: size, actor: hasPolicies ? "policies" : "rules", row: row,
                figures: [
                    ("memory, MiB", Double(memory) / 1024), ("file, MiB", Double(bytes) / 1_048_576), ("start, s", again.seconds),
                    ("p99, ms", steady.milliseconds(0.99)),
                ])
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

// `aware-bench http`: the server and its peers under the same load, side by side, alternating, in one table.

import ArgumentParser
import Foundation

struct HTTPBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "http",
        abstract: "Requests per second, CPU and times of nginx, h2o, redis, aware, and FastAPI with PyTorch, on one core each.",
        discussion: """
            Needs nginx, wrk, curl and taskset, for the counts strace, and as peers, where they are there, h2o, redis-server
            with redis-benchmark, and a Python with fastapi, uvicorn, uvloop, httptools and torch. aware serves a database
            that `aware demo` has trained first. The server runs on one core, its load on another; the peers take turns, and
            the medians of the rounds are shown. Compare ratios: absolute figures depend on the machine and its neighbours.
            """)

    @Option(help: "Seconds of each measurement.")
    var seconds = 5

    @Option(help: "Rounds; each measures every peer once.")
    var rounds = 3

    @Option(help: "Connections.")
    var connections = 64

    @Option(help: "Applications that the decisions are spread over.")
    var applications = 20

    @Option(help: "Requests a second of the open loop: they leave when they are due; 0 leaves it out.")
    var rate = 15_000

    @Option(help: "Core of the servers.")
    var serverCore = 0

    @Option(help: "Core of wrk.")
    var loadCore = 1

    @Option(help: "The aware binary; by default the one beside this program. Without it, decisions are left out.")
    var aware: String?

    @Option(help: "Python for the FastAPI peer. Without it, that peer is left out.")
    var python: String?

    @Option(help: "The FastAPI application: a Python file that defines `app`.")
    var fastapi = "../shared/bench/fastapi_baseline.py"

    @Option(help: "Requests over which the memory of the fixed-body server must not grow; 0 leaves the counts out.")
    var growthRequests = 1_000_000

    @Option(help: "Idle connections beside which the fixed-body server is measured again; 0 leaves this out.")
    var idle = 10_000

    func run() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-bench-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var peers: [Peer] = []
        do {
            peers = try await start(HTTPPeers(folder: folder, core: serverCore, applications: applications))
            try await measure(peers)
            if rate > 0 { try await measureOpen(peers) }
            if growthRequests > 0 { try await count(peers) }
            if idle > 0 { try await measureIdle(peers) }
        } catch {
            for peer in peers { try? await peer.program.stop() }
            throw error
        }
        for peer in peers { try await peer.program.stop() }
    }

    /// Starts every peer that is available and says which are not.
    private func start(_ source: HTTPPeers) async throws -> [Peer] {
        var peers: [Peer] = []
        do {
            peers.append(try await source.nginx())
            peers.append(try await source.fixed())
            let beside = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            let binary = aware ?? beside.appendingPathComponent("aware").path
            for (program, start) in [("h2o", source.h2o), ("redis-server", source.redis)] {
                if try await Program.run(["which", program], seconds: 5).isEmpty {
                    note("left out: \(program), which is not installed")
                } else {
                    peers.append(try await start())
                }
            }
            if FileManager.default.isExecutableFile(atPath: binary) {
                let trained = try await source.trained(binary)
                peers.append(try await source.aware(binary, on: trained, dryRun: true))
                peers.append(try await source.aware(binary, on: trained, dryRun: false))
            } else {
                note("left out: decisions, there is no \(binary)")
            }
            if let python {
                peers.append(try await source.fastAPI(python, fastapi))
            } else {
                note("left out: FastAPI + PyTorch, see --python")
            }
        } catch {
            for peer in peers { try? await peer.program.stop() }
            throw error
        }
        return peers
    }

    private struct Measured {
        var requestsPerSecond = 0.0
        /// Microseconds.
        var cpuPerRequest = 0.0
        var p99Milliseconds = 0.0
        var errors = 0
    }

    private func measure(_ peers: [Peer]) async throws {
        var results = [[Measured]](repeating: [], count: peers.count)
        for round in 1...max(1, rounds) {
            for (i, peer) in peers.enumerated() {
                let before = Program.cpuSeconds(peer.program.id) ?? 0
                var result = Measured()
                var requests = 0
                if let port = peer.redisPort {
                    (requests, result.requestsPerSecond) = try await redisLoad(port)
                } else {
                    let run = try await load(peer, seconds)
                    requests = run.requests
                    result.requestsPerSecond = run.requestsPerSecond
                    result.p99Milliseconds = run.p99Milliseconds
                    result.errors = run.errors
                }
                result.cpuPerRequest = ((Program.cpuSeconds(peer.program.id) ?? 0) - before) * 1e6 / Double(max(1, requests))
                note("round \(round): \(peer.name): \(Int(result.requestsPerSecond))/s")
                results[i].append(result)
            }
        }
        let reference = median(results[0].map(\.requestsPerSecond))
        let referenceCPU = median(results[0].map(\.cpuPerRequest))
        print("\(connections) connections, one core, median of \(rounds) rounds of \(seconds) s\n")
        print(row("server", "requests/s", "of nginx", "CPU us/req", "of nginx", "p99 ms", "errors"))
        for (peer, runs) in zip(peers, results) {
            let (rate, cpu) = (median(runs.map(\.requestsPerSecond)), median(runs.map(\.cpuPerRequest)))
            print(
                row(
                    peer.name, "\(Int(rate))", format(rate / reference, 3), format(cpu, 1), format(cpu / referenceCPU, 2),
                    peer.redisPort == nil ? format(median(runs.map(\.p99Milliseconds)), 2) : "-",
                    "\(runs.map(\.errors).reduce(0, +))"))
        }
        func ratio(_ text: String, to name: String, _ value: (Measured) -> Double) {
            guard let other = peers.firstIndex(where: { $0.name.hasPrefix(name) }),
                let committed = peers.firstIndex(where: { $0.name.contains("committed") })
            else { return }
            let found = median(results[committed].map(value)) / median(results[other].map(value))
            print("a committed decision against \(text): \(format(found, 2)) x")
        }
        print("")
        ratio("a SET of redis, in CPU", to: "redis", { $0.cpuPerRequest })
        ratio("FastAPI + PyTorch, which stores nothing, in requests/s", to: "FastAPI", { $0.requestsPerSecond })
    }

    /// Decisions at a constant rate, while the server trains beside them as it does.
    private func measureOpen(_ peers: [Peer]) async throws {
        print("\nopen loop, \(rate)/s, \(connections) connections, times from when a request was due")
        for _ in 1...max(1, rounds) {
            for peer in peers where peer.name.hasPrefix("aware") && peer.script != nil {
                let text = try await Program.run(
                    [
                        try HTTPPeers.ownPath(), "open", peer.url, "--rate", "\(rate)", "--connections", "\(connections)",
                        "--seconds", "\(seconds)", "--applications", "\(applications)",
                    ] + (peer.name.contains("dry") ? ["--dry-run"] : []), core: loadCore, seconds: Double(seconds) + 30)
                print("\(peer.name): \(text.trimmingCharacters(in: .whitespacesAndNewlines))")
            }
        }
    }

    /// SETs of values as large as a stored decision.
    private func redisLoad(_ port: Int) async throws -> (requests: Int, perSecond: Double) {
        let count = 100_000 * seconds
        let text = try await Program.run(
            [
                "redis-benchmark", "-p", "\(port)", "-t", "set", "-c", "\(connections)", "-n", "\(count)", "-d", "430", "-r", "1000",
                "--csv",
            ], core: loadCore, seconds: Double(seconds) * 10 + 20)
        let line = text.split(separator: "\n").last { $0.hasPrefix("\"SET\"") }
        guard let fields = line?.split(separator: ","), fields.count > 1, let rate = Double(fields[1].filter { $0 != "\"" })
        else { throw BenchError("redis-benchmark measured nothing:\n\(text)") }
        return (count, rate)
    }

    /// The fixed body with and without many idle connections, alternating, so that drift meets both alike.
    private func measureIdle(_ peers: [Peer]) async throws {
        guard let peer = peers.first(where: { $0.name.contains("fixed") }) else { return }
        var (without, with): ([Double], [Double]) = ([], [])
        var growth = 0
        for _ in 1...max(1, rounds) {
            without.append(try await load(peer, seconds).requestsPerSecond)
            let before = Program.residentKiB(peer.program.id) ?? 0
            let clients = try Program([try HTTPPeers.ownPath(), "idle", peer.url, "\(idle)"], core: loadCore)
            guard try await clients.wait(seconds: 60, until: { $0.contains(IdleConnections.greeting) }) else {
                throw BenchError("no \(idle) idle connections: \(clients.text)")
            }
            try await Task.sleep(for: .milliseconds(500))
            growth = max(growth, (Program.residentKiB(peer.program.id) ?? 0) - before)
            with.append(try await load(peer, seconds).requestsPerSecond)
            try await clients.stop()
            try await Task.sleep(for: .milliseconds(500))
        }
        print(
            "\n\(idle) idle connections: \(growth) KiB, and an active server at "
                + "\(format(median(with) / median(without), 3)) of its rate without them "
                + "(\(Int(median(with))) and \(Int(median(without))) requests/s, medians of \(rounds) rounds)")
    }

    private func load(_ peer: Peer, _ seconds: Int) async throws -> Wrk {
        try await Wrk.run(
            peer.url, seconds: seconds, connections: connections, core: loadCore, script: peer.script)
    }

    /// System calls a request, and memory before and after many requests, of our own servers.
    private func count(_ peers: [Peer]) async throws {
        print("\n" + row("server", "calls/request", "requests", "KiB before", "KiB after"))
        for peer in peers where peer.name.hasPrefix("aware") {
            let calls = try await systemCalls(peer)
            let before = Program.residentKiB(peer.program.id)
            var requests = 0
            // Committed decisions grow the store by design; a second of them is enough to see nothing leaks per request.
            let wanted = peer.name.contains("fixed") ? growthRequests : 1
            while requests < wanted { requests += try await load(peer, seconds).requests }
            let after = Program.residentKiB(peer.program.id)
            print(
                row(
                    peer.name, calls.map { format($0, 2) } ?? "no strace", "\(requests)",
                    before.map(String.init) ?? "-", after.map(String.init) ?? "-"))
        }
    }

    /// System calls of all threads of a server per request, or nil where strace is not allowed.
    private func systemCalls(_ peer: Peer) async throws -> Double? {
        let strace = try Program(["strace", "-c", "-f", "-p", "\(peer.program.id)"])
        guard try await strace.wait(seconds: 10, until: { $0.contains("attached") }) else {
            try await strace.stop()
            note("no system calls counted: \(strace.text)")
            return nil
        }
        let requests = try await load(peer, 3).requests
        // strace prints its table when it is told to end.
        try await strace.stop()
        _ = try await strace.wait(seconds: 5) { $0.contains("total") }
        let total = strace.text.split(separator: "\n").last { $0.hasSuffix("total") }
        let calls = total?.split(separator: " ").dropFirst(3).first.flatMap { Double($0) }
        return calls.map { $0 / Double(requests) }
    }

    // MARK: Text

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }

    private func format(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    private func row(_ cells: String...) -> String {
        cells.enumerated().map { i, cell in
            let space = String(repeating: " ", count: max(0, (i == 0 ? 26 : 14) - cell.count))
            return i == 0 ? cell + space : space + cell
        }.joined()
    }

    private func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}

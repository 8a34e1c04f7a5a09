// Other programs as parts of a benchmark: started on a given core, their output read, ended by their process id.

import Foundation
import Synchronization

/// A running program. Ended by `stop`.
final class Program: Sendable {
    private struct Output {
        var text = ""
        var isEnded = false
    }

    private let process: Process
    private let output = Mutex(Output())

    var id: Int32 { process.processIdentifier }
    var text: String { output.withLock { $0.text } }
    private var isEnded: Bool { output.withLock { $0.isEnded } }

    /// Starts `command` (found through PATH), pinned to `core` if one is given.
    init(_ command: [String], core: Int? = nil, environment: [String: String] = [:]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = (core.map { ["taskset", "-c", "\($0)"] } ?? []) + command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        self.process = process
        pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            self?.output.withLock { output in
                output.text += String(decoding: data, as: UTF8.self)
                if data.isEmpty { output.isEnded = true }
            }
        }
        // Children inherit the signal mask, and the threads of Swift's pools block the signals that end programs.
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    /// Waits until the output satisfies `condition`, or the program has ended, or `seconds` have passed.
    func wait(seconds: Double, until condition: (String) -> Bool) async throws -> Bool {
        let limit = ContinuousClock.now + .seconds(seconds)
        while !condition(text) {
            guard !isEnded, ContinuousClock.now < limit else { return condition(text) }
            try await Task.sleep(for: .milliseconds(20))
        }
        return true
    }

    /// Waits for the line with a server's URL; without one the program is ended.
    func printedURL() async throws -> String {
        func url(_ text: String) -> Substring? {
            guard let start = text.firstRange(of: "http://")?.lowerBound else { return nil }
            let rest = text[start...]
            return rest.firstIndex { $0 == "\n" || $0 == " " }.map { rest[..<$0] }
        }
        guard try await wait(seconds: 120, until: { url($0) != nil }), let found = url(text) else {
            try await stop()
            throw BenchError("no URL was printed:\n\(text)")
        }
        return found.hasSuffix("/") ? String(found) : found + "/"
    }

    func stop() async throws {
        guard process.isRunning else { return }
        process.terminate()
        let limit = ContinuousClock.now + .seconds(12)
        while process.isRunning, ContinuousClock.now < limit { try await Task.sleep(for: .milliseconds(20)) }
        if process.isRunning { kill(id, SIGKILL) }
    }

    /// Runs `command` to its end, for at most `seconds`, and returns its output.
    static func run(
        _ command: [String], core: Int? = nil, environment: [String: String] = [:], seconds: Double = 120
    ) async throws -> String {
        let program = try Program(command, core: core, environment: environment)
        _ = try await program.wait(seconds: seconds) { _ in false }
        try await program.stop()
        return program.text
    }

    /// Seconds of CPU that a process has taken, or nil where /proc does not say.
    static func cpuSeconds(_ id: Int32) -> Double? {
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            // Its name, in brackets, may have spaces.
            let rest = stat.split(separator: ")").last?.split(separator: " "), rest.count > 12,
            let user = Double(rest[11]), let system = Double(rest[12])
        else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Resident memory of a process in KiB, or nil where /proc does not say.
    static func residentKiB(_ id: Int32) -> Int? {
        guard let status = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8) else { return nil }
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) }
    }
}

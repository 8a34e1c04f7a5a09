// The built `aware` program as a process of its own, for what only a process can do: be killed, be told to stop.

import Foundation

/// Where the build put the programs: beside the test bundle.
private let programs =
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    .map { ($0 as NSString).deletingLastPathComponent } ?? "."

/// A program that runs, with its output in files. Killed when it is dropped.
final class RunningProgram {
    private let process = Process()
    private let outputPath: String
    private let ended: AsyncStream<Int32>

    var pid: Int32 { process.processIdentifier }
    var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }

    /// - Parameter program: a path, or a name beside the tests.
    init(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: program.hasPrefix("/") ? program : "\(programs)/\(program)")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("AWARE_") }
            .merging(environment) { $1 }
        outputPath =
            FileManager.default.temporaryDirectory.appendingPathComponent("aware-out-\(UUID().uuidString)").path
        _ = FileManager.default.createFile(atPath: outputPath, contents: nil)
        let file = FileHandle(forWritingAtPath: outputPath)
        process.standardOutput = file
        process.standardError = file
        let (stream, continuation) = AsyncStream.makeStream(of: Int32.self)
        ended = stream
        process.terminationHandler = { process in
            continuation.yield(process.terminationStatus)
            continuation.finish()
        }
        // Children inherit the signal mask, and the threads of Swift's pools block the signals that end programs.
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(atPath: outputPath)
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// The exit status (or the signal's number).
    func exit() async -> Int32 {
        for await status in ended { return status }
        return -1
    }
}

/// `aware serve` on a free port.
struct ServerProcess {
    let program: RunningProgram
    let port: UInt16

    /// - Parameters:
    ///   - more: further arguments.
    ///   - descriptors: how many files and connections it may have open.
    static func start(on folder: String, _ more: [String] = [], descriptors: Int? = nil) async throws -> ServerProcess {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", folder, "--loops", "1"] + more
        let program =
            if let descriptors {
                try RunningProgram("/bin/sh", ["-c", "ulimit -n \(descriptors) && exec \"$0\" \"$@\"", "\(programs)/aware"] + arguments)
            } else {
                try RunningProgram("aware", arguments)
            }
        var port: UInt16?
        _ = try await eventually(seconds: 20) {
            port = program.output.firstMatch(of: /aware serves http:\/\/127\.0\.0\.1:(\d+)\//).flatMap { UInt16($0.1) }
            return port != nil
        }
        guard let port else { throw ConnectionFailure(description: "aware serve did not start: \(program.output)") }
        return ServerProcess(program: program, port: port)
    }
}

extension RunningProgram {
    /// CPU time of all its threads so far, in seconds.
    var cpuSeconds: Double {
        var (clock, time) = (clockid_t(), timespec())
        guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// What it has in memory, and the most it has had since `forgetPeak`; MiB.
    var memory: (now: Double, peak: Double) {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        func value(_ name: String) -> Double {
            let line = text.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
            return (line.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
        }
        return (value("VmRSS:"), value("VmHWM:"))
    }

    func forgetPeak() { try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/\(pid)/clear_refs")) }
}

// Holds the system calls of a request as a count, under a real load.

import Foundation
import Testing

@Suite(.serialized) struct SystemCallTests {
    /// recv, send, and a share of epoll_wait: the sum over all threads while wrk asks on 64 connections.
    @Test func aRequestTakesAtMostThreeSystemCalls() async throws {
        guard let strace = path(of: "strace"), let wrk = path(of: "wrk") else {
            print("skipped: system calls are counted with strace and wrk, and one of them is not installed")
            return
        }
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let trace = try RunningProgram(strace, ["-c", "-f", "-p", "\(server.program.pid)"])
            guard try await eventually({ trace.output.contains("attached") }) else {
                print("skipped: strace may not attach here: \(trace.output)")
                return
            }
            let load = try RunningProgram(wrk, ["-t1", "-c64", "-d2s", "http://127.0.0.1:\(server.port)/livez"])
            #expect(await load.exit() == 0)
            trace.signal(SIGINT)
            _ = await trace.exit()
            let requests = try #require(load.output.firstMatch(of: /(\d+) requests in/).flatMap { Double($0.1) })
            let calls = try #require(trace.output.firstMatch(of: /(\d+)\s+(?:\d+\s+)?total/).flatMap { Double($0.1) })
            // Starting and ending, 64 times accept and close among them, is in the count, too.
            #expect(calls / requests <= 3, "\(calls) system calls for \(requests) requests")
            server.program.signal(SIGTERM)
            #expect(await server.program.exit() == 0)
        }
    }

    private func path(of name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}

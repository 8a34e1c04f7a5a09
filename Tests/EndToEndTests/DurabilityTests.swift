// `--durability full` as the kernel sees it: every answer has its fsync before it.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct FullDurabilityTests {
    private static let observation =
        #"{"replicas": 3, "cpuUtilization": 0.8, "memoryUtilization": 0.5, "latencySeconds": 0.3, "requestRate": 50}"#

    /// fsyncs of a server during `count` decisions, one after the other. `nil` where they cannot be counted.
    private static func syncs(_ durability: String, decisions count: Int) async throws -> Int? {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/strace") else { return nil }
        return try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--durability", durability])
            #expect(server.program.output.contains("durability \(durability)"))
            let client = try Client(port: server.port)
            _ = try await client.post("/v1/applications/shop-web/decisions", observation)
            let trace = try RunningProgram(
                "/usr/bin/strace", ["-f", "-e", "trace=fsync,fdatasync", "-p", "\(server.program.pid)"])
            guard try await eventually({ trace.output.contains("attached") }) else { return nil }
            for _ in 0..<count {
                let answer = try await client.post("/v1/applications/shop-web/decisions", observation)
                try #require(answer.status == 200)
            }
            trace.signal(SIGINT)
            _ = await trace.exit()
            return trace.output.matches(of: /f(data)?sync\(/).count
        }
    }

    @Test func fullSyncsBeforeEveryAnswerAndNormalDoesNot() async throws {
        guard let full = try await Self.syncs("full", decisions: 50), let normal = try await Self.syncs("normal", decisions: 50)
        else {
            print("skipped: fsyncs are counted with strace, which is not installed or may not attach here")
            return
        }
        #expect(full >= 50, "\(full) fsyncs for 50 answers")
        #expect(normal < 10, "\(normal) fsyncs for 50 answers")
    }
}

// A disk that is full: nothing is answered that is not stored, nothing is half done, and all is well when there is room.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct FullDiskTests {
    private static let path = "/v1/applications/shop-web"
    private static let observation =
        #"{"replicas": 3, "cpuUtilization": 0.8, "memoryUtilization": 0.5, "latencySeconds": 0.3, "requestRate": 50}"#

    /// Limits the size of the files that `program` may write: the kernel refuses what is beyond, as a full disk does.
    private static func limitFiles(of program: RunningProgram, to bytes: String) async throws {
        let limit = try RunningProgram("/usr/bin/prlimit", ["--pid", "\(program.pid)", "--fsize=\(bytes):unlimited"])
        try #require(await limit.exit() == 0, "\(limit.output)")
    }

    @Test func isRefusedAsALackOfServiceAndOvercome() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let client = try Client(port: server.port)
            var answered: [JSON] = []
            for _ in 0..<20 {
                let answer = try await client.post(Self.path + "/decisions", Self.observation)
                try #require(answer.status == 200)
                answered.append(try answer.json)
            }

            try await Self.limitFiles(of: server.program, to: "4096")
            for _ in 0..<6 {
                let answer = try await client.post(Self.path + "/decisions", Self.observation)
                #expect(answer.status == 503, "\(answer.body)")
                #expect(answer.headers["content-type"] == "application/problem+json")
                #expect(answer.headers["retry-after"] == "1")
                #expect(try answer.json["advice"]["replicas"].integer == 4, "\(answer.body)")
                #expect(try answer.json["advice"]["source"].string == "rules")
            }
            #expect(try await client.get("/readyz").status == 503)
            #expect(try await client.get("/livez").status == 200)
            // The kill switch turns on whatever the disk does, and is written when there is room.
            let killed = try await client.send("PUT", "/v1/killswitch", #"{"reason": "the disk is full"}"#)
            #expect(killed.status == 200, "\(killed.body)")
            // What is stored can still be read, and a dry run still asked for.
            #expect(try await client.read(Self.path + "/decisions")["items"].items == answered.reversed())

            try await Self.limitFiles(of: server.program, to: "unlimited")
            let isOvercome = try await eventually {
                let answer = try await client.post(Self.path + "/decisions", Self.observation)
                if answer.status == 200 { answered.append(try answer.json) }
                return answer.status == 200
            }
            #expect(isOvercome)
            #expect(try await client.get("/readyz").status == 200)
            // The refused ones have left no trace: the next step follows the last one that was answered.
            #expect(answered.last?["step"].integer == 20)
            #expect(try await client.read(Self.path + "/decisions")["items"].items == answered.reversed())
            server.program.signal(SIGTERM)
            #expect(await server.program.exit() == 0, "\(server.program.output)")
            let file = try DataFile(folder)
            #expect(try await file.integrity() == "ok")
            #expect(try await file.brokenLinks() == [])
            #expect(try await file.counts().decisions == 21)
        }
    }
}

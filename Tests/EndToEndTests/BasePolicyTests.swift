// Servers that share one base policy: from a file, from each other, and with the last copy while the other is away.

import BasePolicy
import Foundation
import Learning
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct BasePolicyTests {
    private static func client(_ server: ServerProcess) throws -> Client { try Client(port: server.port) }

    /// What a server that cannot start says.
    private static func failure(_ folder: String, _ place: String, _ more: [String] = []) async throws -> String {
        let program = try RunningProgram(
            "aware", ["serve", "--listen", "127.0.0.1:0", "--data", folder, "--base-policy", place] + more)
        #expect(await program.exit() == 1)
        return program.output
    }

    @Test func oneServerHasItAndTheOthersFetchIt() async throws {
        let own = try Policy(decoding: BasePolicy.bytes).restrained(by: 3).encode()
        try await withFolder { folder in
            let (first, second, file) = (folder + "/first", folder + "/second", folder + "/own.policy")
            try Data(own).write(to: URL(fileURLWithPath: file))
            let source = try await ServerProcess.start(on: first, ["--base-policy", file])
            let answer = try await Self.client(source).get("/v1/base/policy")
            #expect(answer.status == 200 && answer.bytes == own)
            let tag = try #require(answer.headers["etag"])
            let again = try await Self.client(source).send("GET", "/v1/base/policy", headers: ["If-None-Match: \(tag)"])
            #expect(again.status == 304 && again.bytes.isEmpty)
            // There was no encoder beside it.
            #expect(try await Self.client(source).get("/v1/base/encoder").bytes == BasePolicy.encoderBytes)

            let address = "http://127.0.0.1:\(source.port)"
            var other = try await ServerProcess.start(on: second, ["--base-policy", address])
            let version = try #require(try await Self.client(other).read("/v1/server")["basePolicy"].string)
            #expect(tag == "W/\"\(version)\"")
            #expect(try await Self.client(other).get("/metrics").body.contains("policy=\"\(version)\"} 1"))
            other.program.signal(SIGTERM)
            #expect(await other.program.exit() == 0)
            source.program.signal(SIGTERM)
            #expect(await source.program.exit() == 0)

            other = try await ServerProcess.start(on: second, ["--base-policy", address])
            #expect(try await Self.client(other).get("/v1/base/policy").bytes == own)
            #expect(other.program.output.contains("the one that was fetched last"), "\(other.program.output)")
            // Who has no copy is told why it does not start.
            #expect(try await Self.failure(folder + "/third", address).contains("--base-policy \(address)"))
        }
    }

    @Test func aTokenIsSentAndWhatIsNoPolicyIsRefused() async throws {
        try await withFolder { folder in
            let token = String(repeating: "t", count: 40)
            let (tokens, mine) = (folder + "/tokens", folder + "/mine")
            try Data("fleet read \(token)\n".utf8).write(to: URL(fileURLWithPath: tokens))
            try Data(token.utf8).write(to: URL(fileURLWithPath: mine))
            for file in [tokens, mine] { chmod(file, 0o600) }
            let source = try await ServerProcess.start(on: folder + "/first", ["--require-token", "--token-file", tokens])
            let address = "http://127.0.0.1:\(source.port)"
            #expect(try await Self.failure(folder + "/second", address).contains("--base-policy-token-file"))
            let other = try await ServerProcess.start(
                on: folder + "/second", ["--base-policy", address, "--base-policy-token-file", mine])
            #expect(try await Self.client(other).get("/v1/base/policy").bytes == BasePolicy.bytes)

            var broken = BasePolicy.bytes
            broken[1000] ^= 1
            try Data(broken).write(to: URL(fileURLWithPath: folder + "/broken.policy"))
            #expect(try await Self.failure(folder + "/third", folder + "/broken.policy").contains("not the weights of a policy"))
            #expect(try await Self.failure(folder + "/third", folder + "/none.policy").contains("none.policy"))
        }
    }
}

// Clients that take what a server has little of: descriptors, and memory for those who send or read slowly.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct HostileTests {
    private static let path = "/v1/applications/shop/decisions"

    /// Never the same twice: a collector that repeats itself is another story.
    private static func observation(_ number: Int) -> String {
        #"{"replicas": 3, "cpuUtilization": 0.\#(40 + number % 40), "memoryUtilization": 0.5, "latencySeconds": 0.3, "requestRate": 50}"#
    }

    @Test(arguments: [64, 256]) func withFewDescriptorsHealthAndControlGoOn(_ limit: Int) async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, descriptors: limit)
            let said = try await eventually { server.program.output.contains("(ulimit -n \(limit))") }
            let numbers = try #require(server.program.output.firstMatch(of: /connections: (\d+) at once, and (\d+) more/), "\(said)")
            let (served, reserved) = (try #require(Int(numbers.1)), try #require(Int(numbers.2)))
            #expect(served >= 8 && reserved >= 2 && served + reserved < limit)

            let early = try Client(port: server.port)
            #expect(try await early.post(Self.path, Self.observation(0)).status == 200)
            // Far more than there is room for; they say nothing, and stay.
            var silent: [Client] = []
            for _ in 0..<(served + reserved + 50) { silent.append(try Client(port: server.port)) }
            try await Task.sleep(for: .milliseconds(500))
            let before = server.program.cpuSeconds
            for _ in 0..<10 {
                #expect(try await Client(port: server.port).get("/readyz").status == 200)
                let control = try await Client(port: server.port).send("PUT", "/v1/killswitch", #"{"reason": "a test"}"#)
                #expect(control.status == 200, "\(control)")
            }
            let late = try await Client(port: server.port).post(Self.path, Self.observation(1))
            #expect(late.status == 503 && late.headers["retry-after"] != nil, "\(late)")
            #expect(try await early.post(Self.path, Self.observation(2)).status == 200, "who was there is served")
            try await Task.sleep(for: .seconds(1))
            #expect(server.program.cpuSeconds - before < 0.7, "it must not spin")
            silent = []
            #expect(try await eventually { try await Client(port: server.port).post(Self.path, Self.observation(3)).status == 200 })
            server.program.signal(SIGTERM)
            #expect(await server.program.exit() == 0, "\(server.program.output)")
            #expect(try await DataFile(folder).decisions().count >= 3)
        }
    }

    @Test func aThousandSlowClientsCostTheOthersNothing() async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, 4096))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur >= 2048 else {
            print("skipped: a thousand connections want more than \(limit.rlim_cur) descriptors")
            return
        }
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let normal = try Client(port: server.port)
            for number in 0..<500 { #expect(try await normal.post(Self.path, Self.observation(number)).status == 200) }
            let (memory, cpu) = (server.program.memory.now, server.program.cpuSeconds)
            var slow: [Client] = []
            for index in 0..<1000 {
                let client = try Client(port: server.port)
                let start =
                    switch index % 4 {
                    case 0: "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
                    case 1: "POST \(Self.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n{"
                    case 2: String(repeating: "GET \(Self.path)?limit=500 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", count: 60)
                    default: String(repeating: "GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", count: 60)
                    }
                try await client.send(start)
                slow.append(client)
            }
            var statuses: [Int: Int] = [:]
            for round in 0..<4 {
                for (index, client) in slow.enumerated() where index % 4 < 2 { try? await client.send("x") }
                for number in 0..<100 { statuses[try await normal.post(Self.path, Self.observation(500 + 100 * round + number)).status, default: 0] += 1 }
                try await Task.sleep(for: .milliseconds(500))
            }
            #expect(statuses == [200: 400], "nobody was turned away for their sake")
            let grown = server.program.memory.now - memory
            print("a thousand slow clients: \(grown) MiB, \(server.program.cpuSeconds - cpu) s of CPU")
            // 64 MiB for what one address has in large buffers, and 64 KiB for each connection.
            // AddressSanitizer keeps what was freed.
            let isSanitized = ProcessInfo.processInfo.environment["AWARE_SANITIZE"] != nil
            #expect(grown < (isSanitized ? 640 : 160), "\(grown) MiB")
            server.program.signal(SIGTERM)
            #expect(await server.program.exit() == 0)
        }
    }
}

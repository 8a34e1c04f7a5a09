// Four times as much of anything that a client sends costs four times as much CPU and memory at most, on every route.
//
// Measured as the CPU time of the server's process, which does not count what others do on the machine. A bound of eight
// leaves room for noise; what is quadratic costs sixteen times. Bodies that are wrong are LinearTests' business (APITests).

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(10))) struct GrowthTests {
    private let start = "2026-11-20T08:00:00Z"

    /// What is measured of one kind of input.
    private final class Probe {
        let server: ServerProcess
        private var client: Client
        private(set) var statuses: [Int: Int] = [:]

        init(_ server: ServerProcess) throws {
            self.server = server
            client = try Client(port: server.port)
        }

        /// Sends `request` so many times, each once the last one was answered. Where the server closes, on a new connection.
        func send(_ request: String, times: Int) async throws {
            for _ in 0..<times {
                try? await client.send(request)
                let answer = try await client.receive()
                statuses[answer.status, default: 0] += 1
                if answer.headers["connection"] == "close" { client = try Client(port: server.port) }
            }
        }

        /// The least CPU seconds of three times `times` requests.
        func seconds(_ request: String, times: Int) async throws -> Double {
            var least = Double.infinity
            for _ in 0..<3 {
                let before = server.program.cpuSeconds
                try await send(request, times: times)
                least = min(least, server.program.cpuSeconds - before)
            }
            return least
        }

        /// Holds that `make(4 n)` costs no more than eight times what `make(n)` costs, with a little for noise.
        func expectLinear(_ name: String, _ n: Int, times: Int = 1, noise: Double, _ make: (Int) -> String) async throws {
            let (small, large) = (make(n), make(4 * n))
            // Once, so that nothing is done for the first time; what it takes of memory stays.
            try await send(large, times: 1)
            let memory = server.program.memory.now
            server.program.forgetPeak()
            let once = try await seconds(small, times: times)
            let low = server.program.memory.peak - memory
            server.program.forgetPeak()
            let four = try await seconds(large, times: times)
            let high = server.program.memory.peak - memory
            #expect(four < 8 * once + noise, "\(name): \(once) s, then \(four) s")
            #expect(high < 8 * max(0, low) + 32, "\(name): \(low) MiB, then \(high) MiB")
        }
    }

    private static func request(_ method: String, _ target: String, _ fields: String = "") -> String {
        "\(method) \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(fields)Content-Length: 0\r\n\r\n"
    }

    /// Targets and fields of the head, by the number of their bytes.
    private static func target(_ suffix: @escaping @Sendable (Int) -> String) -> @Sendable (String, String, Int) -> String {
        { method, path, n in request(method, path + suffix(n)) }
    }

    private static func field(_ name: String, _ value: @escaping @Sendable (Int) -> String) -> @Sendable (String, String, Int) -> String {
        { method, path, n in request(method, path, name + ": " + value(n) + "\r\n") }
    }

    private static func repeated(_ text: String, _ n: Int) -> String { String(repeating: text, count: n / text.utf8.count) }

    private static let heads: [(name: String, make: @Sendable (_ method: String, _ path: String, _ n: Int) -> String)] = [
        ("a long query", target { "?x=" + repeated("a", $0) }),
        ("many parameters", target { n in "?" + (0..<n / 8).map { "p\($0)=1" }.joined(separator: "&") }),
        ("one parameter repeated", target { "?" + repeated("limit=1&", $0) }),
        ("an encoded query", target { "?limit=" + repeated("%61", $0) }),
        ("a long path", target { "/" + repeated("a", $0) }),
        ("many segments", target { repeated("/a", $0) }),
        ("an encoded path", target { "/" + repeated("%61", $0) }),
        ("many fields", { method, path, n in request(method, path, String(repeating: "X-A: 1\r\n", count: n / 64)) }),
        ("a long token", field("Authorization") { "Bearer " + repeated("a", $0) }),
        ("a long list of codings", field("Accept-Encoding") { repeated("a, ", $0) + "gzip" }),
        ("a long list of tags", field("If-None-Match") { repeated("\"a\", ", $0) + "\"b\"" }),
        ("a long connection", field("Connection") { repeated("a, ", $0) + "b" }),
        ("a long key", field("Idempotency-Key") { repeated("a", $0) }),
        ("a long type", field("Content-Type") { "application/json; " + repeated("a=b; ", $0) + "c=d" }),
    ]

    @Test func everyRouteTakesTimeLinearInTheHead() async throws {
        let list = try RunningProgram("aware", ["routes"])
        #expect(await list.exit() == 0)
        var routes: [(method: String, pattern: String)] = []
        for line in list.output.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count > 1 { routes.append((words[0], words[1])) }
        }
        #expect(routes.count > 40)
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--rate-limit", "0"])
            let probe = try Probe(server)
            for (method, pattern) in routes {
                let path = pattern.split(separator: "/").map { $0.hasPrefix("{") ? "1" : String($0) }.joined(separator: "/")
                for (name, make) in Self.heads {
                    try await probe.expectLinear("\(method) \(pattern), \(name)", 1500, times: 20, noise: 0.01) { make(method, "/" + path, $0) }
                }
            }
            // A name as long as may be, in the place of the pattern's own.
            for (method, pattern) in routes where pattern.contains("{app}") {
                try await probe.expectLinear("\(method) \(pattern), a long name", 1500, times: 20, noise: 0.01) { n in
                    Self.request(method, pattern.replacing("{app}", with: String(repeating: "a", count: n)).replacing(/\{\w+\}/, with: "1"))
                }
            }
            #expect(probe.statuses.keys.allSatisfy { $0 < 500 }, "\(probe.statuses)")
        }
    }

    private func observation(_ number: Int, _ more: String = "") -> String {
        let time = Date(timeIntervalSince1970: 1_780_000_000 + 60 * Double(number)).ISO8601Format()
        return "{\(more)\"replicas\": 3, \"cpuLimit\": \"500m\", \"memoryLimit\": \"512Mi\", \"cpuUtilization\": 0.\(40 + number % 40), "
            + "\"memoryUtilization\": 0.5, \"latencySeconds\": 0.3, \"requestRate\": 50, \"time\": \"\(time)\"}"
    }

    /// A batch of the observations `numbers`, each of the application that `name` says.
    private func batch(_ numbers: Range<Int>, _ name: (Int) -> String) -> String {
        let elements = numbers.map { observation($0, "\"application\": \"\(name($0))\", ") }
        return "[" + elements.joined(separator: ",") + "]"
    }

    private func post(_ path: String, _ body: String) -> String { Client.request("POST", path, body) }

    @Test func bodiesThatAreInOrderTakeTimeAndMemoryLinearInTheirLength() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--clock", "observed"])
            let probe = try Probe(server)
            try await probe.expectLinear("a batch", 250, noise: 0.05) { n in
                post("/v1/decisions?dryRun=true", batch(0..<n) { "app-\($0)" })
            }
            try await probe.expectLinear("transitions", 500, noise: 0.05) { n in
                let steps = (0..<n).map { step in
                    "{\"observation\": \(observation(step)), \"desired\": {\"replicas\": 3}, \"next\": \(observation(step + 1))}"
                }
                return post("/v1/applications/a/transitions", "{\"controller\": \"x\", \"transitions\": [\(steps.joined(separator: ","))]}")
            }
            try await probe.expectLinear("a replay", 1250, noise: 0.05) { n in
                let observations = (0..<n).map { observation($0) }.joined(separator: ",")
                return post("/v1/replays", "{\"observations\": [\(observations)]}")
            }
            try await probe.expectLinear("a body in pieces of a byte", 4000, noise: 0.05) { n in
                let body = observation(0, String(repeating: " ", count: n))
                return "POST /v1/applications/a/decisions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + body.map { "1\r\n\($0)\r\n" }.joined() + "0\r\n\r\n"
            }
            #expect(probe.statuses.keys.allSatisfy { $0 == 200 }, "\(probe.statuses)")
        }
    }

    @Test func answersTakeTimeAndMemoryLinearInWhatIsAskedFor() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--clock", "observed"])
            let probe = try Probe(server)
            let client = try Client(port: server.port)
            for first in stride(from: 0, to: 1500, by: 500) {
                let body = batch(first..<first + 500) { _ in "a" }
                #expect(try await client.post("/v1/decisions", body).status == 200)
            }
            for path in ["decisions?limit=", "episodes?limit=", "series?steps=", "rewards?points="] {
                try await probe.expectLinear(path, 100, times: 3, noise: 0.05) { Self.request("GET", "/v1/applications/a/\(path)\($0)") }
            }
            // What lists every application, with so many and four times as many.
            let paths = ["/v1/applications?limit=500", "/metrics", "/v1/server", "/v1/events?limit=500", "/v1/applications?name=app&sort=reward"]
            var seconds: [String: [Double]] = [:]
            for count in [100, 400] {
                let body = batch(2000..<2000 + count) { "app-\($0)" }
                #expect(try await client.post("/v1/decisions", body).status == 200)
                for path in paths { seconds[path, default: []].append(try await probe.seconds(Self.request("GET", path), times: 5)) }
            }
            for (path, times) in seconds { #expect(times[1] < 8 * times[0] + 0.05, "\(path): \(times)") }
            #expect(probe.statuses.keys.allSatisfy { $0 == 200 }, "\(probe.statuses)")
        }
    }
}

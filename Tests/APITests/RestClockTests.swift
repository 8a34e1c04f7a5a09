// The machine's clock is set by years, both ways, while a service runs: pins hold, keys are known, episodes are whole.

import Service
import Synchronization
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct RestClockTests {
    private final class Wall: Sendable {
        let time = Mutex(1_780_000_000.0)
    }

    @Test(arguments: [10, -10]) func aServiceWhoseClockIsSet(years: Int) async throws {
        let wall = Wall()
        try await withRest({ $0.wallClock = { wall.time.withLock { $0 } } }) { server in
            let path = "/v1/applications/shop-web"
            #expect(try await server.send("PUT", path, #"{"episodeSteps": 2}"#).status == 201)
            let first = try await server.send("POST", path + "/decisions", observation(), headers: [("Idempotency-Key", "\"one\"")])
            #expect(first.status == 200)
            let pin = #"{"replicas": 7, "cpu": "512m", "memory": "512Mi", "seconds": 3600, "reason": "a test"}"#
            #expect(try await server.send("PUT", path + "/pin", pin).status == 200)
            wall.time.withLock { $0 += Double(years) * 31_557_600 }
            for step in 0..<5 {
                let answer = try await server.send("POST", path + "/decisions", observation(cpu: 0.5 + Double(step) / 50))
                #expect(answer.string("/source") == "pin" && answer.integer("/desired/replicas") == 7)
            }
            #expect(try await server.send("GET", path + "/control").integer("/pin/replicas") == 7)
            let again = try await server.send("POST", path + "/decisions", observation(), headers: [("Idempotency-Key", "\"one\"")])
            #expect(again.body == first.body && again.headers["idempotency-replayed"] == "true")
            let episodes = try await server.send("GET", path + "/episodes")
            let items = try #require(episodes["/items"] as? [[String: Any]])
            #expect(items.count == 2)
            for item in items {
                let (started, ended) = (try #require(item["started"] as? String), try #require(item["ended"] as? String))
                // Both are written the same way, so that their order is that of their letters.
                #expect(started <= ended)
            }
        }
    }
}

// Steps of other controllers, brought in once; and applications without an embedding.

import Agents
import Foundation
import Testing

@Suite(.serialized) struct RestWorkloadTests {
    private let path = "/v1/applications/shop"

    private func step(_ minute: Int, replicas: Int = 4, extra: String = "") -> String {
        func time(_ minute: Int) -> String { "\"time\": \"2026-11-20T10:\(minute + 10):00Z\", " }
        return """
            {"observation": \(observation(cpu: 0.9, extra: time(minute) + extra)), "desired": {"replicas": \(replicas)},
             "reward": 0.75, "next": \(observation(replicas: replicas, cpu: 0.7, extra: time(minute + 1)))}
            """
    }

    @Test func stepsOfAnotherControllerAreKeptOnce() async throws {
        try await withRest { server in
            let body =
                "{\"controller\": \"hpa\", \"transitions\": [\(step(0)), \(step(1)), \(step(2, extra: "\"x\": 1, "))]}"
            let first = try await server.send("POST", path + "/transitions", body)
            #expect(
                first.status == 200 && first.integer("/received") == 3 && first.integer("/new") == 3, "\(first.text)")
            #expect(first["/warnings"] as? [String] == ["unknown member x ignored"])
            let more = "{\"controller\": \"hpa\", \"transitions\": [\(step(2)), \(step(3))]}"
            let second = try await server.send("POST", path + "/transitions", more)
            #expect(second.integer("/received") == 2 && second.integer("/new") == 1, "a step's time is its name")
            let status = try await server.send("GET", path)
            #expect(status.integer("/status/decisions") == 0, "experience is no decision")
            try await server.restart()
            #expect(try await server.send("POST", path + "/transitions", body).integer("/new") == 0)
        }
    }

    @Test func oneBadStepIsNamedAndNothingIsKept() async throws {
        try await withRest { server in
            let body = "{\"transitions\": [\(step(0)), \(step(1, replicas: -1)), {\"x\": 1}]}"
            let answer = try await server.send("POST", path + "/transitions", body)
            #expect(answer.status == 400)
            #expect(
                Set(answer.errorPointers) == [
                    "/transitions/1/desired/replicas", "/transitions/1/next/replicas", "/transitions/2/observation",
                    "/transitions/2/next", "/transitions/2/desired", "/transitions/2/x",
                ], "\(answer.text)")
            #expect(try await server.send("GET", path).status == 404)
        }
    }

    @Test func withoutAnEmbeddingThereAreNoNeighbours() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            let neighbours = try await server.send("GET", path + "/neighbours?limit=5")
            #expect(neighbours.status == 200 && (neighbours["/items"] as? [Any])?.isEmpty == true)
            let embedding = try await server.send("GET", path + "/embedding")
            #expect(embedding.status == 404 && embedding.string("/detail")?.contains("embedding") == true)
        }
    }
}

// The rest of the conversation: batches, recommendations, outcomes, approvals, episodes, weights.

import Foundation
import Testing

@Suite(.serialized) struct RestExchangeTests {
    private let path = "/v1/applications/shop"

    private func decide(_ server: RestServer, replicas: Int = 3, cpu: Double = 0.95, extra: String = "") async throws
        -> RestAnswer
    {
        let answer = try await server.send(
            "POST", path + "/decisions", observation(replicas: replicas, cpu: cpu, extra: extra))
        #expect(answer.status == 200, "\(answer.text)")
        return answer
    }

    @Test func aBatchIsAnsweredInOrderAndFailsByElement() async throws {
        try await withRest { server in
            func element(_ name: String, _ extra: String = "") -> String {
                observation(extra: "\"application\": \"\(name)\", " + extra)
            }
            let body =
                "[\(element("a")), {\"application\": \"b\"}, 7, \(element("Bad Name")), \(element("a")), \(observation())]"
            for _ in 0..<2 {
                // First with new applications, then with known ones: two different paths through the server.
                let answer = try await server.send("POST", "/v1/decisions", body)
                #expect(answer.status == 200 && answer.integer("/failed") == 4, "\(answer.text)")
                #expect(answer.string("/items/0/application") == "a" && answer.string("/items/4/application") == "a")
                #expect(answer.integer("/items/1/index") == 1 && answer.integer("/items/1/status") == 400)
                #expect(answer.string("/items/1/errors/0/pointer") == "/1/replicas")
                #expect(answer.string("/items/2/errors/0/pointer") == "/2")
                #expect(answer.integer("/items/3/status") == 422)
                #expect(answer.string("/items/5/errors/0/pointer") == "/5/application")
            }
            #expect(
                try await server.send("GET", "/v1/applications/a/decisions").text.components(separatedBy: "\"id\"")
                    .count == 5)
            let twice = "[\(element("a", "\"id\": \"x\", ")), \(element("a", "\"id\": \"x\", "))]"
            let answer = try await server.send("POST", "/v1/decisions", twice)
            #expect(answer.string("/items/0/clientId") == "x", "\(answer.text)")
            #expect(answer.string("/items/1/id") == answer.string("/items/0/id"), "the same id is the same decision")
            let again = try await server.send("POST", "/v1/decisions", "[\(element("a", "\"id\": \"x\", "))]")
            #expect(again.string("/items/0/id") == answer.string("/items/0/id"))
            for wrong in ["{}", "[]", "7", "[", ""] {
                #expect(try await server.send("POST", "/v1/decisions", wrong).status == 400)
            }
        }
    }

    @Test func anOutcomeIsTakenInOnce() async throws {
        try await withRest { server in
            let first = try await decide(server)
            let id = try #require(first.string("/id"))
            let outcome = path + "/decisions/\(id)/outcome"
            var answer = try await server.send("POST", outcome, #"{"reward": 0.25}"#)
            #expect(answer.status == 200 && answer.boolean("/late") == false, "\(answer.text)")
            answer = try await server.send("POST", outcome, #"{"reward": 0.25}"#)
            #expect(answer.status == 200, "the same once more changes nothing")
            #expect(try await server.send("POST", outcome, #"{"reward": 0.5}"#).status == 409)
            try await server.restart()
            var next = try await decide(server)
            #expect(next.number("/reward") == 0.25, "an outcome survives a restart: \(next.text)")
            let late = try await server.send("POST", outcome, #"{"reward": 0.25}"#)
            #expect(late.boolean("/late") == true)
            let second = path + "/decisions/\(try #require(next.string("/id")))/outcome"
            #expect(try await server.send("POST", second, #"{"applied": false}"#).status == 200)
            next = try await decide(server)
            #expect(next["/reward"] is NSNull, "what was not carried out earns nothing")
            answer = try await server.send("POST", second, #"{"applied": 1, "reward": "x", "y": 2}"#)
            #expect(answer.status == 400 && Set(answer.errorPointers) == ["/applied", "/reward", "/y"])
            #expect(
                try await server.send("POST", path + "/decisions/none/outcome", #"{"applied": true}"#).status == 404)
        }
    }

    @Test func aDecisionWaitsForApproval() async throws {
        try await withRest { server in
            try await server.send("PUT", path, #"{"actuation": "approve"}"#)
            #expect(try await server.send("POST", path + "/approve", #"{"reason": "a test"}"#).status == 409)
            let waiting = try await decide(server, cpu: 1.5)
            #expect(
                waiting.integer("/horizontal") == 0 && waiting.string("/reason") == "AwaitingApproval",
                "\(waiting.text)")
            #expect(try await server.send("POST", path + "/approve", #"{"id": "other", "reason": "a test"}"#).status == 409)
            let approved = try await server.send(
                "POST", path + "/approve", #"{"reason": "looks right", "actor": "ann"}"#)
            let replicas = try #require(approved.integer("/desired/replicas"))
            #expect(replicas > 3 && approved.string("/id") == waiting.string("/id"))
            try await server.restart()
            #expect(try await decide(server, cpu: 1.5).integer("/desired/replicas") == replicas)
            #expect(try await server.send("GET", "/v1/audit?kind=approve").string("/items/0/reason") == "looks right")
        }
    }

    @Test func observingAnswersWithTheRules() async throws {
        try await withRest { server in
            try await server.send("PUT", path, #"{"actuation": "observe", "bootstrap": false}"#)
            #expect(try await decide(server).string("/source") == "rules")
            #expect(try await server.send("POST", path + "/approve", #"{"reason": "a test"}"#).status == 409)
        }
    }

    @Test func episodesEndWhenTheyAreToldTo() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            #expect(try await server.send("POST", path + "/episodes/1/end").status == 409)
            for _ in 0..<3 { _ = try await decide(server) }
            let end = try await server.send("POST", path + "/episodes/1/end", "{}")
            #expect(end.status == 200 && end.string("/state") == "endsWithNextDecision", "\(end.text)")
            try await server.restart()
            let next = try await decide(server)
            #expect(next.integer("/episode") == 2 && next.integer("/step") == 0)
            #expect(try await server.send("GET", path + "/episodes").integer("/items/0/steps") == 3)
            #expect(try await server.send("POST", path + "/episodes/1/end").string("/state") == "ended")
            #expect(try await server.send("POST", path + "/episodes/9/end").status == 404)
            let started = try await server.send("POST", path + "/episodes")
            #expect(started.status == 201 && started.integer("/episode") == 3)
            #expect(try await decide(server).integer("/episode") == 3)
        }
    }
}

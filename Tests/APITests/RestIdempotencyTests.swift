// Idempotency-Key: what is sent again is done once, whether it comes later, at the same time, or after a restart.

import Foundation
import Service
import Testing

@testable import API
import Base
import Operations

@Suite(.serialized) struct RestIdempotencyTests {
    private let path = "/v1/applications/shop"

    private func key(_ text: String) -> [(String, String)] { [("Idempotency-Key", text)] }

    private func count(_ server: RestServer, _ list: String) async throws -> Int {
        (try await server.send("GET", list)["/items"] as? [Any])?.count ?? -1
    }

    @Test func aRepeatedDecisionIsTheFirstOne() async throws {
        try await withRest { server in
            let body = observation(cpu: 0.95)
            let first = try await server.send("POST", path + "/decisions", body, headers: key("\"k1\""))
            #expect(first.status == 200 && first.headers["idempotency-replayed"] == nil, "\(first.text)")
            let again = try await server.send("POST", path + "/decisions", body, headers: key("k1"))
            #expect(again.body == first.body && again.headers["idempotency-replayed"] == "true")
            try await server.restart()
            let later = try await server.send("POST", path + "/decisions", body, headers: key("k1"))
            #expect(later.body == first.body && later.headers["idempotency-replayed"] == "true")
            #expect(try await count(server, path + "/decisions") == 1)
            let other = try await server.send("POST", path + "/decisions", observation(cpu: 0.5), headers: key("k1"))
            #expect(other.status == 422 && other.errorPointers == ["/Idempotency-Key"], "\(other.text)")
            let elsewhere = try await server.send("POST", "/v1/applications/b/decisions", body, headers: key("k1"))
            #expect(elsewhere.status == 422, "a key belongs to one request")
            let second = try await server.send("POST", path + "/decisions", body, headers: key("k2"))
            #expect(second.status == 200 && second.string("/id") != first.string("/id"))
            #expect(try await count(server, path + "/decisions") == 2)
        }
    }

    /// The process died between the decision and the keeping of its answer: the decision is found by its id.
    @Test func aDecisionWhoseAnswerWasLostIsFoundAgain() async throws {
        try await withRest { server in
            let first = try await server.send("POST", path + "/decisions", observation(), headers: key("lost"))
            let id = try #require(first.string("/clientId"))
            let again = try await server.send(
                "POST", path + "/decisions", observation(extra: "\"id\": \"\(id)\", "))
            #expect(again.body == first.body)
        }
    }

    @Test func requestsAtTheSameTimeGetTheSameAnswer() async throws {
        try await withRest({ $0.loops = 2 }) { server in
            for round in 0..<10 {
                let keyed = round % 2 == 0
                let extra = keyed ? "" : "\"id\": \"same-\(round)\", "
                let (body, headers) = (observation(extra: extra), keyed ? key("same-\(round)") : [])
                let port = server.port
                let answers = try await withThrowingTaskGroup(of: RestAnswer.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            try await RestServer.send(port, "POST", "/v1/applications/shop/decisions", body, headers)
                        }
                    }
                    return try await group.reduce(into: [RestAnswer]()) { $0.append($1) }
                }
                #expect(answers.allSatisfy { $0.status == 200 }, "\(answers.map(\.text))")
                #expect(Set(answers.map(\.text)).count == 1, "round \(round)")
            }
            #expect(try await count(server, path + "/decisions") == 10)
        }
    }

    @Test func everyActOnItsRouteHappensOnce() async throws {
        try await withRest { server in
            try await server.send("PUT", path, #"{"actuation": "approve"}"#)
            let decided = try await server.send("POST", path + "/decisions", observation(cpu: 1.5))
            let id = try #require(decided.string("/id"))
            let acts = [
                (
                    "/v1/decisions",
                    "[{\"application\": \"a\", \"replicas\": 1}, {\"application\": \"b\", \"replicas\": 2}]"
                ),
                (
                    "/v2/models/c/infer",
                    #"{"inputs": [{"name": "replicas", "shape": [1], "datatype": "INT64", "data": [3]}]}"#
                ),
                (path + "/approve", #"{"reason": "once"}"#), (path + "/decisions/\(id)/outcome", #"{"reward": 0.5}"#),
                (path + "/episodes/1/end", "{}"), (path + "/episodes", "{}"), (path + "/retrain", #"{"reason": "once"}"#),
                (path + "/reset", #"{"reason": "once"}"#),
            ]
            for (number, (route, body)) in acts.enumerated() {
                let first = try await server.send("POST", route, body, headers: key("act-\(number)"))
                #expect((200...201).contains(first.status), "\(route): \(first.text)")
                let again = try await server.send("POST", route, body, headers: key("act-\(number)"))
                #expect(again.status == first.status && again.body == first.body, "\(route)")
                #expect(again.headers["idempotency-replayed"] == "true", "\(route)")
            }
            #expect(try await count(server, "/v1/audit?kind=approve") == 1)
            #expect(try await count(server, "/v1/audit?kind=reset") == 1)
            #expect(try await count(server, "/v1/applications/a/decisions") == 1)
        }
    }

    @Test func aRefusalLeavesTheKeyFree() async throws {
        try await withRest { server in
            let missing = try await server.send("POST", path + "/retrain", #"{"reason": "a test"}"#, headers: key("k"))
            #expect(missing.status == 404)
            let wrong = try await server.send("POST", path + "/decisions", "{}", headers: key("d"))
            #expect(wrong.status == 400 && wrong.errorPointers == ["/replicas"], "\(wrong.text)")
            try await server.send("PUT", path, "{}")
            #expect(try await server.send("POST", path + "/retrain", #"{"reason": "a test"}"#, headers: key("k")).status == 200)
            #expect(try await server.send("POST", path + "/decisions", observation(), headers: key("d")).status == 200)
        }
    }

    @Test func keysAreOneString() async throws {
        try await withRest { server in
            for headers in [
                key("\""), key(""), key("\"\""), key(String(repeating: "k", count: 256)), key("k") + key("k"),
                key("\u{e9}"),
            ] {
                let answer = try await server.send("POST", path + "/decisions", observation(), headers: headers)
                #expect(
                    answer.status == 400 && answer.errorPointers == ["/Idempotency-Key"], "\(headers): \(answer.text)")
            }
            #expect(try await server.send("GET", path).status == 404, "nothing was done")
        }
    }

    @Test func aDryRunNeedsNoKey() async throws {
        try await withRest { server in
            for cpu in [0.5, 0.9] {
                let answer = try await server.send(
                    "POST", path + "/decisions?dryRun=true", observation(cpu: cpu), headers: key("k"))
                #expect(answer.status == 200, "\(answer.text)")
            }
        }
    }

    @Test func answersAreForgottenInTime() async throws {
        let start = 1_700_000_000.0
        try await withRest({ $0.followsObservedTime = true }) { server in
            func decide(_ seconds: Double, _ key: String) async throws -> RestAnswer {
                try await server.send(
                    "POST", path + "/decisions",
                    observation(extra: "\"time\": \"\(Timestamp.text(start + seconds))\", "),
                    headers: self.key(key))
            }
            let first = try await decide(0, "k")
            #expect(try await decide(0, "k").body == first.body)
            #expect(try await decide(3600, "other").status == 200)
            let last = try await decide(IdempotencyLimits.keptSeconds + 60, "third")
            #expect(last.status == 200)
            let anew = try await decide(0, "k")
            #expect(anew.headers["idempotency-replayed"] == nil, "a day later the key is free: \(anew.text)")
        }
    }
}

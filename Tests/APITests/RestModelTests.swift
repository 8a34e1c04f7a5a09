// Weights in and out, and a version that is put on duty by hand.

import Foundation
import Learning
import Neural
import Scaling
import Testing
@testable import API
@testable import Deciding

@Suite(.serialized) struct RestModelTests {
    private let path = "/v1/applications/shop"

    private func policy(seed: UInt64, observationSize: Int = StateEncoder.count, embeddingSize: Int = 0) -> Policy {
        PPO(
            shape: PolicyShape(
                observationSize: observationSize, embeddingSize: embeddingSize, hidden: [8], heads: ActionSpace.standard.headSizes,
                noOps: ActionSpace.standard.heads.map(\.noop)), seed: seed
        ).policy
    }

    @Test func weightsComeBackAsTheyWere() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            let binary = [("Content-Type", "application/octet-stream")]
            let weights = policy(seed: 1).encode()
            let put = try await server.send("PUT", path + "/models/3/weights", headers: binary, bytes: weights)
            #expect(put.status == 200, "\(put.text)")
            let back = try await server.send("GET", path + "/models/3/weights")
            #expect(back.body == weights && back.headers["content-type"] == "application/octet-stream")
            let json = try await server.send(
                "GET", path + "/models/3/weights", headers: [("Accept", "application/json")])
            #expect(try await server.send("PUT", path + "/models/4/weights", bytes: json.body).status == 200)
            #expect(try await server.send("GET", path + "/models/4/weights").body == weights, "JSON is exact")
            let model = try await server.send("GET", path + "/models/4")
            #expect(model.string("/algorithm") == "import" && model.boolean("/acting") == false)
            #expect(
                try await server.send("PUT", path + "/models/2/weights", headers: binary, bytes: weights).status == 409)

            var damaged = weights
            damaged[100] ^= 1
            for (bytes, reason) in [
                (damaged, "checksum"), ([], "empty"), (Array(weights.dropLast(9)), "short"),
                (policy(seed: 1, observationSize: 5).encode(), "other features"),
            ] {
                let answer = try await server.send("PUT", path + "/models/9/weights", headers: binary, bytes: bytes)
                #expect(answer.status == 422, "\(reason): \(answer.text)")
            }
            #expect(
                try await server.send(
                    "PUT", path + "/models/9/weights", headers: [("Content-Type", "text/plain")], bytes: weights
                ).status == 415)
            let wrong = try await server.send(
                "PUT", path + "/models/9/weights", #"{"shape": {"hidden": 3}, "parameters": ["x"]}"#)
            #expect(wrong.status == 400 && wrong.errorPointers.contains("/shape/hidden"), "\(wrong.text)")
        }
    }

    /// A policy that reads an embedding is kept as the policy of this very workload.
    @Test func aPolicyThatReadsAnEmbeddingIsBoundToTheApplications() async throws {
        try await withRest { server in
            try await server.send("PUT", path, #"{"episodeSteps": 20}"#)
            let binary = [("Content-Type", "application/octet-stream")]
            let policy = policy(seed: 1, embeddingSize: 32)
            func put(_ version: Int) async throws -> RestAnswer {
                try await server.send("PUT", path + "/models/\(version)/weights", headers: binary, bytes: policy.encode())
            }
            let early = try await put(10)
            #expect(early.status == 409 && early.string("/detail")?.contains("embedding") == true, "\(early.text)")
            for step in 0..<25 {
                let body = observation(replicas: 4, cpu: 0.5 + 0.01 * Double(step % 30))
                #expect(try await server.send("POST", path + "/decisions", body).status == 200)
            }
            var embedding: [Float] = []
            for _ in 0..<200 where embedding.isEmpty {
                let answer = try await server.send("GET", path + "/embedding")
                embedding = (answer["/vector"] as? [Any])?.compactMap { ($0 as? NSNumber)?.floatValue } ?? []
                if embedding.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
            }
            try #require(embedding.count == 32)
            let late = try await put(11)
            #expect(late.status == 200, "\(late.text)")
            let kept = try Policy(decoding: try await server.send("GET", path + "/models/11/weights").body)
            let expected = policy.bound(to: embedding)
            #expect(kept.shape == expected.shape)
            #expect(zip(kept.parameters, expected.parameters).allSatisfy { abs($0 - $1) < 1e-4 })
        }
    }

    /// None of them may be served: the stage would say "serving" while the rules act.
    @Test func weightsThatGiveNoNumbersAreRefusedInEveryForm() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            let sound = policy(seed: 1)
            func altered(_ value: Float, _ places: Range<Int>) -> Policy {
                var parameters = sound.parameters
                for place in places { parameters[place] = value }
                return Policy(shape: sound.shape, parameters: parameters)
            }
            let count = sound.parameters.count
            let wrong: [(Policy, String)] = [
                (altered(.nan, 0..<1), "not a number"), (altered(.infinity, count - 1..<count), "infinite"),
                (altered(-.infinity, count / 2..<count / 2 + 1), "infinite"), (altered(3e38, 0..<count), "overflows"),
                (altered(1e28, 0..<count), "might overflow"),
                (
                    PPO(
                        shape: PolicyShape(
                            observationSize: StateEncoder.count, hidden: [400, 400], heads: sound.shape.heads, noOps: sound.shape.noOps),
                        seed: 1
                    ).policy, "too large"
                ),
            ]
            for (policy, reason) in wrong {
                let answer = try await server.send(
                    "PUT", path + "/models/1/weights", headers: [("Content-Type", "application/octet-stream")], bytes: policy.encode())
                #expect(answer.status == 422, "\(reason): \(answer.text)")
                let json = try await server.send("PUT", path + "/models/1/weights", bytes: WeightsCodec.encode(policy))
                #expect(json.status == 400 || json.status == 422 || json.status == 413, "\(reason): \(json.text)")
            }
            let shape = #""shape": {"observationSize": 82, "hidden": [8], "heads": [8, 5, 5], "noOps": [3, 2, 0]}"#
            for number in ["1e39", "\"NaN\"", "null", "-1e400"] {
                let list = Array(repeating: number, count: count).joined(separator: ",")
                let answer = try await server.send("PUT", path + "/models/1/weights", "{\(shape), \"parameters\": [\(list)]}")
                #expect(answer.status == 400, "\(number): \(answer.text)")
            }
            #expect(try await server.send("GET", path + "/models").text.contains("\"items\":[]"), "nothing was stored")
            #expect(try await server.send("POST", path + "/models/1/promote", #"{"reason": "it"}"#).status == 404)
            let decision = try await server.send("POST", path + "/decisions", observation())
            #expect(decision.string("/source") == "rules" && decision.string("/stage") != "serving", "\(decision.text)")
        }
    }

    @Test func aPromotedVersionActsAtTheNextEpisodeAndARollBackAtOnce() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            for version in 1...2 {
                let bytes = policy(seed: UInt64(version)).encode()
                let put = try await server.send(
                    "PUT", path + "/models/\(version)/weights", headers: [("Content-Type", "application/octet-stream")],
                    bytes: bytes)
                #expect(put.status == 200, "\(put.text)")
            }
            let promoted = try await server.send("POST", path + "/models/2/promote", #"{"reason": "try it"}"#)
            #expect(
                promoted.integer("/modelVersion") == 2 && promoted.string("/stage") == "serving", "\(promoted.text)")
            var decision = try await server.send("POST", path + "/decisions", observation())
            #expect(
                decision.string("/source") == "policy" && decision.integer("/modelVersion") == 2, "\(decision.text)")
            #expect(try await server.send("POST", path + "/models/1/promote", #"{"reason": "a test"}"#).integer("/modelVersion") == 1)
            decision = try await server.send("POST", path + "/decisions", observation())
            #expect(decision.integer("/modelVersion") == 1, "a roll-back does not wait for the episode's end")
            try await server.restart()
            decision = try await server.send("POST", path + "/decisions", observation())
            #expect(decision.integer("/modelVersion") == 1 && decision.string("/source") == "policy")
            let stage = try await server.send(
                "PUT", path + "/stage", #"{"stage": "offline", "hold": true, "reason": "careful"}"#)
            #expect(stage.string("/stage") == "offline", "\(stage.text)")
            decision = try await server.send("POST", path + "/decisions", observation())
            #expect(decision.string("/source") == "rules" && decision.integer("/step") == 0, "the rules act at once")
            let events = try await server.send("GET", "/v1/events?application=shop&kind=promotion")
            #expect(events.string("/items/0/to") == "1" && events.string("/items/1/to") == "2", "\(events.text)")
        }
    }
}

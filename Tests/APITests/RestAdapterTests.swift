// The forms that other autoscalers and inference clients read, each against the public description of that client.

import Foundation
import Scaling
import Testing

@Suite(.serialized) struct RestAdapterTests {
    private let path = "/v1/applications/shop"

    private func withDecision(_ body: (RestServer, RestAnswer) async throws -> Void) async throws {
        try await withRest { server in
            #expect(try await server.send("GET", path + "/recommendation").status == 404)
            try await server.send("PUT", path, #"{"containers": ["web", "proxy"]}"#)
            #expect(try await server.send("GET", path + "/recommendation").status == 404, "nothing is decided yet")
            let decision = try await server.send("POST", path + "/decisions", observation(cpu: 0.95))
            try #require(decision.status == 200, "\(decision.text)")
            try await body(server, decision)
        }
    }

    private func members(_ answer: RestAnswer, _ pointer: String = "") -> Set<String> {
        Set(((answer[pointer] as? [String: Any]) ?? [:]).keys)
    }

    /// KEDA documentation, "Metrics API" scaler: `format: json`, `valueLocation` is a GJSON path to a number. With
    /// `valueLocation: desiredReplicas` and `targetValue: "1"` the HPA that KEDA makes wants value / target replicas.
    @Test func kedaMetricsAPIScaler() async throws {
        try await withDecision { server, decision in
            let desired = try #require(decision.integer("/desired/replicas"))
            let answer = try await server.send("GET", path + "/recommendation?format=keda")
            #expect(answer.text == "{\"desiredReplicas\":\(desired)}")
            #expect(answer.headers["content-type"] == "application/json")
        }
    }

    /// After a silence the reader's own fallback must begin (KEDA's `fallback`), and a changed profile shows at once.
    @Test func anOldRecommendationIsNoneAndAChangedProfileShowsAtOnce() async throws {
        try await withDecision { server, decision in
            let route = path + "/recommendation?format=keda"
            let fresh = try await server.send("GET", route)
            #expect(fresh.status == 200 && Int(fresh.headers["age"] ?? "") ?? 99 < 60)
            let etag = try #require(fresh.headers["etag"])
            #expect(try await server.send("GET", route, headers: [("If-None-Match", etag)]).status == 304)
            try await Task.sleep(for: .seconds(2.1))
            let old = try await server.send("GET", route + "&maxAgeSeconds=1")
            #expect(old.status == 503 && old.headers["retry-after"] != nil && old.text.contains("maxAgeSeconds"))
            #expect(try await server.send("GET", route + "&maxAgeSeconds=0").status == 400)
            try await server.send("PUT", path, #"{"replicas": {"min": 1, "max": 2}}"#)
            let lowered = try await server.send("GET", route, headers: [("If-None-Match", etag)])
            #expect(lowered.status == 200 && lowered.integer("/desiredReplicas") ?? 99 <= 2)
        }
    }

    /// Custom Pod Autoscaler, user guide, "Evaluating", "Information out": `{"targetReplicas": 5}`.
    @Test func customPodAutoscalerEvaluation() async throws {
        try await withDecision { server, decision in
            let desired = try #require(decision.integer("/desired/replicas"))
            let answer = try await server.send("GET", path + "/recommendation?format=cpa")
            #expect(answer.text == "{\"targetReplicas\":\(desired)}")
        }
    }

    /// kubernetes/autoscaler, multidimensional-pod-autoscaler (AEP 5342), MultidimPodAutoscalerStatus: lastScaleTime,
    /// currentReplicas, desiredReplicas, recommendation, currentMetrics, conditions; the last three as in a VPA.
    @Test func multidimPodAutoscalerStatus() async throws {
        try await withDecision { server, decision in
            let answer = try await server.send("GET", path + "/recommendation")
            #expect(
                members(answer) == [
                    "lastScaleTime", "currentReplicas", "desiredReplicas", "recommendation", "conditions",
                ])
            #expect(answer.integer("/desiredReplicas") == decision.integer("/desired/replicas"))
            #expect(answer.integer("/currentReplicas") == 3)
            #expect(answer.string("/lastScaleTime") == decision.string("/time"))
            let tag = try #require(answer.headers["etag"])
            let same = try await server.send("GET", path + "/recommendation", headers: [("If-None-Match", tag)])
            #expect(same.status == 304 && same.body.isEmpty)
            try await server.send("PUT", path + "/pin", #"{"replicas": 11, "reason": "a test"}"#)
            let pinned = try await server.send("GET", path + "/recommendation", headers: [("If-None-Match", tag)])
            #expect(pinned.integer("/desiredReplicas") == 11, "a pin counts before the next observation")
        }
    }

    /// kubernetes/autoscaler, vertical-pod-autoscaler, autoscaling.k8s.io/v1 types.go: VerticalPodAutoscalerStatus has
    /// recommendation.containerRecommendations[] of RecommendedContainerResources (containerName, target, lowerBound,
    /// upperBound, uncappedTarget, each a resource list of quantities) and conditions[] of type, status,
    /// lastTransitionTime, reason, message, where "RecommendationProvided" is a type and "True" a status.
    @Test func verticalPodAutoscalerStatus() async throws {
        try await withDecision { server, decision in
            let answer = try await server.send("GET", path + "/recommendation?format=vpa")
            #expect(members(answer) == ["recommendation", "conditions"])
            #expect(members(answer, "/recommendation") == ["containerRecommendations"])
            for (index, name) in ["web", "proxy"].enumerated() {
                let place = "/recommendation/containerRecommendations/\(index)"
                let bounds = ["target", "lowerBound", "upperBound", "uncappedTarget"]
                #expect(members(answer, place) == Set(bounds + ["containerName"]))
                #expect(answer.string(place + "/containerName") == name)
                for bound in bounds {
                    #expect(members(answer, "\(place)/\(bound)") == ["cpu", "memory"])
                    #expect(answer.string("\(place)/\(bound)/cpu")?.wholeMatch(of: /[0-9]+m?/) != nil)
                    #expect(answer.string("\(place)/\(bound)/memory")?.wholeMatch(of: /[0-9]+([KMGT]i)?/) != nil)
                }
                // Two containers share what a replica has.
                let whole = try #require(decision.string("/desired/memory").flatMap { Quantity.bytes($0) })
                #expect(answer.string(place + "/target/memory").flatMap { Quantity.bytes($0) } == whole / 2)
            }
            #expect(
                members(answer, "/conditions/0") == ["type", "status", "lastTransitionTime", "reason", "message"])
            #expect(answer.string("/conditions/0/type") == "RecommendationProvided")
            #expect(answer.string("/conditions/0/status") == "True")
        }
    }

    /// Open Inference Protocol, specification/protocol/inference_rest.md: requests and answers of its six routes.
    @Test func openInferenceProtocol() async throws {
        try await withRest { server in
            let body = #"""
                {"id": "r1", "parameters": {}, "inputs": [
                  {"name": "replicas", "shape": [1], "datatype": "INT64", "data": [3]},
                  {"name": "cpuUtilization", "shape": [1, 1], "datatype": "FP64", "data": [[0.95]]}]}
                """#
            let infer = "/v2/models/shop/infer"
            let first = try await server.send("POST", infer, body)
            #expect(first.status == 200 && first.string("/model_name") == "shop", "\(first.text)")
            #expect(first.string("/id") == "r1", "the identifier of the request must be returned")
            #expect(first.string("/outputs/0/name") == "replicas" && first.string("/outputs/0/datatype") == "INT64")
            #expect(first.integer("/outputs/0/shape/0") == 1 && (first.integer("/outputs/0/data/0") ?? 0) > 3)
            let again = try await server.send("POST", infer, body)
            #expect(again.body == first.body, "the same id is the same decision")
            let some = try await server.send(
                "POST", infer,
                #"{"inputs": [{"name": "replicas", "shape": [1], "datatype": "INT64", "data": [3]}], "outputs": [{"name": "memoryBytes"}]}"#
            )
            #expect((some["/outputs"] as? [Any])?.count == 1 && some.string("/outputs/0/name") == "memoryBytes")
            #expect(some.string("/id") == some.string("/parameters/decision"), "without one it is the decision's")

            for (wrong, status) in [
                ("{", 400),
                (#"{"inputs": [{"name": "cpuUtilization", "data": ["x"]}, {"name": "a", "data": []}]}"#, 400),
                (#"{"inputs": [{"name": "replicas", "data": [-1]}]}"#, 422),
            ] {
                let answer = try await server.send("POST", infer, wrong)
                #expect(answer.status == status && answer.string("/error")?.isEmpty == false, "\(answer.text)")
                #expect(answer.string("/error") == answer.string("/detail"))
            }
            let model = try await server.send("GET", "/v2/models/shop")
            #expect(model.string("/name") == "shop" && model.string("/platform") == "aware")
            #expect(model.string("/inputs/0/name") == "replicas" && model.string("/inputs/0/datatype") == "INT64")
            #expect((model["/outputs"] as? [Any])?.count == 3)
            let types = ((model["/inputs"] as? [[String: Any]]) ?? []).compactMap { $0["datatype"] as? String }
            #expect(Set(types) == ["INT64", "FP64", "BOOL", "BYTES"])
            #expect(try await server.send("GET", "/v2/models/shop/ready").text == #"{"name":"shop","ready":true}"#)
            #expect(try await server.send("GET", "/v2/models/none").string("/error")?.contains("none") == true)
            #expect(try await server.send("GET", "/v2/health/ready").boolean("/ready") == true)
            #expect(try await server.send("GET", "/v2/health/live").boolean("/live") == true)
            #expect(try await server.send("GET", "/v2").string("/name") == "aware")
        }
    }
}

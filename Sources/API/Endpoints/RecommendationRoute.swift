// GET .../recommendation: the last decision in the shapes that other autoscalers read.
//
// Without a format: the status of a MultidimPodAutoscaler (kubernetes/autoscaler, multidimensional-pod-autoscaler,
// types.go), whose `recommendation` is that of a VerticalPodAutoscaler. `format=keda`: what KEDA's metrics-api scaler
// reads with `valueLocation: desiredReplicas`. `format=cpa`: what an evaluation of jthomperoo's Custom Pod Autoscaler
// prints.

import Agents
import Deciding
import HTTPServer
import Scaling
import Store

enum RecommendationRoute {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/recommendation") { request, response in
            do throws(Refusal) {
                return try answer(api, request, &response)
            } catch {
                error.write(to: response)
                return .respond
            }
        }
    }

    private static func answer(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) throws(Refusal) -> Outcome {
        let agent = try api.agent(named: request.parameter(0))
        let format = request.query("format") ?? "mpa"
        guard ["mpa", "vpa", "keda", "cpa"].contains(format) else {
            throw Refusal(
                .badRequest, "format is mpa, vpa, keda or cpa.",
                errors: [
                    ProblemItem(pointer: "/format", code: "value", detail: "\"\(format.prefix(20))\" is none of them.")
                ])
        }
        let seq = agent.status(nil).lastSeq
        guard seq > 0 else {
            throw Refusal(.notFound, "\(agent.name) has decided nothing yet: POST an observation first.")
        }
        // A pin counts at once, not from the next observation on.
        let control = api.controls.control(of: agent)
        let pin = control.pin.flatMap { api.now(nil) < $0.until ?? .infinity ? $0 : nil }
        let etag = "\"\(seq)-\(format)\(pin.map { "-\(Int($0.created * 1000))" } ?? "")\""
        response.addHeader("ETag", etag)
        response.addHeader("Cache-Control", "no-cache")
        guard !request.ifNoneMatch(etag) else {
            response.status = .notModified
            return .respond
        }
        return api.later(request) {
            guard let decision = try api.database.decision(seq: seq) else {
                throw Refusal(.serviceUnavailable, "The decision is being stored.", headers: [("Retry-After", "1")])
            }
            let profile = agent.profile
            let desired = pin.map { profile.clamp($0.allocation) } ?? decision.desired
            var json = JSONWriter(reserving: 1024)
            write(decision, desired, format, profile, to: &json)
            return ResponseBytes(headers: [("ETag", etag), ("Cache-Control", "no-cache")], body: json.bytes)
        }
    }

    private static func write(
        _ decision: Decision, _ desired: Allocation, _ format: String, _ profile: Profile, to json: inout JSONWriter
    ) {
        let time = Timestamp.text(decision.time)
        json.object { json in
            switch format {
            case "keda": json.member("desiredReplicas", desired.replicas)
            case "cpa": json.member("targetReplicas", desired.replicas)
            default:
                if format == "mpa" {
                    json.member("currentReplicas", decision.current.replicas)
                    json.member("desiredReplicas", desired.replicas)
                    if desired.replicas != decision.current.replicas { json.member("lastScaleTime", time) }
                }
                writeVertical(decision, desired, profile, to: &json)
                json.array("conditions") { json in
                    json.object { json in
                        json.member("type", "RecommendationProvided")
                        json.member("status", "True")
                        json.member("reason", decision.reason.rawValue)
                        json.member(
                            "message",
                            "\(decision.source.rawValue), decision \(DecisionID.text(time: decision.time, seq: decision.seq))"
                        )
                        json.member("lastTransitionTime", time)
                    }
                }
            }
        }
    }

    /// The bounds are what the profile allows; `uncappedTarget` is what the actor wanted before the guards.
    private static func writeVertical(
        _ decision: Decision, _ desired: Allocation, _ profile: Profile, to json: inout JSONWriter
    ) {
        func resources(_ key: StaticString, _ cpu: Int, _ memory: Int, _ json: inout JSONWriter) {
            json.object(key) {
                $0.member("cpu", Quantity.text(millicores: cpu))
                $0.member("memory", Quantity.text(bytes: memory))
            }
        }
        json.object("recommendation") { json in
            json.array("containerRecommendations") { json in
                for container in profile.containers {
                    json.object { json in
                        json.member("containerName", container)
                        resources("target", desired.cpuMillicores, desired.memoryBytes, &json)
                        resources("lowerBound", profile.cpu.min, profile.memory.min, &json)
                        resources("upperBound", profile.cpu.max, profile.memory.max, &json)
                        resources(
                            "uncappedTarget", decision.proposed.cpuMillicores, decision.proposed.memoryBytes, &json)
                    }
                }
            }
        }
    }
}

// GET .../recommendation: the last decision in the shapes that other autoscalers read.
//
// Without a format: the status of a MultidimPodAutoscaler (kubernetes/autoscaler, multidimensional-pod-autoscaler,
// types.go), whose `recommendation` is that of a VerticalPodAutoscaler. `format=keda`: what KEDA's metrics-api scaler
// reads with `valueLocation: desiredReplicas`. `format=cpa`: what an evaluation of jthomperoo's Custom Pod Autoscaler
// prints.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum RecommendationRoute {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/recommendation") { request, response in
            do throws(APIError) {
                return try answer(api, request, &response)
            } catch {
                error.write(to: response)
                return .respond
            }
        }
    }

    private static func answer(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) throws(APIError) -> HandlerResult {
        let agent = try api.agent(named: request.parameter(0))
        let format = request.query("format") ?? "mpa"
        guard ["mpa", "vpa", "keda", "cpa"].contains(format) else {
            throw APIError(
                .badRequest, "format is mpa, vpa, keda or cpa.",
                errors: [
                    ProblemItem(pointer: "/format", code: "value", detail: "\"\(format.prefix(20))\" is none of them.")
                ])
        }
        let maxAge = try maxAge(request, agent.profile)
        let status = agent.status(nil)
        let seq = status.lastSeq
        guard seq > 0 else {
            throw APIError(.notFound, "\(agent.name) has decided nothing yet: POST an observation first.")
        }
        // A pin counts at once, not from the next observation on; it does not grow old.
        let pin = api.controls.pin(of: agent)
        // Where the observations make the time, an application's clock stands between two of them.
        let age = api.clock.followsObservations ? 0 : max(0, api.clock.now - (status.updated ?? 0))
        guard pin != nil || age <= maxAge else {
            throw APIError(
                .serviceUnavailable,
                "The last decision on \(agent.name) is \(Int(age)) s old, and maxAgeSeconds is \(Int(maxAge)): nobody reports observations.",
                headers: [("Retry-After", "\(agent.profile.stepSeconds)"), ("Age", "\(Int(age))")])
        }
        // Whoever polls must be told of a changed profile, too: no recommendation leaves its limits.
        let etag = "\"\(seq)-\(agent.revision)-\(format)\(pin.map { "-\(Int($0.created * 1000))" } ?? "")\""
        response.addHeader("ETag", etag)
        response.addHeader("Age", "\(Int(age))")
        guard !request.ifNoneMatch(etag) else {
            response.status = .notModified
            return .respond
        }
        return api.later(request) {
            guard let decision = try api.store.decision(seq: seq, of: nil) else {
                throw APIError(.serviceUnavailable, "The decision is being stored.", headers: [("Retry-After", "1")])
            }
            let profile = agent.profile
            var desired = profile.clamp(pin?.allocation ?? decision.desired)
            // An application that was switched off stays off.
            if pin == nil, decision.desired.replicas == 0 { desired.replicas = 0 }
            var json = JSONWriter(reserving: 1024)
            write(decision, agent.id(of: decision), desired, format, profile, to: &json)
            return ResponseBytes(headers: [("ETag", etag), ("Age", "\(Int(age))")], body: json.bytes)
        }
    }

    /// Seconds after which a decision is not recommended any more, so that the reader's own fallback begins (KEDA's
    /// `fallback`): what the query says, or ten steps.
    private static func maxAge(_ request: borrowing Request, _ profile: Profile) throws(APIError) -> Double {
        guard let text = request.query("maxAgeSeconds") else { return maxAge(of: profile) }
        guard let seconds = Double(text), seconds.isFinite, seconds >= 1 else {
            throw APIError(
                .badRequest, "maxAgeSeconds is a number of seconds, 1 or more.",
                errors: [
                    ProblemItem(
                        pointer: "/maxAgeSeconds", code: "value", detail: "\"\(text.prefix(20))\" is none.")
                ])
        }
        return seconds
    }

    static func maxAge(of profile: Profile) -> Double { Double(10 * profile.stepSeconds) }

    private static func write(
        _ decision: Decision, _ id: String, _ desired: Allocation, _ format: String, _ profile: Profile,
        to json: inout JSONWriter
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
                            "\(decision.source.rawValue), decision \(id)"
                        )
                        json.member("lastTransitionTime", time)
                    }
                }
            }
        }
    }

    /// VPA's updater touches a pod only outside the bounds: they are tight around a target that is wanted, and as wide as
    /// the profile where nothing shall change. Several containers get equal shares of the whole. `uncappedTarget` is
    /// what the actor wanted before the guards.
    private static func writeVertical(
        _ decision: Decision, _ desired: Allocation, _ profile: Profile, to json: inout JSONWriter
    ) {
        let count = max(1, profile.containers.count)
        func resources(_ key: StaticString, _ cpu: Int, _ memory: Int, _ json: inout JSONWriter) {
            json.object(key) {
                $0.member("cpu", Quantity.text(millicores: max(1, cpu / count)))
                $0.member("memory", Quantity.text(bytes: max(1, memory / count / 1_048_576) * 1_048_576))
            }
        }
        let cpuStays = desired.cpuMillicores == decision.current.cpuMillicores
        let memoryStays = desired.memoryBytes == decision.current.memoryBytes
        json.object("recommendation") { json in
            json.array("containerRecommendations") { json in
                for container in profile.containers {
                    json.object { json in
                        json.member("containerName", container)
                        resources("target", desired.cpuMillicores, desired.memoryBytes, &json)
                        resources(
                            "lowerBound", cpuStays ? min(profile.cpu.min, desired.cpuMillicores) : desired.cpuMillicores,
                            memoryStays ? min(profile.memory.min, desired.memoryBytes) : desired.memoryBytes, &json)
                        resources(
                            "upperBound", cpuStays ? max(profile.cpu.max, desired.cpuMillicores) : desired.cpuMillicores,
                            memoryStays ? max(profile.memory.max, desired.memoryBytes) : desired.memoryBytes, &json)
                        resources(
                            "uncappedTarget", decision.proposed.cpuMillicores, decision.proposed.memoryBytes, &json)
                    }
                }
            }
        }
    }
}

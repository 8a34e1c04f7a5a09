// POST .../recommender: the external recommender protocol of Datadog's WatermarkPodAutoscaler and DatadogPodAutoscaler.
//
// DataDog/watermarkpodautoscaler, apis/datadoghq/v1alpha1 (spec.recommender) and DataDog/datadog-operator (annotation
// autoscaling.datadoghq.com/custom-recommender): a request carries the target and its constraints, no metrics; the answer
// is the last decision, if that is young enough.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum RecommenderRoute {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.post, "/v1/applications/{app}/recommender") { request, response in
            let bounds: (min: Int, max: Int)
            do throws(JSONParser.ParseFailure) {
                let body = try api.loops[request.loop].parser.parse(padded: request.body)
                guard body.kind == .object else {
                    APIError([ProblemItem(pointer: "", code: "type", detail: "A request is an object, not \(body.summary).")])
                        .write(to: response)
                    return .respond
                }
                bounds = read(body)
            } catch {
                APIError(error).write(to: response)
                return .respond
            }
            let name = request.parameter(0)
            return api.later(request) { try answer(name, bounds, api) }
        }
    }

    /// `constraints: {minReplicas, maxReplicas}`; the rest of a request tells nothing that aware has to know.
    private static func read(_ value: JSONValue) -> (min: Int, max: Int) {
        var bounds = (min: 0, max: Int.max)
        value.forEachMember { key, constraints in
            guard key.elementsEqual("constraints".utf8), constraints.kind == .object else { return }
            constraints.forEachMember { key, value in
                guard let count = value.integer, count >= 0 else { return }
                if key.elementsEqual("minReplicas".utf8) { bounds.min = count }
                if key.elementsEqual("maxReplicas".utf8), count > 0 { bounds.max = count }
            }
        }
        return bounds
    }

    private static func answer(_ name: String, _ bounds: (min: Int, max: Int), _ api: APIContext) throws -> ResponseBytes {
        let agent = try api.agent(named: name)
        let status = agent.status(nil)
        guard status.lastSeq > 0, let decision = try api.store.decision(seq: status.lastSeq, of: nil) else {
            throw APIError(.notFound, "\(name) has decided nothing yet: POST an observation first.")
        }
        let age = api.clock.followsObservations ? 0 : api.clock.now - decision.time
        guard age <= RecommendationRoute.maxAge(of: agent.profile) else {
            throw APIError(.serviceUnavailable, "The last decision on \(name) is \(Int(age)) s old: nobody reports observations.")
        }
        let pin = api.controls.pin(of: agent)
        let wanted = pin?.allocation.replicas ?? decision.desired.replicas
        var json = JSONWriter()
        json.object { json in
            json.member("timestamp", Timestamp.text(decision.time))
            json.member("targetReplicas", Swift.max(bounds.min, Swift.min(wanted, bounds.max)))
            json.member("reason", "\(decision.source.rawValue), \(decision.reason.rawValue)")
        }
        return ResponseBytes(body: json.bytes)
    }
}

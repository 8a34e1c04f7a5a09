// The Open Inference Protocol (open-inference/open-inference-protocol, specification/protocol/inference_rest.md): an
// application is a model, the members of an observation are its inputs, the allocation that is answered its outputs.

import Agents
import HTTPServer
import Scaling
import Store

enum InferRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v2/health/live") { _, response in
            response.contentType = .json
            response.body("{\"live\":true}")
            return .respond
        }
        router.add(.get, "/v2/health/ready") { _, response in
            response.status = api.isReady ? .ok : .serviceUnavailable
            response.contentType = .json
            response.body(api.isReady ? "{\"ready\":true}" : "{\"ready\":false}")
            return .respond
        }
        router.add(
            .post, "/v2/models/{app}/infer",
            IdempotencyDesk.once(api) { request, response in infer(api, request, &response) })
    }

    private static func infer(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> Outcome {
        let name = request.parameter(0)
        let isDryRun = request.query("dryRun", is: "true")
        var parsed: ObservationRequest
        do {
            parsed = read(try api.loops[request.loop].parser.parse(padded: request.body))
        } catch {
            Refusal(error).write(to: response)
            return .respond
        }
        guard parsed.errors.isEmpty else {
            DecideRoute.refuse(parsed.errors, &response)
            return .respond
        }
        parsed.id = parsed.id ?? IdempotencyDesk.decisionID(request, api)
        LaterDecision.decide(parsed, of: name, isDryRun: isDryRun, request.deferral(), api, form: write)
        return .deferred
    }

    /// Every input is a tensor with one element, named like a member of an observation.
    private static func read(_ value: JSONValue) -> ObservationRequest {
        var request = ObservationRequest(observation: Observation(replicas: 0))
        var reader = ObjectReader(value, at: "")
        request.id = reader.text("id", max: 64)
        for ignored in ["parameters", "outputs"] { _ = reader.take(ignored) }
        var hasReplicas = false
        if let inputs = reader.take("inputs"), inputs.kind == .array {
            inputs.forEachElement { index, element in
                var tensor = ObjectReader(element, at: "/inputs/\(index)")
                let name = tensor.text("name", max: 64) ?? ""
                for ignored in ["shape", "datatype", "parameters"] { _ = tensor.take(ignored) }
                if let value = tensor.take("data").flatMap(only) {
                    if name == "replicas" { hasReplicas = true }
                    if let (code, detail) = ObservationCodec.store(value, named: name, into: &request) {
                        tensor.complain("data", code, detail)
                    }
                } else {
                    tensor.complain("data", "type", "An array with one element is expected.")
                }
                tensor.finish()
                reader.append(tensor.errors)
            }
            if !hasReplicas { reader.complain("inputs", "required", "An input named \"replicas\" is needed.") }
        } else {
            reader.complain("inputs", "required", "An array of inputs is expected.")
        }
        reader.finish()
        request.errors = reader.errors
        return request
    }

    /// The element of `[x]` or `[[x]]`.
    private static func only(_ value: JSONValue) -> JSONValue? {
        guard value.kind == .array, value.count == 1 else { return nil }
        var element: JSONValue?
        value.forEachElement { _, inner in element = inner.kind == .array ? only(inner) : inner }
        return element
    }

    private static func write(_ decision: Decision, _ name: String) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("model_name", name)
            json.member("model_version", "\(decision.modelVersion)")
            json.member("id", DecisionID.text(time: decision.time, seq: decision.seq))
            json.object("parameters") {
                $0.member("source", decision.source.rawValue)
                $0.member("reason", decision.reason.rawValue)
            }
            json.array("outputs") { json in
                for (name, amount) in [
                    ("replicas", decision.desired.replicas), ("cpuMillicores", decision.desired.cpuMillicores),
                    ("memoryBytes", decision.desired.memoryBytes),
                ] {
                    json.object { json in
                        json.member("name", name)
                        json.member("datatype", "INT64")
                        json.array("shape") { $0.element(1.0) }
                        json.array("data") { $0.element(Double(amount)) }
                    }
                }
            }
        }
        return json.bytes
    }
}

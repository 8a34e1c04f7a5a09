// The Open Inference Protocol (kserve/open-inference-protocol, specification/protocol/inference_rest.md): an application
// is a model, the members of an observation are its inputs, the allocation that is answered its outputs.

import Agents
import Deciding
import HTTPServer
import Operations
import Scaling

enum InferRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v2") { _, response in
            response.contentType = .json
            response.body("{\"name\":\"aware\",\"version\":\"1\",\"extensions\":[]}")
            return .respond
        }
        router.add(.get, "/v2/health/live") { _, response in
            response.contentType = .json
            response.body("{\"live\":true}")
            return .respond
        }
        router.add(.get, "/v2/health/ready") { _, response in
            // The protocol's text has said `live` and `ready` here at different times: clients look for either.
            response.status = api.isReady ? .ok : .serviceUnavailable
            response.contentType = .json
            response.body(api.isReady ? "{\"live\":true,\"ready\":true}" : "{\"live\":true,\"ready\":false}")
            return .respond
        }
        router.add(.get, "/v2/models/{app}") { request, response in
            model(api, request, &response, describe)
        }
        router.add(.get, "/v2/models/{app}/ready") { request, response in
            model(api, request, &response) { name in
                var json = JSONWriter()
                json.object { json in
                    json.member("name", name)
                    json.member("ready", api.isReady)
                }
                return json.bytes
            }
        }
        router.add(
            .post, "/v2/models/{app}/infer",
            IdempotentRoute.once(api) { request, response in infer(api, request, &response) })
    }

    private static func model(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ body: (String) -> [UInt8]
    ) -> HandlerResult {
        do throws(APIError) {
            let agent = try api.agent(named: request.parameter(0))
            response.contentType = .json
            response.body(body(agent.name))
        } catch {
            APIError(refuse(error.response)).write(to: response)
        }
        return .respond
    }

    /// The metadata of a model; only `replicas` of the inputs must be given.
    private static func describe(_ name: String) -> [UInt8] {
        func tensor(_ name: String, _ type: String, _ json: inout JSONWriter) {
            json.object { json in
                json.member("name", name)
                json.member("datatype", type)
                json.array("shape") { $0.element(1.0) }
            }
        }
        var json = JSONWriter(reserving: 2048)
        json.object { json in
            json.member("name", name)
            json.member("platform", "aware")
            json.array("inputs") { json in
                for (name, type) in ObservationCodec.tensors { tensor(name, type, &json) }
            }
            json.array("outputs") { json in for output in Output.allCases { tensor(output.rawValue, "INT64", &json) } }
        }
        return json.bytes
    }

    private static func infer(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> HandlerResult {
        do throws(APIError) {
            let isDryRun = try DecideRoute.isDryRun(request)
            let document: JSONValue
            do throws(JSONParser.ParseFailure) {
                document = try api.loops[request.loop].parser.parse(padded: request.body)
            } catch {
                throw APIError(error)
            }
            let inference = Inference(document)
            guard inference.errors.isEmpty else {
                throw APIError(inference.errors)
            }
            var asked = inference.observation.request(isDryRun: isDryRun)
            asked.clientID = asked.clientID ?? IdempotentRoute.decisionID(request, api)
            BackgroundDecision.decide(
                asked, of: request.parameter(0), request.deferral(), api,
                form: .init(write: inference.answer, refuse: refuse))
            return .deferred
        } catch {
            APIError(refuse(error.response)).write(to: response)
            return .respond
        }
    }

    /// The protocol wants an object with the message as `error`: problem details that have it, too.
    private static func refuse(_ response: ResponseBytes) -> ResponseBytes {
        guard response.contentType == .problem else { return response }
        var answer = response
        let parser = JSONParser()
        let text = String(decoding: response.body, as: UTF8.self)
        let detail = try? parser.withDocument(text) { problem -> String? in
            var detail: String?
            problem.forEachMember { key, value in if key.elementsEqual("detail".utf8) { detail = value.string } }
            return detail
        }
        var json = JSONWriter()
        json.object { $0.member("error", (detail ?? nil) ?? "refused") }
        // `{"error":"..."` and then the members of the problem.
        answer.body = json.bytes.dropLast() + Array(",".utf8) + response.body.dropFirst()
        return answer
    }

    /// What can be asked for.
    fileprivate enum Output: String, CaseIterable {
        case replicas, cpuMillicores, memoryBytes

        func value(of allocation: Allocation) -> Int {
            switch self {
            case .replicas: allocation.replicas
            case .cpuMillicores: allocation.cpuMillicores
            case .memoryBytes: allocation.memoryBytes
            }
        }
    }
}

/// An inference request: every input is a tensor with one element, named like a member of an observation.
private struct Inference: Sendable {
    var observation = ObservationRequest(observation: Observation(replicas: 0))
    private(set) var errors: [ProblemItem] = []
    /// The request's own id, which the answer repeats. It is the decision's id, too: the same one gets the same decision.
    private let id: String?
    private var outputs: [InferRoutes.Output] = InferRoutes.Output.allCases

    init(_ value: JSONValue) {
        var reader = ObjectReader(value, at: "")
        id = reader.text("id", max: 64)
        if let id, id.isEmpty || !id.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            reader.complain("id", "id", "An id has 1 to 64 printable ASCII characters without spaces.")
        }
        observation.id = id
        reader.ignore("parameters", .object)
        readInputs(&reader)
        readOutputs(&reader)
        reader.finish()
        errors = reader.errors
    }

    private mutating func readInputs(_ reader: inout ObjectReader) {
        guard let inputs = reader.take("inputs"), inputs.kind == .array else {
            return reader.complain("inputs", "required", "An array of inputs is expected.")
        }
        var hasReplicas = false
        var complaints: [ProblemItem] = []
        inputs.forEachElement { index, element in
            var tensor = ObjectReader(element, at: "/inputs/\(index)")
            let name = tensor.text("name", max: 64) ?? ""
            // What a tensor is follows from its name; what is said of it must only be of the right form.
            tensor.ignore("shape", .array)
            tensor.ignore("datatype", .string)
            tensor.ignore("parameters", .object)
            if let value = tensor.take("data").flatMap(Self.only) {
                if name == "replicas", !value.isNull { hasReplicas = true }
                if let (code, detail) = ObservationCodec.store(value, named: name, into: &observation) {
                    tensor.complain("data", code, detail)
                }
            } else {
                tensor.complain("data", "type", "An array with one element is expected.")
            }
            tensor.finish()
            if complaints.count < ObjectReader.complaintsMax { complaints += tensor.errors }
        }
        reader.append(complaints)
        if !hasReplicas { reader.complain("inputs", "required", "An input named \"replicas\" is needed.") }
    }

    private mutating func readOutputs(_ reader: inout ObjectReader) {
        guard let wanted = reader.take("outputs") else { return }
        guard wanted.kind == .array else {
            return reader.complain("outputs", "type", "An array of outputs is expected.")
        }
        var found: [InferRoutes.Output] = []
        var complaints: [ProblemItem] = []
        wanted.forEachElement { index, element in
            var output = ObjectReader(element, at: "/outputs/\(index)")
            output.ignore("parameters", .object)
            if let known = output.choice("name", InferRoutes.Output.self) {
                found.append(known)
            } else if output.errors.isEmpty {
                output.complain("name", "required", "The name of an output is needed, for example \"replicas\".")
            }
            output.finish()
            if complaints.count < ObjectReader.complaintsMax { complaints += output.errors }
        }
        reader.append(complaints)
        // Each output is answered once, however often it is asked for.
        if !found.isEmpty { outputs = InferRoutes.Output.allCases.filter(found.contains) }
    }

    /// The element of `[x]` or `[[x]]`.
    private static func only(_ value: JSONValue) -> JSONValue? {
        guard value.kind == .array, value.count == 1 else { return nil }
        var element: JSONValue?
        value.forEachElement { _, inner in element = inner.kind == .array ? only(inner) : inner }
        return element
    }

    @Sendable func answer(_ decision: Decision, _ agent: Agent) -> [UInt8] {
        let decisionID = agent.id(of: decision)
        var json = JSONWriter()
        json.object { json in
            json.member("model_name", agent.name)
            json.member("model_version", "\(decision.modelVersion)")
            json.member("id", id ?? decisionID)
            json.object("parameters") {
                $0.member("decision", decisionID)
                $0.member("source", decision.source.rawValue)
                $0.member("reason", decision.reason.rawValue)
            }
            json.array("outputs") { json in
                for output in outputs {
                    json.object { json in
                        json.member("name", output.rawValue)
                        json.member("datatype", "INT64")
                        json.array("shape") { $0.element(1.0) }
                        json.array("data") { $0.element(Double(output.value(of: decision.desired))) }
                    }
                }
            }
        }
        return json.bytes
    }
}

extension ObjectReader {
    /// Takes a member whose content does not matter here.
    fileprivate mutating func ignore(_ key: String, _ kind: JSONValue.Kind) {
        guard let value = take(key), value.kind != kind else { return }
        complain(key, "type", "\(kind == .string ? "A" : "An") \(kind.rawValue) is expected, not \(value.summary).")
    }
}

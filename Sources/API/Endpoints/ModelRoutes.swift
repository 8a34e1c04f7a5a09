// One model version: its description, and its weights in and out.

import Agents
import Base
import HTTPServer
import Operations

enum ModelRoutes {
    private static let weightsBytesMax = 8 << 20

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/models/{version}") { request, _ in
            let (name, text) = (request.parameter(0), request.parameter(1))
            return api.later(request) {
                let agent = try api.agent(named: name)
                let model = try api.service.model(text, of: agent)
                var json = JSONWriter()
                json.object { json in
                    describe(model, acting: api.table.activePolicy(of: agent.id)?.version, to: &json)
                    json.member("weightsBytes", model.weights.count)
                }
                return ResponseBytes(body: json.bytes)
            }
        }
        router.add(.get, "/v1/applications/{app}/models/{version}/weights") { request, _ in
            let (name, text) = (request.parameter(0), request.parameter(1))
            let wantsJSON = (request.header("accept") ?? "").hasPrefix("application/json")
            return api.later(request) {
                let model = try api.service.model(text, of: api.agent(named: name))
                let headers: [(name: StaticString, value: String)] = [
                    ("ETag", "\"\(model.version)\""), ("Vary", "Accept"),
                ]
                guard wantsJSON else {
                    return ResponseBytes(contentType: .octetStream, headers: headers, body: model.weights)
                }
                return ResponseBytes(headers: headers, body: WeightsCodec.encode(try ApplicationService.policy(of: model.weights)))
            }
        }
        router.add(
            .put, "/v1/applications/{app}/models/{version}/weights",
            options: RouteOptions(bodyBytesMax: weightsBytesMax)
        ) { request, response in putWeights(api, request, &response) }
    }

    private static func putWeights(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> HandlerResult {
        let (name, text) = (request.parameter(0), request.parameter(1))
        var weights: [UInt8]
        if request.contentTypeIs(among: .json) {
            do {
                let (decoded, errors) = WeightsCodec.decode(
                    try api.loops[request.loop].parser.parse(padded: request.body))
                guard errors.isEmpty else {
                    APIError(errors).write(to: response)
                    return .respond
                }
                weights = decoded
            } catch {
                APIError(error).write(to: response)
                return .respond
            }
        } else {
            guard request.contentTypeIs(among: .octetStream) else {
                response.problem(.unsupportedMediaType, detail: "Send application/octet-stream or application/json.")
                return .respond
            }
            weights = Array(request.body)
        }
        let action = OperatorAction(
            operatorName: api.caller(of: request), action: "import", time: api.clock.now, application: name)
        let deferral = request.deferral()
        api.inBackground(deferral) { [weights] in
            let agent = try api.agent(named: name)
            let model = try api.service.imported(weights, as: text, of: agent, by: action)
            TrainingRoutes.carryOut(.adopt(model), agent, action, "{\"version\":\(model.version)}", deferral, api)
        }
        return .deferred
    }

    /// What the list of models and a single one have in common.
    static func describe(_ model: ModelVersion, acting: Int?, to json: inout JSONWriter) {
        json.member("version", model.version)
        json.member("parent", model.parent)
        json.member("created", Timestamp.text(model.created))
        json.member("algorithm", model.algorithm)
        json.member("episodes", model.episode)
        json.member("acting", model.version == acting)
        json.object("diagnostics") { json in
            for (key, value) in model.diagnostics.sorted(by: { $0.key < $1.key }) { json.member(named: key, value) }
        }
    }
}

// One model version: its description, and its weights in and out.

import Agents
import Deciding
import HTTPServer
import Learning
import Scaling
import Store

enum ModelRoutes {
    private static let weightsBytesMax = 8 << 20
    /// Several times the largest network served here: more would only make each decision slower.
    private static let parametersMax = 1 << 18

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/models/{version}") { request, _ in
            let (name, text) = (request.parameter(0), request.parameter(1))
            return api.later(request) {
                let agent = try api.agent(named: name)
                let model = try model(text, of: agent, api)
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
                let model = try model(text, of: try api.agent(named: name), api)
                let headers: [(name: StaticString, value: String)] = [
                    ("ETag", "\"\(model.version)\""), ("Vary", "Accept"),
                ]
                guard wantsJSON else {
                    return ResponseBytes(contentType: .octetStream, headers: headers, body: model.weights)
                }
                return ResponseBytes(headers: headers, body: WeightsCodec.encode(try policy(of: model.weights)))
            }
        }
        router.add(
            .put, "/v1/applications/{app}/models/{version}/weights",
            options: RouteOptions(bodyBytesMax: weightsBytesMax)
        ) { request, response in putWeights(api, request, &response) }
    }

    private static func putWeights(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> HTTPServer.Outcome {
        let (name, text) = (request.parameter(0), request.parameter(1))
        var weights: [UInt8]
        if request.contentTypeIs("application/json") {
            do {
                let (decoded, errors) = WeightsCodec.decode(
                    try api.loops[request.loop].parser.parse(padded: request.body))
                guard errors.isEmpty else {
                    DecideRoute.refuse(errors, &response)
                    return .respond
                }
                weights = decoded
            } catch {
                Refusal(error).write(to: response)
                return .respond
            }
        } else {
            guard request.contentTypeIs("application/octet-stream") else {
                response.problem(.unsupportedMediaType, detail: "Send application/octet-stream or application/json.")
                return .respond
            }
            weights = Array(request.body)
        }
        var order = PersonalOrder(actor: api.caller(of: request), action: "import", time: api.now(nil))
        order.application = name
        let deferral = request.deferral()
        api.inBackground(deferral) { [weights, order] in
            let agent = try api.agent(named: name)
            guard let version = Int(text), (1...1_000_000_000).contains(version) else {
                throw Refusal(.notFound, "\"\(text.prefix(20))\" is no version: a whole number from 1 is.")
            }
            _ = try policy(of: weights)
            let model = ModelVersion(
                application: agent.id, version: version, parent: 0, created: order.time, algorithm: "import",
                episode: api.trainer.trainedEpisode(of: agent.id), diagnostics: [:], weights: weights)
            TrainingRoutes.carryOut(.adopt(model), agent, order, "{\"version\":\(version)}", deferral, api)
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

    /// The version that a path names, or 404.
    static func model(_ text: String, of agent: Agent, _ api: APIContext) throws -> ModelVersion {
        guard let version = Int(text), version > 0, version <= Int32.max,
            let model = try api.database.model(of: agent.id, version: version)
        else { throw Refusal(.notFound, "\(agent.name) has no model version \"\(text.prefix(20))\".") }
        return model
    }

    /// A policy that fits the state and the actions of this server, or 422.
    static func policy(of weights: [UInt8]) throws -> Policy {
        let policy: Policy
        do {
            policy = try Policy(decoding: weights)
        } catch {
            throw Refusal(
                .unprocessableContent, "These are not the weights of a policy: \(error).",
                errors: [ProblemItem(pointer: "", code: "weights", detail: "Expected is what GET .../weights gives.")])
        }
        guard policy.shape.observationSize == StateEncoder.count, policy.shape.embeddingSize == 0,
            policy.shape.heads == ActionSpace.standard.headSizes
        else {
            throw Refusal(
                .unprocessableContent,
                "The policy is for \(policy.shape.observationSize) features and heads \(policy.shape.heads); this server has \(StateEncoder.count) and \(ActionSpace.standard.headSizes).",
                errors: [
                    ProblemItem(
                        pointer: "", code: "shape", detail: "The weights belong to another state or action space.")
                ])
        }
        guard policy.parameters.count <= parametersMax, policy.parameters.allSatisfy(\.isFinite) else {
            throw Refusal(
                .unprocessableContent,
                "The weights are not all finite, or there are more than \(parametersMax): \(policy.parameters.count).",
                errors: [ProblemItem(pointer: "", code: "weights", detail: "Such a network is never served.")])
        }
        return policy
    }
}

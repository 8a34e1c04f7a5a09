// A person's orders to an application's training: stage, retrain, reset, promote.

import Agents
import HTTPServer
import Learning
import Scaling
import Store

enum TrainingRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.put, "/v1/applications/{app}/stage") { request, response in
            order(api, request, &response, "stage", read: readStage) { _, stage in
                (.stage(stage.0, hold: stage.hold), #"{"stage":"\#(stage.0.rawValue)","hold":\#(stage.hold)}"#)
            }
        }
        router.add(
            .post, "/v1/applications/{app}/retrain",
            IdempotencyDesk.once(api) { request, response in
                order(api, request, &response, "retrain", read: { _ in }) { _, _ in (.retrain, "{}") }
            })
        router.add(
            .post, "/v1/applications/{app}/reset",
            IdempotencyDesk.once(api) { request, response in
                order(api, request, &response, "reset", read: { _ in }) { _, _ in (.reset, "{}") }
            })
        let promote: Handler = { request, response in
            let text = request.parameter(1)
            return order(api, request, &response, "promote", read: { _ in }) { agent, _ in
                let model = try ModelRoutes.model(text, of: agent, api)
                return (
                    .promote(version: model.version, try ModelRoutes.policy(of: model.weights)),
                    "{\"version\":\(model.version)}"
                )
            }
        }
        router.add(.post, "/v1/applications/{app}/models/{version}/promote", IdempotencyDesk.once(api, promote))
    }

    private static func readStage(_ reader: inout ObjectReader) -> (Stage, hold: Bool) {
        let stage = reader.choice("stage", Stage.self)
        if stage == nil, reader.errors.isEmpty {
            reader.complain("stage", "required", "Give \"stage\": \"offline\", \"online\" or \"serving\".")
        }
        return (stage ?? .offline, reader.boolean("hold") ?? false)
    }

    /// Hands an order to the trainer and answers when it is on duty.
    private static func order<Content: Sendable>(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ action: String,
        read: (inout ObjectReader) -> Content,
        _ make: @escaping @Sendable (Agent, Content) throws -> (TrainingCommand, detail: String)
    ) -> HTTPServer.Outcome {
        let name = request.parameter(0)
        guard let (given, content) = ControlRoutes.order(api, request, &response, action, read) else { return .respond }
        var order = given
        order.application = name
        let deferral = request.deferral()
        api.inBackground(deferral) { [order] in
            let agent = try api.agent(named: name)
            let (training, detail) = try make(agent, content)
            carryOut(training, agent, order, detail, deferral, api)
        }
        return .deferred
    }

    static func carryOut(
        _ training: TrainingCommand, _ agent: Agent, _ order: PersonalOrder, _ detail: String, _ deferral: Deferral,
        _ api: APIContext
    ) {
        api.trainer.carryOut(training, for: agent, at: order.time, audit: order.entry(detail)) { result in
            api.inBackground(deferral) {
                let active: ActivePolicy
                do {
                    active = try result.get()
                } catch let failure as OrderFailure {
                    throw refusal(failure, agent)
                }
                var json = JSONWriter()
                json.object { json in
                    json.member("application", agent.name)
                    json.member("stage", active.stage.rawValue)
                    json.member("modelVersion", active.version)
                }
                api.complete(deferral, ResponseBytes(body: json.bytes))
            }
        }
    }

    private static func refusal(_ failure: OrderFailure, _ agent: Agent) -> Refusal {
        switch failure {
        case .noPolicy(let stage):
            Refusal(
                .conflict,
                "\(agent.name) has no policy yet, so it cannot be \(stage.rawValue). It is learning from the rules.",
                errors: [ProblemItem(pointer: "/stage", code: "noPolicy", detail: "Only \"offline\" is possible now.")])
        case .versionTaken(let next):
            Refusal(.conflict, "Versions are immutable and numbered upwards: the next free one is \(next).")
        }
    }
}

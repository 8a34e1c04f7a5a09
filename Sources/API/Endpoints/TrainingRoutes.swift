// An operator's commands to an application's training: stage, retrain, reset, promote, take a calibration back.

import Agents
import HTTPServer
import Operations

enum TrainingRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.put, "/v1/applications/{app}/stage") { request, response in
            order(api, request, &response, "stage", read: readStage) { _, stage in
                (.stage(stage.0, hold: stage.hold), #"{"stage":"\#(stage.0.rawValue)","hold":\#(stage.hold)}"#)
            }
        }
        router.add(
            .post, "/v1/applications/{app}/retrain",
            IdempotentRoute.once(api) { request, response in
                order(api, request, &response, "retrain", read: { _ in }) { _, _ in (.retrain, "{}") }
            })
        router.add(
            .post, "/v1/applications/{app}/reset",
            IdempotentRoute.once(api) { request, response in
                order(api, request, &response, "reset", read: { _ in }) { _, _ in (.reset, "{}") }
            })
        router.add(.delete, "/v1/applications/{app}/calibration") { request, response in
            order(api, request, &response, "calibration.remove", read: { _ in }) { _, _ in (.uncalibrate, "{}") }
        }
        let promote: Handler = { request, response in
            let text = request.parameter(1)
            return order(api, request, &response, "promote", read: { _ in }) { agent, _ in
                let model = try api.service.model(text, of: agent)
                return (
                    .promote(version: model.version, try ApplicationService.policy(of: model.weights)),
                    "{\"version\":\(model.version)}"
                )
            }
        }
        router.add(.post, "/v1/applications/{app}/models/{version}/promote", IdempotentRoute.once(api, promote))
    }

    private static func readStage(_ reader: inout ObjectReader) -> (Stage, hold: Bool) {
        let stage = reader.choice("stage", Stage.self)
        if stage == nil, reader.errors.isEmpty {
            reader.complain("stage", "required", "Give \"stage\": \"offline\", \"online\" or \"serving\".")
        }
        return (stage ?? .offline, reader.boolean("hold") ?? false)
    }

    /// Hands a command to the trainer and answers when it is on duty.
    private static func order<Content: Sendable>(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ name: String,
        read: (inout ObjectReader) -> Content,
        _ make: @escaping @Sendable (Agent, Content) throws -> (TrainingCommand, detail: String)
    ) -> HandlerResult {
        let application = request.parameter(0)
        guard let (given, content) = ControlRoutes.readAction(api, request, &response, name, read) else { return .respond }
        var action = given
        action.application = application
        let deferral = request.deferral()
        api.inBackground(deferral) { [action] in
            let agent = try api.agent(named: application)
            let (command, detail) = try make(agent, content)
            carryOut(command, agent, action, detail, deferral, api)
        }
        return .deferred
    }

    static func carryOut(
        _ command: TrainingCommand, _ agent: Agent, _ action: OperatorAction, _ detail: String, _ deferral: Deferral,
        _ api: APIContext
    ) {
        api.service.carryOut(command, for: agent, by: action, detail) { result in
            api.inBackground(deferral) {
                let active = try result.get()
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
}

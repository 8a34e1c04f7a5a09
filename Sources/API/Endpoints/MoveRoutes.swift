// An application's way to another server: seal, export, import.

import Agents
import Base
import Dispatch
import HTTPServer
import Operations

enum MoveRoutes {
    /// Bytes of an application's file.
    private static let bytesMax = 512 << 20
    /// A million decisions take some twenty seconds.
    private static let patience = RouteOptions(bodyBytesMax: bytesMax, patienceMilliseconds: 600_000)

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/seal") { request, _ in
            let name = request.parameter(0)
            return api.later(request) { try describe(try api.agent(named: name), api) }
        }
        router.add(.put, "/v1/applications/{app}/seal") { request, response in
            move(api, request, &response, "seal") { agent, action in
                try api.service.seal(agent, by: action)
                return try describe(agent, api)
            }
        }
        router.add(.delete, "/v1/applications/{app}/seal") { request, response in
            move(api, request, &response, "unseal") { agent, action in
                try api.service.unseal(agent, by: action)
                return try describe(agent, api)
            }
        }
        router.add(.get, "/v1/applications/{app}/export", options: patience) { request, _ in
            let name = request.parameter(0)
            return inBackground(api, request.deferral()) {
                let agent = try api.agent(named: name)
                return ResponseBytes(contentType: .octetStream, body: try api.service.export(agent))
            }
        }
        router.add(.put, "/v1/applications/{app}/import", options: patience) { request, response in
            guard request.contentTypeIs(among: .octetStream) else {
                response.problem(.unsupportedMediaType, detail: "Send application/octet-stream: what GET .../export gave.")
                return .respond
            }
            let action = OperatorAction(
                operatorName: api.caller(of: request), action: "arrive", time: api.clock.now, application: request.parameter(0))
            let bundle = request.keepBody()
            return inBackground(api, request.deferral()) {
                let agent = try api.service.adopt(bundle.array, as: action.application ?? "", decide: api.decide, by: action)
                return ResponseBytes(
                    status: .created, headers: [("ETag", "\"\(agent.revision)\"")], body: try ApplicationRoutes.describe(agent, api))
            }
        }
    }

    /// An act with a reason that may have to wait for what is being decided.
    private static func move(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ name: String,
        _ work: @escaping @Sendable (Agent, OperatorAction) throws -> ResponseBytes
    ) -> HandlerResult {
        let application = request.parameter(0)
        guard let (given, _) = ControlRoutes.readAction(api, request, &response, name, { _ in }) else { return .respond }
        var action = given
        action.application = application
        return inBackground(api, request.deferral()) { [action] in try work(try api.agent(named: application), action) }
    }

    /// Apart from all lanes: a long history takes seconds.
    private static func inBackground(
        _ api: APIContext, _ deferral: Deferral, _ work: @escaping @Sendable () throws -> ResponseBytes
    ) -> HandlerResult {
        api.lanes.moves.async {
            do {
                api.complete(deferral, try work())
            } catch {
                api.complete(deferral, APIError.response(to: error, api.log))
            }
        }
        return .deferred
    }

    private static func describe(_ agent: Agent, _ api: APIContext) throws -> ResponseBytes {
        let seal = try api.service.seal(of: agent)
        var json = JSONWriter()
        json.object { json in
            json.member("application", agent.name)
            json.member("sealed", seal != nil)
            json.member("reason", seal?.reason)
            json.member("actor", seal?.operatorName)
            json.member("since", seal.map { Timestamp.text($0.created) })
        }
        return ResponseBytes(body: json.bytes)
    }
}

// PUT, GET and DELETE of an application.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum ApplicationRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications") { request, response in ApplicationList.answer(request, &response, api) }
        router.add(.put, "/v1/applications/{app}") { request, response in put(api, request, &response) }
        router.add(.get, "/v1/applications/{app}") { request, _ in
            let name = request.parameter(0)
            let known = request.header("if-none-match")
            return api.later(request) {
                let agent = try api.agent(named: name)
                let revision = agent.revision
                return ResponseBytes(body: try describe(agent, api)).tagged(known: known, revision: revision)
            }
        }
        router.add(.delete, "/v1/applications/{app}") { request, _ in
            let name = request.parameter(0)
            return api.later(request) {
                api.figures.forget(try api.agent(named: name))
                try api.service.delete(name)
                return ResponseBytes(status: .noContent, contentType: nil)
            }
        }
    }

    private static func put(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> HandlerResult {
        let name = request.parameter(0)
        let profile: Profile
        do {
            let (decoded, errors) = ProfileCodec.decode(try api.loops[request.loop].parser.parse(padded: request.body))
            guard errors.isEmpty else {
                APIError(errors).write(to: response)
                return .respond
            }
            profile = decoded
        } catch {
            APIError(error).write(to: response)
            return .respond
        }
        // The condition is looked at again under the lock that orders changes; its text must outlive the request.
        let ifMatch = request.header("if-match")
        let now = api.clock.now
        return api.later(request) {
            var status = Status.ok
            let agent: Agent
            if let present = api.registry[name] {
                agent = present
                try api.directory.update(agent, profile: profile) { revision in
                    guard let ifMatch else { return true }
                    return ifMatch == "*"
                        || ifMatch.split(separator: ",").contains { tag in
                            // A GET's tag tells the status too, behind a dash: only the profile's part is a condition.
                            let tag = tag.trimmingPrefix { $0 == " " }
                            return tag == "\"\(revision)\"" || tag.hasPrefix("\"\(revision)-")
                        }
                }
            } else {
                guard ifMatch == nil else {
                    throw APIError(
                        .preconditionFailed, "There is no application \"\(name)\" yet, and If-Match demands one.")
                }
                agent = try api.directory.create(name, profile: profile, at: now)
                status = .created
            }
            return ResponseBytes(
                status: status, headers: [("ETag", "\"\(agent.revision)\"")], body: try describe(agent, api))
        }
    }

    static func describe(_ agent: Agent, _ api: APIContext) throws -> [UInt8] {
        let status = StatusCodec.members(
            agent, try api.figures.figures(of: agent, api.store), try StatusCodec.overrides(of: agent, api), api)
        var json = JSONWriter()
        json.object { json in
            json.member("name", agent.name)
            json.member("created", Timestamp.text(agent.created))
            json.member("revision", agent.revision)
            json.member("profile", json: ProfileCodec.encode(agent.profile))
            json.member("status", json: status)
            json.object("knowledge") { StatusCodec.write(agent.knowledge, to: &$0) }
            json.member("clock", api.clock.followsObservations ? "observed" : "wall")
        }
        return json.bytes
    }
}

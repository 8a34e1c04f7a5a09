// PUT, GET, DELETE and LIST of applications.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum ApplicationRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications") { request, response in
            let name = request.query("name") ?? ""
            return Listing.answer(request, &response, api) { page in list(page, name: name, api) }
        }
        router.add(.put, "/v1/applications/{app}") { request, response in put(api, request, &response) }
        router.add(.get, "/v1/applications/{app}") { request, response in
            let name = request.parameter(0)
            do throws(APIError) {
                let agent = try api.agent(named: name)
                let etag = "\"\(agent.revision)\""
                response.addHeader("ETag", etag)
                if request.ifNoneMatch(etag) {
                    response.status = .notModified
                } else {
                    response.contentType = .json
                    response.body(describe(agent, api))
                }
            } catch {
                error.write(to: response)
            }
            return .respond
        }
        router.add(.delete, "/v1/applications/{app}") { request, _ in
            let name = request.parameter(0)
            return api.later(request) {
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
                        || ifMatch.split(separator: ",").contains {
                            $0.trimmingPrefix { $0 == " " } == "\"\(revision)\""
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
                status: status, headers: [("ETag", "\"\(agent.revision)\"")], body: describe(agent, api))
        }
    }

    /// Applications looked at in one go, while one with the right name is sought.
    private static let batch = 500

    /// Newest first; those whose name contains `name`, made between `since` and `until`.
    private static func list(_ page: Listing.Page, name: String, _ api: APIContext) -> Listing.Result {
        var found: [Agent] = []
        var before = page.cursor ?? .max
        while found.count < page.limit {
            let agents = api.registry.agents(before: before, limit: batch)
            for agent in agents where found.count < page.limit && page.contains(agent.created) {
                if name.isEmpty || agent.name.contains(name) { found.append(agent) }
            }
            guard agents.count == batch, let last = agents.last else { break }
            before = last.id
        }
        var json = JSONWriter(reserving: 400 * found.count + 64)
        json.array { json in
            for agent in found { json.object { writeStatus(agent, api, &$0) } }
        }
        return Listing.Result(items: json.bytes, next: found.count == page.limit ? found.last?.id : nil)
    }

    private static func describe(_ agent: Agent, _ api: APIContext) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("name", agent.name)
            json.member("created", Timestamp.text(agent.created))
            json.member("revision", agent.revision)
            json.member("profile", json: ProfileCodec.encode(agent.profile))
            json.object("status") { writeStatus(agent, api, &$0) }
        }
        return json.bytes
    }

    private static func writeStatus(_ agent: Agent, _ api: APIContext, _ json: inout JSONWriter) {
        let status = agent.status(api.table.activePolicy(of: agent.id))
        json.member("name", agent.name)
        json.member("stage", status.stage.rawValue)
        json.member("source", status.source?.rawValue)
        json.member("reward", status.reward)
        json.member("rulesReward", status.rulesReward)
        json.member("episodes", status.episodes)
        json.member("episodesTrained", api.trainer.trainedEpisode(of: agent.id))
        json.member("decisions", status.decisions)
        json.member("modelVersion", status.modelVersion)
        json.member("updated", status.updated.map(Timestamp.text))
        if let allocation = status.allocation {
            json.member("replicas", allocation.replicas)
            json.member("cpu", Quantity.text(millicores: allocation.cpuMillicores))
            json.member("memory", Quantity.text(bytes: allocation.memoryBytes))
        }
        json.member("objective", objective(agent.profile))
    }

    private static func objective(_ profile: Profile) -> String {
        switch profile.objective {
        case .latency(let seconds, let percentile):
            "p\(Int(exactly: percentile).map(String.init) ?? "\(percentile)") <= \(seconds) s"
        case .throughput(let perSecond): ">= \(perSecond) requests/s"
        case .none: "none"
        }
    }
}

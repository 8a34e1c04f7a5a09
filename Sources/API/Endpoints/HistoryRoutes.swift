// What happened to an application: decisions, episodes, rewards for charts, model versions.

import Agents
import Base
import HTTPServer
import Operations
import Scaling

enum HistoryRoutes {
    /// Points of a chart: more than a screen has pixels is of no use.
    private static let pointsDefault = 500
    private static let pointsMax = 5000

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/decisions") { request, response in
            Listing.later(request, &response, api, extra: ["observation"]) { name, page in
                try decisions(name, page, api)
            }
        }
        router.add(.get, "/v1/applications/{app}/decisions/{id}") { request, response in
            let (name, id) = (request.parameter(0), request.parameter(1))
            let errors = Listing.unknown(request, allowed: ["observation"])
            guard errors.isEmpty else {
                response.problem(.badRequest, detail: APIError.summary(of: errors), errors: errors)
                return .respond
            }
            let withObservation = request.query("observation", is: "true")
            return api.later(request) { try decision(name, id, withObservation: withObservation, api) }
        }
        router.add(.get, "/v1/applications/{app}/episodes") { request, response in
            Listing.later(request, &response, api) { name, page in try episodes(name, page, api) }
        }
        router.add(.get, "/v1/applications/{app}/models") { request, response in
            Listing.later(request, &response, api) { name, page in try models(name, page, api) }
        }
        router.add(.get, "/v1/applications/{app}/rewards") { request, response in
            let name = request.parameter(0)
            let points = request.query("points").map { Int($0) ?? 0 } ?? pointsDefault
            var errors = Listing.unknown(request, allowed: ["points"])
            if !(2...pointsMax).contains(points) {
                errors.append(
                    ProblemItem(
                        pointer: "/points", code: "range",
                        detail: "points is outside 2 to \(pointsMax): give a whole number from 2 to \(pointsMax)."))
            }
            guard errors.isEmpty else {
                response.problem(.badRequest, detail: APIError.summary(of: errors), errors: errors)
                return .respond
            }
            return api.polled(request) { try rewards(name, points, api) }
        }
    }

    private static func decisions(_ name: String, _ page: Listing.Page, _ api: APIContext) throws -> Listing.Result {
        let agent = try api.agent(named: name)
        let newest = agent.status(nil).lastSeq
        // The cursor is the seq of the last item that was seen.
        var next = newest
        if let cursor = page.cursor {
            guard let seen = try api.store.decision(seq: cursor, of: agent.id) else {
                return Listing.Result(items: Array("[]".utf8), next: nil)
            }
            next = seen.previous
        }
        var items: [Decision] = []
        while items.count < page.limit, next > 0 {
            let found = try api.store.decisions(of: agent.id, from: next, limit: page.limit, before: page.until)
            next = found.last?.previous ?? 0
            if let last = found.last, last.time < page.since { next = 0 }
            for decision in found where items.count < page.limit && page.contains(decision.time) {
                items.append(decision)
            }
        }
        var json = JSONWriter(reserving: items.count * 1024 + 64)
        json.array { json in
            for decision in items {
                DecisionCodec.write(decision, of: agent, withObservation: page.withObservation, to: &json)
            }
        }
        let mayHaveMore = items.count == page.limit && (items.last?.previous ?? 0) > 0
        return Listing.Result(items: json.bytes, next: mayHaveMore ? items.last?.seq : nil)
    }

    private static func decision(
        _ name: String, _ id: String, withObservation: Bool, _ api: APIContext
    ) throws -> ResponseBytes {
        let agent = try api.agent(named: name)
        let decision = try api.service.decision(id, of: name)
        var json = JSONWriter(reserving: 1024)
        DecisionCodec.write(decision, of: agent, withObservation: withObservation, to: &json)
        return ResponseBytes(body: json.bytes)
    }

    private static func episodes(_ name: String, _ page: Listing.Page, _ api: APIContext) throws -> Listing.Result {
        let agent = try api.agent(named: name)
        let found = try api.store.episodes(
            of: agent.id, before: page.cursor.map { Int($0) } ?? .max, limit: page.limit)
        var json = JSONWriter(reserving: 256 * found.count + 64)
        json.array { json in
            for episode in found where page.contains(episode.ended) { json.object { write(episode, to: &$0) } }
        }
        return Listing.Result(items: json.bytes, next: found.count == page.limit ? found.last.map { Int64($0.number) } : nil)
    }

    private static func write(_ episode: EpisodeSummary, to json: inout JSONWriter) {
        json.member("episode", episode.number)
        json.member("started", Timestamp.text(episode.started))
        json.member("ended", Timestamp.text(episode.ended))
        json.member("steps", episode.steps)
        json.member("stage", episode.stage.rawValue)
        json.member("actor", episode.controller.rawValue)
        json.member("modelVersion", episode.modelVersion)
        json.member("reward", episode.reward)
        json.member("rulesReward", episode.rulesReward)
        json.member("violations", episode.violations)
    }

    private static func models(_ name: String, _ page: Listing.Page, _ api: APIContext) throws -> Listing.Result {
        let agent = try api.agent(named: name)
        let acting = api.table.activePolicy(of: agent.id)?.version
        let found = try api.store.models(
            of: agent.id, before: page.cursor.map { Int($0) } ?? Int(Int32.max), limit: page.limit)
        var json = JSONWriter(reserving: 512 * found.count + 64)
        json.array { json in
            for model in found where page.contains(model.created) {
                json.object { ModelRoutes.describe(model, acting: acting, to: &$0) }
            }
        }
        return Listing.Result(
            items: json.bytes, next: found.count == page.limit ? found.last.map { Int64($0.version) } : nil)
    }

    /// The reward history, averaged over neighbouring episodes where there are more than `points`.
    private static func rewards(_ name: String, _ points: Int, _ api: APIContext) throws -> ResponseBytes {
        let agent = try api.agent(named: name)
        let episodes = try api.store.episodes(of: agent.id, after: 0, limit: Int(Int32.max))
        let transitions = try api.store.events(of: agent.id, kind: "transition")
        let group = Swift.max(1, (episodes.count + points - 1) / points)
        let thresholds = agent.profile.thresholds
        var json = JSONWriter(reserving: 200 * Swift.min(points, episodes.count) + 512)
        json.object { json in
            json.member("application", name)
            json.array("points") { json in
                for start in stride(from: 0, to: episodes.count, by: group) {
                    let part = episodes[start..<Swift.min(start + group, episodes.count)]
                    guard let last = part.last else { continue }
                    json.object { json in
                        json.member("episode", last.number)
                        json.member("time", Timestamp.text(last.ended))
                        json.member("stage", last.stage.rawValue)
                        json.member("source", last.controller == .policy ? "policy" : "rules")
                        json.member("actor", last.controller.rawValue)
                        json.member("reward", mean(part.map(\.reward)))
                        json.member("rulesReward", mean(part.map(\.rulesReward)))
                        json.member("violations", mean(part.map(\.violations)))
                        json.member("modelVersion", last.modelVersion)
                    }
                }
            }
            json.object("thresholds") {
                $0.member("online", thresholds.online)
                $0.member("serving", thresholds.serving)
            }
            json.array("transitions") { json in
                for event in transitions {
                    json.object { json in
                        json.member("episode", event.episode ?? 0)
                        json.member("time", Timestamp.text(event.time))
                        json.member("from", event.from)
                        json.member("to", event.to)
                        json.member("reason", event.reason)
                    }
                }
            }
        }
        return ResponseBytes(body: json.bytes)
    }

    private static func mean(_ values: [Double?]) -> Double? {
        let known = values.compactMap { $0 }
        return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }
}

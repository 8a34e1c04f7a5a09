// GET /v1/applications: sorted, filtered, searched and paged here, so that a page of fifty costs a client the same among
// five thousand applications as among ten.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum ApplicationList {
    enum Sort: String, CaseIterable {
        case created, name, stage, source, reward, difference, violations, replicas, updated, attention
    }

    /// What is asked for, as the query says it.
    struct Query: Sendable {
        var page = Listing.Page()
        var text = ""
        var stage: Stage?
        var source: Source?
        var alarm: Bool?
        var sort = Sort.created
        var descending = true

        static let names = ["name", "q", "stage", "source", "alarm", "sort", "order"]
    }

    /// One application with what a list sorts by.
    private struct Row {
        let agent: Agent
        let status: AgentStatus
        let figures: ApplicationFigures
        let overrides: [StatusCodec.Override]

        var difference: Double? {
            StatusCodec.isActing(status, overrides) ? figures.comparison?.difference : nil
        }

        /// Higher wants a look sooner: held, an alarm, overridden, surely worse than the rules, missing its objective.
        var attention: Double {
            var sum = figures.violations ?? 0
            if status.source == .hold { sum += 8 }
            if figures.alarm != nil { sum += 4 }
            if !overrides.isEmpty { sum += 2 }
            if figures.isMissing { sum += 1 }
            if let difference, let error = figures.comparison?.standardError, difference < -2 * error { sum += 1 }
            return sum
        }
    }

    static func answer(_ request: borrowing Request, _ response: inout Response, _ api: APIContext) -> HandlerResult {
        do throws(APIError) {
            let query = try query(request)
            return api.polled(request) { ResponseBytes(body: try list(query, api)) }
        } catch {
            error.write(to: response)
            return .respond
        }
    }

    private static func query(_ request: borrowing Request) throws(APIError) -> Query {
        var query = Query()
        query.page = try Listing.page(request, extra: Query.names)
        query.text = request.query("q") ?? request.query("name") ?? ""
        var errors: [ProblemItem] = []
        query.stage = choice(Stage.self, "stage", request.query("stage"), &errors)
        query.source = choice(Source.self, "source", request.query("source"), &errors)
        query.sort = choice(Sort.self, "sort", request.query("sort"), &errors) ?? .created
        query.alarm = choice(Flag.self, "alarm", request.query("alarm"), &errors).map { $0 == .true }
        query.descending = query.sort == .created || query.sort == .attention
        if let order = choice(Order.self, "order", request.query("order"), &errors) {
            query.descending = order == .desc
        }
        guard errors.isEmpty else { throw APIError(.badRequest, APIError.summary(of: errors), errors: errors) }
        return query
    }

    private enum Order: String, CaseIterable { case asc, desc }
    private enum Flag: String, CaseIterable { case `true`, `false` }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _: Choice.Type, _ name: String, _ text: String?, _ errors: inout [ProblemItem]
    ) -> Choice? where Choice.RawValue == String {
        guard let text else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        errors.append(
            ProblemItem(pointer: "/\(name)", code: "value", detail: "\(name)=\(text.prefix(40)) is not one of: \(known)."))
        return nil
    }

    // MARK: Answer

    private static func list(_ query: Query, _ api: APIContext) throws -> [UInt8] {
        var rows: [Row] = []
        for agent in api.registry.agents(before: .max, limit: .max)
        where query.page.contains(agent.created) && (query.text.isEmpty || agent.name.contains(query.text)) {
            rows.append(
                Row(
                    agent: agent, status: agent.status(api.table.activePolicy(of: agent.id)),
                    figures: try api.figures.figures(of: agent, api.store),
                    overrides: try StatusCodec.overrides(of: agent, api)))
        }
        let found = rows.filter { row in
            (query.stage == nil || row.status.stage == query.stage)
                && (query.source == nil || row.status.source == query.source)
                && (query.alarm == nil || (row.figures.alarm != nil) == query.alarm)
        }
        let (part, next) = page(sorted(found, query), query)
        var json = JSONWriter(reserving: 900 * part.count + 512)
        json.object { json in
            json.array("items") { json in
                for row in part {
                    json.element(json: StatusCodec.members(row.agent, row.figures, row.overrides, api))
                }
            }
            json.member("nextCursor", next.map(String.init))
            json.member("total", found.count)
            json.object("counts") { count(rows, to: &$0) }
            json.member("clock", api.clock.followsObservations ? "observed" : "wall")
        }
        return json.bytes
    }

    /// Of all that match the search, whatever the filters.
    private static func count(_ rows: [Row], to json: inout JSONWriter) {
        func number(_ source: Source) -> Int { rows.count { $0.status.source == source } }
        json.member("all", rows.count)
        json.member("policy", number(.policy))
        json.member("rules", number(.rules))
        json.member("hold", number(.hold))
        json.member("pin", number(.pin))
        json.member("alarm", rows.count { $0.figures.alarm != nil })
        json.member("missing", rows.count { $0.figures.isMissing })
        json.member("overridden", rows.count { !$0.overrides.isEmpty })
        json.member("worse", rows.count { ($0.difference ?? 0) < -2 * ($0.figures.comparison?.standardError ?? 0) })
    }

    /// In the order of creation the cursor is an id, so that nothing is shown twice while applications come and go. In
    /// any other order it counts rows: what moves past the cursor between two pages is missed or seen again.
    private static func page(_ rows: [Row], _ query: Query) -> ([Row], next: Int64?) {
        guard query.sort == .created, query.descending else {
            let start = Int(clamping: query.page.cursor ?? 0)
            guard start < rows.count else { return ([], nil) }
            let end = min(rows.count, start + query.page.limit)
            return (Array(rows[start..<end]), end < rows.count ? Int64(end) : nil)
        }
        let rest = rows.drop { $0.agent.id >= query.page.cursor ?? .max }
        let part = Array(rest.prefix(query.page.limit))
        return (part, part.count < rest.count ? part.last?.agent.id : nil)
    }

    /// Rows come newest first. Unknown figures stand last, whichever way the order goes; equal ones by name.
    private static func sorted(_ rows: [Row], _ query: Query) -> [Row] {
        func by(_ figure: (Row) -> Double?) -> [Row] {
            let keyed = rows.map { (row: $0, key: figure($0)) }
            return keyed.sorted { left, right in
                switch (left.key, right.key) {
                case (let a?, let b?) where a != b: query.descending ? a > b : a < b
                case (.some, nil): true
                case (nil, .some): false
                default: left.row.agent.name < right.row.agent.name
                }
            }.map(\.row)
        }
        switch query.sort {
        case .created: return query.descending ? rows : rows.reversed()
        case .name: return rows.sorted { ($0.agent.name < $1.agent.name) != query.descending }
        case .stage: return by { Double(Stage.allCases.firstIndex(of: $0.status.stage) ?? 0) }
        case .source: return by { $0.status.source.map { Double($0.index) } }
        case .reward: return by { $0.figures.reward }
        case .difference: return by(\.difference)
        case .violations: return by { $0.figures.violations }
        case .replicas: return by { $0.status.allocation.map { Double($0.replicas) } }
        case .updated: return by { $0.status.updated }
        case .attention: return by { $0.attention }
        }
    }
}

// GET /v1/events, as a list or as a live stream, and GET /v1/audit.

import Agents
import Base
import HTTPServer
import Operations

enum EventRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/events") { request, response in
            let accept = request.header("accept") ?? ""
            if accept.split(separator: ",").contains(where: { $0.contains("text/event-stream") }) {
                return stream(api, request, &response)
            }
            return list(api, request, &response) { filter in
                let found = try api.store.events(filter)
                return (found.map { event in { write(event, to: &$0) } }, found.last?.event.id)
            }
        }
        router.add(.get, "/v1/audit") { request, response in
            list(api, request, &response) { filter in
                let found = try api.store.audit(filter)
                return (found.map { entry in { write(entry, to: &$0) } }, found.last?.id)
            }
        }
    }

    /// A client that lost its connection says with `Last-Event-ID` what it saw last and gets the rest.
    private static func stream(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> HandlerResult {
        let text = request.header("last-event-id")
        let seen = text.flatMap { Int64($0) }
        guard text == nil || (seen ?? -1) >= 0 else {
            response.problem(
                .badRequest, detail: "Last-Event-ID is the id of an event: a whole number.",
                errors: [
                    ProblemItem(
                        pointer: "/Last-Event-ID", code: "value", detail: "\"\((text ?? "").prefix(20))\" is none.")
                ])
            return .respond
        }
        guard let handle = request.openStream() else {
            response.addHeader("Retry-After", "5")
            response.problem(.serviceUnavailable, detail: "Too many event streams are open.")
            return .respond
        }
        response.contentType = .eventStream
        handle.send(Array(": connected\n\n".utf8))
        api.events.add(handle, after: seen)
        return .stream
    }

    private typealias Item = (inout JSONWriter) -> Void

    private static func list(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response,
        _ read: @escaping @Sendable (LogFilter) throws -> (items: [Item], last: Int64?)
    ) -> HandlerResult {
        var filter = LogFilter()
        filter.application = request.query("application")
        filter.kind = request.query("kind")
        do throws(APIError) {
            let page = try Listing.page(request, extra: ["application", "kind"])
            filter.limit = page.limit
            filter.before = page.cursor ?? .max
            filter.since = page.since
            filter.until = page.until
        } catch {
            error.write(to: response)
            return .respond
        }
        return api.polled(request) { [filter] in
            let (items, last) = try read(filter)
            var json = JSONWriter(reserving: 256 * items.count + 64)
            json.array { json in for item in items { item(&json) } }
            return ResponseBytes(
                body: Listing.body(.init(items: json.bytes, next: items.count == filter.limit ? last : nil)))
        }
    }

    /// `id`, `event` and `data` of one event (HTML Living Standard, 9.2.6).
    @Sendable static func frame(_ event: NamedEvent) -> [UInt8] {
        var json = JSONWriter()
        write(event, to: &json)
        return Array("id: \(event.event.id)\nevent: \(event.event.kind)\ndata: ".utf8) + json.bytes + Array("\n\n".utf8)
    }

    static func write(_ named: NamedEvent, to json: inout JSONWriter) {
        let event = named.event
        json.object { json in
            json.member("id", Int(event.id))
            json.member("time", Timestamp.text(event.time))
            json.member("kind", event.kind)
            json.member("application", named.application)
            if let episode = event.episode { json.member("episode", episode) }
            json.member("from", event.from)
            json.member("to", event.to)
            json.member("reason", event.reason)
            json.object("figures") { json in
                for (name, value) in event.figures.sorted(by: { $0.key < $1.key }) { json.member(named: name, value) }
            }
        }
    }

    private static func write(_ entry: AuditEntry, to json: inout JSONWriter) {
        json.object { json in
            json.member("id", Int(entry.id))
            json.member("time", Timestamp.text(entry.time))
            json.member("actor", entry.operatorName)
            json.member("action", entry.action)
            json.member("application", entry.application)
            json.member("reason", entry.reason)
            json.member("detail", json: Array(entry.detail.utf8))
        }
    }
}

extension StreamHandle: EventListener {}

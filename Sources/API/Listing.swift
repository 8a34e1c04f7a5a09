// The conventions of every list: `{items, nextCursor}`, newest first, `limit`, `cursor`, `since`, `until`.

import Base
import HTTPServer

enum Listing {
    static let limitDefault = 50
    static let limitMax = 500

    /// Which part of a list is asked for.
    struct Page: Sendable {
        var limit = Listing.limitDefault
        /// Items with a key below this.
        var cursor: Int64?
        /// Seconds since 1970: only items at or after `since`, and before `until`.
        var since = -Double.infinity
        var until = Double.infinity
        /// `observation=true`: each decision with the observation it was made from.
        var withObservation = false

        func contains(_ time: Double) -> Bool { time >= since && time < until }
    }

    /// Items as a JSON array, and the key of the last one when there may be more.
    struct Result {
        var items: [UInt8]
        var next: Int64?
    }

    private static let names = ["limit", "cursor", "since", "until"]

    /// Reads the page from the query; reports everything that is wrong with it.
    /// - Parameter extra: query parameters that this list knows besides.
    static func page(_ request: borrowing Request, extra: [String] = []) throws(APIError) -> Page {
        var page = Page()
        var errors = unknown(request, allowed: names + extra)
        if let text = request.query("limit") {
            if let limit = Int(text), (1...limitMax).contains(limit) {
                page.limit = limit
            } else {
                errors.append(
                    .init(
                        pointer: "/limit", code: "range",
                        detail: "limit=\(text.prefix(40)) is outside 1 to \(limitMax)."))
            }
        }
        if let text = request.query("cursor") {
            if let cursor = Int64(text), cursor >= 0 {
                page.cursor = cursor
            } else {
                errors.append(
                    .init(
                        pointer: "/cursor", code: "value", detail: "Give the nextCursor of the page before as cursor."))
            }
        }
        for (name, key) in [("since", \Page.since), ("until", \Page.until)] {
            guard let text = name == "since" ? request.query("since") : request.query("until") else { continue }
            if let seconds = Array(text.utf8).withUnsafeBufferPointer(Timestamp.seconds) {
                page[keyPath: key] = seconds
            } else {
                errors.append(
                    .init(
                        pointer: "/\(name)", code: "time",
                        detail: "\(name)=\(text.prefix(40)) is not an RFC 3339 time such as 2026-11-21T01:20:00Z."))
            }
        }
        page.withObservation = request.query("observation", is: "true")
        guard errors.isEmpty else { throw APIError(.badRequest, APIError.summary(of: errors), errors: errors) }
        return page
    }

    /// A misspelt filter must not look like one that found everything.
    static func unknown(_ request: borrowing Request, allowed: [String]) -> [ProblemItem] {
        request.queryItems.filter { !allowed.contains($0.name) }.map { item in
            ProblemItem(
                pointer: "/\(item.name.prefix(40))", code: "unknown",
                detail: "There is no query parameter \"\(item.name.prefix(40))\" here. Known: \(allowed.joined(separator: ", ")).")
        }
    }

    static func body(_ result: Result) -> [UInt8] {
        var json = JSONWriter(reserving: result.items.count + 64)
        json.object { json in
            json.member("items", json: result.items)
            json.member("nextCursor", result.next.map(String.init))
        }
        return json.bytes
    }

    /// Answers a list from the background queue, with an entity tag.
    static func answer(
        _ request: borrowing Request, _ response: inout Response, _ api: APIContext, extra: [String] = [],
        _ make: @escaping @Sendable (Page) throws -> Result
    ) -> HandlerResult {
        do throws(APIError) {
            let page = try page(request, extra: extra)
            return api.polled(request) { ResponseBytes(body: body(try make(page))) }
        } catch {
            error.write(to: response)
            return .respond
        }
    }

    /// The same for a list of one application's things.
    static func later(
        _ request: borrowing Request, _ response: inout Response, _ api: APIContext, extra: [String] = [],
        _ make: @escaping @Sendable (String, Page) throws -> Result
    ) -> HandlerResult {
        let name = request.parameter(0)
        return answer(request, &response, api, extra: extra) { page in try make(name, page) }
    }
}

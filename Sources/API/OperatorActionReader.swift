// Reads an operator's act from a request: what is wanted, by whom, and why.

import Agents
import Base
import HTTPServer
import Operations

extension ControlRoutes {
    /// Reads the body of an act on one application (`reason`, `actor` and what `read` takes; no body is an empty one),
    /// then carries it out on the background queue.
    static func act<Content: Sendable>(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ action: String,
        read: (inout ObjectReader) -> Content,
        _ work: @escaping @Sendable (Agent, OperatorAction, Content) throws -> ResponseBytes
    ) -> HandlerResult {
        let name = request.parameter(0)
        guard let (given, content) = readAction(api, request, &response, action, read) else { return .respond }
        var action = given
        action.application = name
        return api.later(request) { [action] in try work(try api.agent(named: name), action, content) }
    }

    /// The same for an act on everything.
    static func act(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ action: String,
        _ work: @escaping @Sendable (OperatorAction) throws -> ResponseBytes
    ) -> HandlerResult {
        guard let (action, _) = readAction(api, request, &response, action, { _ in }) else { return .respond }
        return api.later(request) { try work(action) }
    }

    /// The act as the body tells it; `nil` when the response already says what is wrong with it.
    static func readAction<Content>(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response, _ action: String,
        _ read: (inout ObjectReader) -> Content
    ) -> (OperatorAction, Content)? {
        var result = OperatorAction(operatorName: api.caller(of: request), action: action, time: api.clock.now)
        do {
            let parser = api.loops[request.loop].parser
            var reader = ObjectReader(
                request.body.isEmpty ? try parser.parse("{}") : try parser.parse(padded: request.body), at: "")
            let content = read(&reader)
            if let reason = reader.text("reason", max: OperatorAction.reasonMax) ?? request.query("reason") {
                result.reason = reason.trimmingBlanks
            }
            // Who asks is known from the token; on whose behalf, the body may say.
            if let actor = reader.text("actor", max: 100) { result.operatorName = "\(actor) (\(result.operatorName))" }
            reader.finish()
            // Episodes are the recommender's business; everything else is somebody's decision.
            if result.reason.isEmpty, reader.errors.isEmpty, !action.hasPrefix("episode.") {
                reader.complain(
                    "reason", "reason",
                    "Say why, for example \"reason\": \"incident 4711\" (or ?reason=... where there is no body): it goes into the audit log."
                )
            }
            guard reader.errors.isEmpty else {
                APIError(reader.errors).write(to: response)
                return nil
            }
            return (result, content)
        } catch {
            APIError(error).write(to: response)
            return nil
        }
    }
}

extension String {
    /// Without blanks at both ends.
    fileprivate var trimmingBlanks: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}

extension ObjectReader {
    /// A positive Kubernetes quantity.
    mutating func quantity(_ key: String, _ example: String, _ parse: (JSONValue) -> Int?) -> Int? {
        guard let value = take(key) else { return nil }
        if let amount = parse(value), amount > 0 { return amount }
        complain(key, "quantity", "\(value.summary) is not a positive Kubernetes quantity such as \(example).")
        return nil
    }

    /// An RFC 3339 time, in seconds since 1970.
    mutating func time(_ key: String) -> Double? {
        guard let value = take(key) else { return nil }
        if let text = value.utf8, let seconds = Timestamp.seconds(text) { return seconds }
        complain(key, "time", "\(value.summary) is not an RFC 3339 time such as \"2026-11-21T01:20:00Z\".")
        return nil
    }

    /// A text of at most `max` characters.
    mutating func text(_ key: String, max: Int) -> String? {
        guard let value = take(key) else { return nil }
        guard let text = value.string else {
            complain(key, "type", "A text is expected, not \(value.summary).")
            return nil
        }
        guard text.utf8.count <= 4 * max, text.count <= max else {
            complain(key, "range", "At most \(max) characters are allowed here.")
            return nil
        }
        return text
    }
}

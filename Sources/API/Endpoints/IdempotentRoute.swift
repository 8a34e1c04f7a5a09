// Idempotency-Key on a POST route: reads the key, and gives a repeated request the response of the first one.

import Base
import Dispatch
import HTTPServer
import Operations

enum IdempotentRoute {
    /// The handler for a POST route that honours the key.
    static func once(_ api: APIContext, _ handler: @escaping Handler) -> Handler {
        { request, response in
            guard request.headerBytes("idempotency-key") != nil else { return handler(request, &response) }
            return carryOut(request, &response, api, handler)
        }
    }

    /// Carries out a request with a key: for the first time, or by giving the response of the first time.
    static func carryOut(
        _ request: borrowing Request, _ response: inout Response, _ api: APIContext, _ handler: Handler
    ) -> HandlerResult {
        guard let key = key(of: request, api) else {
            response.problem(
                .badRequest,
                detail:
                    "Idempotency-Key is one string of 1 to \(IdempotencyLimits.keyMax) printable characters, such as \"8e03978e\".",
                errors: [
                    ProblemItem(
                        pointer: "/Idempotency-Key", code: "key", detail: "The header field is malformed or repeated.")
                ])
            return .respond
        }
        let deferral = request.deferral()
        switch api.idempotency.begin(key, fingerprint(of: request), deferral, at: api.clock.steady) {
        case .first: break
        case .wait: return .deferred
        case .again:
            return api.later(request) {
                guard let kept = try api.idempotency.response(to: key), let code = UInt16(exactly: kept.status),
                    (200...299).contains(code)
                else {
                    throw APIError(
                        .conflict, "The answer to this key has just been forgotten. Send the request once more.")
                }
                return ResponseBytes(
                    status: Status(rawValue: code), headers: [("Idempotency-Replayed", "true")], body: kept.body)
            }
        case .otherRequest:
            response.problem(
                .unprocessableContent, detail: "This Idempotency-Key was used for another request. Take a new one.",
                errors: [
                    ProblemItem(
                        pointer: "/Idempotency-Key", code: "reused",
                        detail: "The path, the query or the body differs from the first request with this key.")
                ])
            return .respond
        case .tooMany:
            response.addHeader("Retry-After", "1")
            response.problem(
                .conflict, detail: "Too many requests wait for the first one with this Idempotency-Key.",
                errors: [ProblemItem(pointer: "/Idempotency-Key", code: "busy", detail: "Ask again in a second.")])
            return .respond
        }
        switch handler(request, &response) {
        case .deferred: return .deferred
        case let result:
            // What is answered at once is a refusal: nothing was done, and nothing is kept.
            let waiting = api.idempotency.abandon(deferral)
            let advice = ResponseBytes.problem(
                .conflict, detail: "The first request with this Idempotency-Key was refused. Send it once more.",
                headers: [("Retry-After", "1")])
            api.server.complete(waiting.map { ($0, advice) })
            return result
        }
    }

    /// Answers `deferral`, and whoever waits for the same response; keeps it first if a key asks for that.
    static func complete(_ deferral: Deferral, _ answer: ResponseBytes, _ api: APIContext) {
        guard api.idempotency.isRunning(deferral) else { return api.server.complete([(deferral, answer)]) }
        guard (200...299).contains(answer.status.rawValue) else {
            let waiting = api.idempotency.abandon(deferral)
            return api.server.complete(([deferral] + waiting).map { ($0, answer) })
        }
        // A decision is completed on the writer's queue, which must not wait for itself.
        api.background.async {
            let waiting = api.idempotency.finish(
                deferral, status: Int(answer.status.rawValue), body: answer.body, at: api.clock.steady)
            api.server.complete(([deferral] + waiting).map { ($0, answer) })
        }
    }

    /// The id of a decision made under the request's key: the same at each try. `nil` without a key.
    static func decisionID(_ request: borrowing Request, _ api: APIContext) -> String? {
        key(of: request, api).map { IdempotencyService<Deferral>.decisionID(of: $0) }
    }

    /// Who asks and the key, without the quotes of a structured field's string (RFC 8941 3.3.3), which may be left out.
    private static func key(of request: borrowing Request, _ api: APIContext) -> String? {
        guard request.headerCount("idempotency-key") == 1, let field = request.header("idempotency-key"),
            field.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
        else { return nil }
        var text = Substring(field)
        if text.hasPrefix("\"") {
            guard text.count >= 2, text.hasSuffix("\"") else { return nil }
            text = text.dropFirst().dropLast()
        }
        guard (1...IdempotencyLimits.keyMax).contains(text.utf8.count) else { return nil }
        return "\(api.caller(of: request))\n\(text)"
    }

    /// Length and 64-bit FNV-1a of path, query and body. It tells mistakes, not attacks: a caller who wanted two requests
    /// to look alike would only deceive himself.
    private static func fingerprint(of request: borrowing Request) -> String {
        var hash = FNV1a()
        var count = 0
        for part in [request.pathBytes, request.queryBytes, request.body] {
            hash.append(part)
            hash.append(CollectionOfOne(UInt8(ascii: "\n")))
            count += part.count
        }
        return "\(count):\(String(hash.value, radix: 16))"
    }
}

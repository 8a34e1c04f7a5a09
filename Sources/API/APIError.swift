// What a client is told when something is refused or fails: the one place that knows status codes of errors.

import HTTPServer
import Logging
import Operations

/// An answer that ends the handling of a request with an error.
struct APIError: Error {
    let response: ResponseBytes

    init(
        _ status: Status, _ detail: String, errors: [ProblemItem] = [],
        headers: [(name: StaticString, value: String)] = []
    ) {
        response = .problem(status, detail: detail, errors: errors, headers: headers)
    }

    init(_ response: ResponseBytes) { self.response = response }

    /// 400 for a body that is no JSON.
    init(_ failure: JSONParser.ParseFailure) {
        self.init(
            .badRequest, failure.isEmpty ? failure.reason : "The body is not JSON: \(failure.reason)",
            errors: [ProblemItem(pointer: "", code: "json", detail: failure.reason)])
    }

    /// 400 when the document has the wrong form, 422 when its values are impossible.
    init(_ errors: [ProblemItem]) {
        let isForm = errors.contains { ["type", "required", "duplicate"].contains($0.code) }
        self.init(isForm ? .badRequest : .unprocessableContent, APIError.summary(of: errors), errors: errors)
    }

    /// An operation's refusal, with the rules' advice in the problem's body where there is one.
    init(_ error: OperationError) {
        let status: Status =
            switch error.kind {
            case .notFound: .notFound
            case .invalid: .unprocessableContent
            case .conflict: .conflict
            case .changedMeanwhile: .preconditionFailed
            case .unavailable: .serviceUnavailable
            }
        var response = ResponseBytes.problem(
            status, detail: error.message,
            errors: error.faults.map { ProblemItem(pointer: $0.pointer, code: $0.code, detail: $0.detail) },
            headers: error.retryAfterSeconds.map { [("Retry-After", "\($0)")] } ?? [])
        if let advice = error.advice, response.body.last == UInt8(ascii: "}") {
            var json = JSONWriter()
            json.object { json in
                json.object("advice") { json in
                    json.member("source", "rules")
                    DecisionCodec.allocation(advice, &json)
                }
            }
            // `{..., "advice": {...}}`: the problem without its end, then the member without its beginning.
            response.body = response.body.dropLast() + Array(",".utf8) + json.bytes.dropFirst()
        }
        self.response = response
    }

    /// The answer to whatever was thrown. An error that nobody foresaw is told by an id alone: the log has the rest.
    static func response(to error: any Error, _ log: Logger) -> ResponseBytes {
        switch error {
        case let error as APIError: return error.response
        case let error as OperationError: return APIError(error).response
        default:
            let id = String(UInt64.random(in: .min ... .max), radix: 16)
            log.error("internal error", metadata: ["id": "\(id)", "error": "\(error)"])
            return .problem(
                .internalServerError, detail: "Internal error \(id). The server's log says more under this id.")
        }
    }

    /// What is wrong, for those who see one line only.
    static func summary(of errors: [ProblemItem]) -> String {
        OperationError.summary(
            of: errors.map { OperationError.Fault(pointer: $0.pointer, code: $0.code, detail: $0.detail) })
    }

    /// The same as the answer of a handler.
    func write(to response: borrowing Response) {
        response.status = self.response.status
        response.contentType = self.response.contentType
        for (name, value) in self.response.headers { response.addHeader(name, value) }
        response.body(self.response.body)
    }
}

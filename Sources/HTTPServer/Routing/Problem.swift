// Problem details for HTTP APIs (RFC 9457): the body of every answer that reports an error.

/// One thing that is wrong with a request.
public struct ProblemItem: Sendable, Equatable {
    /// A JSON pointer (RFC 6901) into the request's body, e.g. "/replicas"; "" for the whole.
    public var pointer: String
    /// A stable word for programs, e.g. "out_of_range".
    public var code: String
    /// A sentence for people.
    public var detail: String

    public init(pointer: String, code: String, detail: String) {
        self.pointer = pointer
        self.code = code
        self.detail = detail
    }
}

enum Problem {
    /// Items of one answer: a request must not be able to ask for an answer many times its size.
    static let itemsMax = 50

    /// Appends `{"type":…,"title":…,"status":…,"detail":…,"errors":[{"pointer":…,"code":…,"detail":…}]}`.
    static func write(
        _ status: Status, title: String?, detail: String, errors: [ProblemItem], type: String,
        into body: inout ByteBuffer
    ) {
        body.append("{\"type\":\"")
        body.append(jsonEscaped: type)
        body.append("\",\"title\":\"")
        body.append(jsonEscaped: title ?? status.reason.description)
        body.append("\",\"status\":")
        body.append(decimal: Int(status.rawValue))
        body.append(",\"detail\":\"")
        body.append(jsonEscaped: detail)
        body.append("\",\"errors\":[")
        for (i, item) in errors.prefix(itemsMax).enumerated() {
            body.append(i == 0 ? "{\"pointer\":\"" : ",{\"pointer\":\"")
            body.append(jsonEscaped: item.pointer)
            body.append("\",\"code\":\"")
            body.append(jsonEscaped: item.code)
            body.append("\",\"detail\":\"")
            body.append(jsonEscaped: item.detail)
            body.append("\"}")
        }
        body.append("]}")
    }
}

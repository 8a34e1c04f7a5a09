// Why bytes are not a request that this server takes: the status of the answer and an explanation for people.

/// A refusal by the parser. The connection is closed after its answer, since where the next request begins is unknown.
struct ProtocolError: Error, Equatable {
    let status: Status
    /// A stable word for programs.
    let code: StaticString
    let detail: StaticString

    init(_ status: Status, _ code: StaticString, _ detail: StaticString) {
        self.status = status
        self.code = code
        self.detail = detail
    }

    static func bad(_ code: StaticString, _ detail: StaticString) -> ProtocolError {
        ProtocolError(.badRequest, code, detail)
    }

    static func == (a: ProtocolError, b: ProtocolError) -> Bool {
        a.status == b.status && a.code.description == b.code.description
    }
}

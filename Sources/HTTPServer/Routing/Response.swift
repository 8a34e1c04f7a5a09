// A response as handlers write it: into memory that the loop reuses, so that an answer costs no allocation.

/// The media types that answers here have.
public enum ContentType: Sendable, Hashable {
    case json, problem, html, css, javaScript, svg, png, icon, plainText, prometheus, eventStream, octetStream
    case other(StaticString)

    public var name: StaticString {
        switch self {
        case .json: "application/json"
        case .problem: "application/problem+json"
        case .html: "text/html; charset=utf-8"
        case .css: "text/css; charset=utf-8"
        case .javaScript: "text/javascript; charset=utf-8"
        case .svg: "image/svg+xml"
        case .png: "image/png"
        case .icon: "image/x-icon"
        case .plainText: "text/plain; charset=utf-8"
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .eventStream: "text/event-stream"
        case .octetStream: "application/octet-stream"
        case .other(let name): name
        }
    }

    /// Whether compressing it is worth while.
    var isCompressible: Bool {
        switch self {
        case .png, .icon, .eventStream, .octetStream, .other: false
        default: true
        }
    }

    public static func == (a: ContentType, b: ContentType) -> Bool { a.name.description == b.name.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(name.description) }
}

/// The answer under construction. Starts as 200 with an empty body. Content-Length, Date, Connection, Content-Encoding
/// and `ServerOptions.extraHeaders` are added by the server; HEAD and 304 drop the body by themselves.
public struct Response: ~Copyable {
    let draft: ResponseDraft

    init(_ draft: ResponseDraft) {
        self.draft = draft
    }

    public var status: Status {
        get { draft.status }
        nonmutating set { draft.status = newValue }
    }

    /// The body's type; nil sends no Content-Type.
    public var contentType: ContentType? {
        get { draft.contentType }
        nonmutating set { draft.contentType = newValue }
    }

    /// Whether gzip may be used on this answer (default true).
    public var compresses: Bool {
        get { draft.compresses }
        nonmutating set { draft.compresses = newValue }
    }

    /// Adds a field line. Control characters in `value` become spaces: what a client sent must not split an answer.
    public func addHeader(_ name: StaticString, _ value: String) {
        draft.addHeader(name, value)
    }

    /// Adds a field line.
    public func addHeader(_ name: StaticString, _ value: StaticString) {
        draft.fields.append(name)
        draft.fields.append(": ")
        draft.fields.append(value)
        draft.fields.append("\r\n")
    }

    /// Appends to the body; may be called several times.
    public func body(_ write: (inout ByteBuffer) -> Void) {
        write(&draft.body)
    }

    public func body(_ text: String) { draft.body.append(text) }
    public func body(_ text: StaticString) { draft.body.append(text) }
    public func body(_ bytes: [UInt8]) { draft.body.append(bytes) }

    /// How many bytes the body has so far.
    public var bodyCount: Int { draft.body.count }

    /// Forgets everything written so far: 200, no fields, an empty body.
    public func reset() {
        draft.reset()
    }

    /// Answers with a fixed body: sets status, type, ETag, Last-Modified and Cache-Control, and turns into 304 where the
    /// request's conditions say so.
    public func send(_ fixed: FixedBody) {
        draft.fixed = fixed
    }

    /// Answers with problem details (RFC 9457) instead of anything written so far except header fields.
    ///
    /// - Parameters:
    ///   - title: what kind of problem it is, the same for all of its occurrences.
    ///   - detail: what is wrong this time and what to do about it.
    ///   - type: a URI for the kind; by default "about:blank".
    public func problem(
        _ status: Status, title: String? = nil, detail: String, errors: [ProblemItem] = [], type: String = "about:blank"
    ) {
        draft.status = status
        draft.contentType = .problem
        draft.body.removeAll()
        draft.fixed = nil
        Problem.write(status, title: title, detail: detail, errors: errors, type: type, into: &draft.body)
    }
}

/// The memory behind a `Response`, one per loop, reused for each answer.
final class ResponseDraft {
    var status = Status.ok
    var contentType: ContentType?
    var compresses = true
    /// Complete field lines, each with its CRLF.
    var fields = ByteBuffer(capacity: 1024)
    var body = ByteBuffer(capacity: 8192)
    var fixed: FixedBody?
    /// Bytes of a body that is sent behind this answer.
    var bodyBehind = 0

    /// Larger bodies give their memory back after the answer.
    private static let bodyBytesKept = 1 << 20

    func reset() {
        status = .ok
        contentType = nil
        compresses = true
        fields.removeAll()
        if body.capacity > Self.bodyBytesKept { body = ByteBuffer(capacity: 8192) }
        body.removeAll()
        fixed = nil
        bodyBehind = 0
    }

    func addHeader(_ name: StaticString, _ value: String) {
        fields.append(name)
        fields.append(": ")
        for byte in value.utf8 { fields.append(byte < 32 || byte == 127 ? 32 : byte) }
        fields.append("\r\n")
    }
}

/// An answer made away from the loop, for `Server.complete`.
public struct ResponseBytes: Sendable {
    public var status: Status
    public var contentType: ContentType?
    public var headers: [(name: StaticString, value: String)]
    public var body: [UInt8]

    public init(
        status: Status = .ok, contentType: ContentType? = .json, headers: [(name: StaticString, value: String)] = [],
        body: [UInt8] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }

    /// Problem details (RFC 9457), as `Response.problem`.
    public static func problem(
        _ status: Status, title: String? = nil, detail: String, errors: [ProblemItem] = [],
        type: String = "about:blank",
        headers: [(name: StaticString, value: String)] = []
    ) -> ResponseBytes {
        var body = ByteBuffer(capacity: 256)
        Problem.write(status, title: title, detail: detail, errors: errors, type: type, into: &body)
        return ResponseBytes(status: status, contentType: .problem, headers: headers, body: Array(body.bytes))
    }

    /// Whether its body is too large to be copied, and sent as it is.
    var isLarge: Bool { body.count >= 1 << 20 && contentType?.isCompressible == false && !status.isBodiless }

    func write(into draft: ResponseDraft, withBody: Bool = true) {
        draft.reset()
        draft.status = status
        draft.contentType = contentType
        for (name, value) in headers { draft.addHeader(name, value) }
        if withBody { draft.body.append(body) } else { draft.bodyBehind = body.count }
    }
}

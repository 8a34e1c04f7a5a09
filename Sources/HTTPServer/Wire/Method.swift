// Request methods: those that routes can be registered for, and the rest of the registry, which is known but not routed.

/// A method of a request. Methods outside the IANA registry never get this far: the parser answers 501.
public enum Method: UInt8, Sendable, Hashable, CaseIterable {
    case get, head, post, put, delete, patch, options
    /// Registered at IANA (WebDAV and others) or in wide use, but never routed here: the answer is 404 or 405.
    case other

    /// The name as it stands on the wire; empty for `other`.
    public var name: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .other: ""
        }
    }

    /// Recognises `bytes`, case-sensitively (RFC 9110 9.1); nil when the method is unknown, or CONNECT, which only
    /// a proxy could serve.
    init?(_ bytes: UnsafeRawBufferPointer) {
        switch bytes.count {
        case 3:
            if bytes.equals("GET") { self = .get } else if bytes.equals("PUT") { self = .put } else { fallthrough }
        case 4:
            if bytes.equals("POST") { self = .post } else if bytes.equals("HEAD") { self = .head } else { fallthrough }
        case 5:
            if bytes.equals("PATCH") { self = .patch } else { fallthrough }
        case 6:
            if bytes.equals("DELETE") { self = .delete } else { fallthrough }
        case 7:
            if bytes.equals("OPTIONS") { self = .options } else { fallthrough }
        default:
            guard Method.unrouted.contains(where: { bytes.equals($0) }) else { return nil }
            self = .other
        }
    }

    /// The IANA registry without the methods above, plus PURGE, SOURCE, NOTIFY and SUBSCRIBE, which clients do send.
    private static let unrouted: [StaticString] = [
        "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "M-SEARCH", "MERGE",
        "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "NOTIFY", "ORDERPATCH",
        "PROPFIND", "PROPPATCH", "PURGE", "QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND",
        "UNCHECKOUT", "UNLINK", "UNLOCK", "UNSUBSCRIBE", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
    ]
}

// Field names with rules of their own: which may have one value only, and which may not stand behind a body.

/// What the parser must know of field names besides those that it acts upon.
enum FieldRules {
    /// A bit for each field that has one value (RFC 9110 5.3); nil for lists and fields that mean nothing here.
    ///
    /// Host and Content-Length are not among them: the parser refuses them even when they are repeated unchanged.
    @inline(__always)
    static func singleton(_ name: UnsafeRawBufferPointer) -> UInt16? {
        switch name.count {
        case 4 where name.equalsIgnoringCase("date"): 1
        case 4 where name.equalsIgnoringCase("from"): 1 << 1
        case 5 where name.equalsIgnoringCase("range"): 1 << 2
        case 6 where name.equalsIgnoringCase("origin"): 1 << 3
        case 7 where name.equalsIgnoringCase("referer"): 1 << 4
        case 10 where name.equalsIgnoringCase("user-agent"): 1 << 5
        case 12 where name.equalsIgnoringCase("content-type"): 1 << 6
        case 12 where name.equalsIgnoringCase("max-forwards"): 1 << 7
        case 13 where name.equalsIgnoringCase("authorization"): 1 << 8
        case 13 where name.equalsIgnoringCase("content-range"): 1 << 9
        case 16 where name.equalsIgnoringCase("content-location"): 1 << 10
        case 17 where name.equalsIgnoringCase("if-modified-since"): 1 << 11
        case 19 where name.equalsIgnoringCase("if-unmodified-since"): 1 << 12
        case 19 where name.equalsIgnoringCase("proxy-authorization"): 1 << 13
        default: nil
        }
    }

    /// Whether a trailer field would change framing, routing or authentication if someone merged it into the header
    /// section (RFC 9110 6.5.1): a request that carries one is refused.
    static func isForbiddenTrailer(_ name: UnsafeRawBufferPointer) -> Bool {
        if name.count > 12, UnsafeRawBufferPointer(rebasing: name[..<12]).equalsIgnoringCase("x-forwarded-") { return true }
        return forbiddenTrailers.contains(name)
    }

    private static let forbiddenTrailers: TokenSet = [
        "content-length", "transfer-encoding", "te", "connection", "keep-alive", "proxy-connection",
        "upgrade", "expect", "host", "forwarded", "via", "max-forwards", "x-real-ip", "authorization",
        "proxy-authorization", "cookie",
    ]
}

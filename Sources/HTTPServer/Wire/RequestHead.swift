// What the parser found in a request: numbers and offsets only, so that it costs nothing to make, move or drop.

/// The head of a request as offsets from the request's first byte.
struct RequestHead {
    var method = Method.get
    /// The minor version: 0 for HTTP/1.0, else 1.
    var minorVersion: UInt8 = 1
    var path = ByteRange.empty
    /// Without the "?".
    var query = ByteRange.empty
    var hasQuery = false
    /// Whether path or query contain a "%": their decoding must then be checked before they are used.
    var isEncoded = false
    /// `OPTIONS *`.
    var isAsterisk = false
    /// The `Host` field's value, or the authority of an absolute target, which takes its place (RFC 9112 3.2.2).
    var authority = ByteRange.empty
    var contentLength: Int?
    var isChunked = false
    var keepsAlive = true
    var expectsContinue = false
    var acceptsGzip = false
    var fieldCount = 0

    /// Whether a body follows that is not empty for certain.
    var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }
}

/// One field line: where its name and its value (without surrounding white space) are.
struct Field {
    var name = ByteRange.empty
    var value = ByteRange.empty
}

// What one HTTP exchange consists of, and how a connection is secured.

/// Whom to trust and who we are. Files and data are PEM; data wins.
public struct TLSOptions: Sendable, Equatable {
    public var caFile: String?
    public var caData: [UInt8]?
    public var certificateFile: String?
    public var certificateData: [UInt8]?
    public var keyFile: String?
    public var keyData: [UInt8]?
    /// The name that the server's certificate must have and that is sent as SNI, where it is not the URL's host.
    public var serverName: String?
    /// Accept any certificate.
    public var isInsecure = false

    public init() {}
}

/// How an `HTTPClient` behaves. Every wait has an end: a silent peer never holds a thread for ever.
public struct HTTPOptions: Sendable {
    /// Scheme, host, port and perhaps a path prefix, for example `https://10.0.0.1:443`.
    public var base: String
    public var tls = TLSOptions()
    public var proxy: String?
    /// Sent with every request.
    public var headers: [(name: String, value: String)] = []
    /// For connecting, TLS included.
    public var connectTimeoutSeconds = 10
    /// For one whole request; a stream has its own.
    public var timeoutSeconds = 30
    /// Of an answer.
    public var bodyBytesMax = 64 << 20
    /// A transfer of less than one byte a second for so long is given up.
    public var stallSeconds = 20

    public init(base: String) { self.base = base.hasSuffix("/") ? String(base.dropLast()) : base }
}

/// One request. `path` begins with a slash and is encoded already.
public struct HTTPRequest: Sendable {
    public var method: String
    public var path: String
    public var body: [UInt8]?
    public var contentType = "application/json"
    public var accept = "application/json"
    public var headers: [(name: String, value: String)] = []

    public init(_ method: String, _ path: String, body: String? = nil) {
        self.method = method
        self.path = path
        self.body = body.map { Array($0.utf8) }
    }
}

/// An answer of whatever status.
public struct HTTPAnswer: Sendable {
    public var status: Int
    /// Names in lower case; of a repeated field the last value.
    public var headers: [String: String]
    public var body: [UInt8]

    public var text: String { String(decoding: body, as: UTF8.self) }
    public var isSuccess: Bool { (200..<300).contains(status) }

    /// Seconds that the peer asks to wait (RFC 9110 section 10.2.3; the form with a date counts as none).
    public var retryAfter: Double? {
        headers["retry-after"].flatMap(Double.init).flatMap { $0.isFinite && $0 >= 0 ? min($0, 3600) : nil }
    }
}

/// The peer could not be reached, or did not answer in time, or sent too much.
public struct HTTPFailure: Error, CustomStringConvertible {
    public let url: String
    public let reason: String
    /// The transfer was stopped by its time limit or for want of bytes, not refused.
    public let isTimeout: Bool
    /// The caller asked to stop.
    public let isCancelled: Bool

    public var description: String { "\(url): \(reason)" }
}

// Where a server listens: an address and port, or the path of a Unix domain socket.

/// An address to listen on. Text forms: `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/aware.sock`.
public enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// A numeric IPv4 or IPv6 address (names are not resolved) or `localhost`, and a port; port 0 lets the kernel choose.
    case tcp(host: String, port: UInt16)
    /// The path of a Unix domain socket, at most 107 bytes.
    case unix(path: String)

    /// The longest path that fits into `sockaddr_un`.
    static let unixPathBytesMax = 107

    /// - Throws: `ListenAddressError`, whose description says what is allowed.
    public init(_ text: String) throws(ListenAddressError) {
        let unixPrefix = "unix:"
        if text.hasPrefix(unixPrefix) {
            let path = String(text.dropFirst(unixPrefix.count))
            guard !path.isEmpty, path.utf8.count <= Self.unixPathBytesMax, !path.utf8.contains(0) else {
                throw ListenAddressError(text: text, reason: "the path must have 1 to 107 bytes")
            }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else {
            throw ListenAddressError(text: text, reason: "the port is missing")
        }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits) else {
            throw ListenAddressError(text: text, reason: "the port must be a number from 0 to 65535")
        }
        var host = text[..<colon]
        let bracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.count > 2
        if bracketed { host = host.dropFirst().dropLast() }
        guard host.contains(":") == bracketed else {
            throw ListenAddressError(text: text, reason: "an IPv6 address, and only that, stands in brackets")
        }
        guard SocketAddress(host: String(host), port: port) != nil else {
            throw ListenAddressError(text: text, reason: "the host must be a numeric address or localhost")
        }
        self = .tcp(host: String(host), port: port)
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Whether only processes of this machine can connect: 127.0.0.0/8, ::1, localhost and Unix sockets.
    public var isLoopback: Bool {
        switch self {
        case .tcp(let host, let port): SocketAddress(host: host, port: port)?.peer.isLoopback ?? false
        case .unix: true
        }
    }
}

/// Why a text is no address to listen on.
public struct ListenAddressError: Error, CustomStringConvertible {
    public let text: String
    public let reason: String

    public var description: String {
        "cannot listen on \"\(text)\": \(reason). Allowed are ADDRESS:PORT such as 127.0.0.1:8080, "
            + "[IPV6]:PORT such as [::1]:8080, localhost:PORT, and unix:PATH such as unix:/run/aware.sock"
    }
}

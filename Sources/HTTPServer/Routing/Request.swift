// A request as handlers see it: a view of the connection's receive buffer that allocates nothing unless asked for a String.

/// A request, valid only during the call that it was given to. Nothing is copied until an accessor returns a String.
public struct Request: ~Copyable {
    /// The first byte of the request in the receive buffer; all offsets count from it.
    let base: UnsafeRawPointer
    let head: RequestHead
    let fields: UnsafePointer<Field>
    let parameters: UnsafePointer<ByteRange>
    let parameterCount: Int
    /// The index in `Router.routes` of the route that matched; nil in `intercept` where none did (the answer will be 404,
    /// 405, or that of OPTIONS).
    public let route: Int?
    /// The route's priority.
    public let priority: Priority
    /// Which connection asked, for deferrals and streams.
    let origin: RequestOrigin

    /// The body. At least 64 further bytes after its end may be read (their content is undefined), as simdjson demands.
    /// Empty in `ServerOptions.intercept`, which runs before the body has been read.
    public let body: UnsafeRawBufferPointer
    let inbox: Unmanaged<Inbox>

    /// The body, for work that goes on when the handler has returned.
    public func keepBody() -> KeptBody {
        let inbox = inbox.takeUnretainedValue()
        guard let first = body.baseAddress else { return KeptBody(inbox, 0..<0) }
        inbox.isKept = true
        let start = first - UnsafeRawPointer(inbox.bytes.base)
        return KeptBody(inbox, start..<start + body.count)
    }

    /// The method; HEAD for HEAD, although the GET route answers it.
    public var method: Method { head.method }

    /// The index of the loop that this runs on, 0 up to `ServerOptions.loops` - 1.
    public var loop: Int { origin.loop }

    /// Who sent it.
    public var peer: PeerAddress { origin.peer }

    /// Whether the client speaks HTTP/1.0.
    public var isHTTP10: Bool { head.minorVersion == 0 }

    /// Whether it came through a Unix domain socket.
    public var isUnixSocket: Bool { origin.peer == .unix }

    private func bytes(_ range: ByteRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(range.start), count: Int(range.count))
    }

    /// The path as sent, still percent-encoded, without the query.
    public var pathBytes: UnsafeRawBufferPointer { bytes(head.path) }

    /// The path as sent, still percent-encoded, without the query.
    public var path: String { String(decoding: pathBytes, as: UTF8.self) }

    /// The query as sent, without "?", empty if there is none.
    public var queryBytes: UnsafeRawBufferPointer { bytes(head.query) }

    // MARK: Path parameters

    /// The pattern's parameter at `index` (0 is the first) as sent, percent-encoded. Never empty.
    public func parameterBytes(_ index: Int) -> UnsafeRawBufferPointer {
        precondition(index >= 0 && index < parameterCount, "the pattern has no such parameter")
        return bytes(parameters[index])
    }

    /// The pattern's parameter at `index`, percent-decoded. Broken encodings were answered 400 before.
    public func parameter(_ index: Int) -> String {
        percentDecoded(parameterBytes(index), plusIsSpace: false) ?? ""
    }

    // MARK: Query

    /// The first query parameter of this name, percent-decoded ("+" is a space); nil if absent, "" if it has no value.
    public func query(_ name: StaticString) -> String? {
        var found: String?
        forEachQueryItem { key, value in
            guard key.equals(name) else { return true }
            found = percentDecoded(value, plusIsSpace: true)
            return false
        }
        return found
    }

    /// Whether the query has the parameter `name` with exactly `value`; allocates nothing.
    public func query(_ name: StaticString, is value: StaticString) -> Bool {
        var found = false
        forEachQueryItem { key, text in
            found = key.equals(name) && text.equals(value)
            return !found
        }
        return found
    }

    /// All query parameters in order, percent-decoded; for refusing unknown ones.
    public var queryItems: [(name: String, value: String)] {
        var items: [(name: String, value: String)] = []
        forEachQueryItem { key, value in
            items.append(
                (percentDecoded(key, plusIsSpace: true) ?? "", percentDecoded(value, plusIsSpace: true) ?? ""))
            return true
        }
        return items
    }

    /// Calls `body` with names and values as sent until it returns false.
    private func forEachQueryItem(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool) {
        let query = queryBytes
        var start = 0
        while start < query.count {
            var end = start
            var equals = -1
            while end < query.count, query[end] != UInt8(ascii: "&") {
                if equals < 0, query[end] == UInt8(ascii: "=") { equals = end }
                end += 1
            }
            if end > start {
                let name = UnsafeRawBufferPointer(rebasing: query[start..<(equals < 0 ? end : equals)])
                let value = UnsafeRawBufferPointer(rebasing: query[(equals < 0 ? end : equals + 1)..<end])
                guard body(name, value) else { return }
            }
            start = end + 1
        }
    }

    // MARK: Header fields

    /// The value of the first field of this name, letters of any case; nil if absent. No white space around it.
    public func headerBytes(_ name: StaticString) -> UnsafeRawBufferPointer? {
        for i in 0..<head.fieldCount where bytes(fields[i].name).equalsIgnoringCase(name) {
            return bytes(fields[i].value)
        }
        return nil
    }

    /// `headerBytes` as a String; bytes that are not UTF-8 are replaced.
    public func header(_ name: StaticString) -> String? {
        headerBytes(name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether there is a field with one of these names.
    public func hasHeader(among names: TokenSet) -> Bool {
        for i in 0..<head.fieldCount where names.contains(bytes(fields[i].name)) { return true }
        return false
    }

    /// How many fields of this name there are: several Authorization fields, say, are an attempt to deceive.
    public func headerCount(_ name: StaticString) -> Int {
        var count = 0
        for i in 0..<head.fieldCount where bytes(fields[i].name).equalsIgnoringCase(name) { count += 1 }
        return count
    }

    /// The host asked for, with port: the target's authority or else the Host field. Empty if there is none (HTTP/1.0).
    public var authority: String { String(decoding: bytes(head.authority), as: UTF8.self) }

    /// Whether Content-Type is one of `types` (e.g. "application/json"), parameters such as charset disregarded.
    public func contentTypeIs(among types: TokenSet) -> Bool {
        guard let value = headerBytes("content-type") else { return false }
        let end = value.firstIndex(of: UInt8(ascii: ";")) ?? value.count
        return types.contains(trimmed(UnsafeRawBufferPointer(rebasing: value[..<end])))
    }

    /// Whether If-None-Match names `etag` (with its quotes) or "*": then the answer to a GET is 304. Weak comparison.
    public func ifNoneMatch(_ etag: String) -> Bool {
        headerBytes("if-none-match").map { EntityTag.list($0, contains: etag, weakly: true) } ?? false
    }

    /// Whether If-Match names `etag` (with its quotes) or "*", by strong comparison; nil if there is no If-Match.
    public func ifMatch(_ etag: String) -> Bool? {
        headerBytes("if-match").map { EntityTag.list($0, contains: etag, weakly: false) }
    }

    // MARK: Answers that come later

    /// A ticket for an answer that follows after the handler has returned `.deferred`.
    public func deferral() -> Deferral {
        Deferral(
            loop: origin.loop, connection: origin.connection, generation: origin.generation, request: origin.request,
            priority: priority)
    }

    /// The handle of a stream that begins when the handler returns `.stream`; nil when too many are open (answer 503).
    public func openStream() -> StreamHandle? {
        origin.stream()
    }
}

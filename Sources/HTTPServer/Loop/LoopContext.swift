// What all conversations of one loop share: routes, limits, reused memory, and the time of the current drain.

import CLinux

/// Confined to one loop (or to one test).
final class LoopContext {
    let loop: Int
    let routes: RouteTable
    let options: ServerOptions
    let statistics: LoopStatistics
    let hostFilter: HostFilter?
    /// Where streams and deferred answers come in; nil where there is no loop.
    let mailbox: Mailbox?

    let draft = ResponseDraft()
    let extraFields: [UInt8]
    let parameters = UnsafeMutablePointer<ByteRange>.allocate(capacity: Router.parametersMax)
    private(set) lazy var gzip = Gzip(level: options.gzipLevel)
    var gzipped = ByteBuffer()

    /// CLOCK_MONOTONIC at the start of the current drain, in nanoseconds.
    var now: UInt64 = 0
    private var wallSecond: Int64 = -1
    /// The Date field line, rebuilt when the second changes.
    private(set) var dateField: [UInt8] = []
    /// Set while the server drains: each answer closes its connection.
    var isDraining = false
    var deferredOpen = 0
    /// Requests handled since the last `onDrain`, and those of them answered at once.
    var handled = 0
    var answeredAtOnce = 0

    private let limits: ParserLimits
    private var inboxes: [Inbox] = []
    private var outboxes: [Outbox] = []
    /// Idle buffers kept for reuse.
    private static let pooledMax = 256

    init(
        loop: Int, routes: RouteTable, options: ServerOptions, statistics: LoopStatistics = LoopStatistics(),
        mailbox: Mailbox? = nil
    ) {
        self.loop = loop
        self.routes = routes
        self.options = options
        self.statistics = statistics
        self.mailbox = mailbox
        limits = ParserLimits(options)
        hostFilter = options.hostFilter.map(HostFilter.init)
        var extra = ByteBuffer(capacity: 512)
        for (name, value) in options.extraHeaders {
            extra.append(name)
            extra.append(": ")
            extra.append(value)
            extra.append("\r\n")
        }
        extraFields = Array(extra.bytes)
        parameters.initialize(repeating: .empty, count: Router.parametersMax)
    }

    deinit {
        parameters.deallocate()
    }

    /// Reads the clocks; once per drain is enough.
    func tick() {
        now = clinux_monotonic_nanoseconds()
        let second = clinux_wall_seconds()
        if second != wallSecond {
            wallSecond = second
            dateField = Array("Date: \(HTTPDate.text(second))\r\n".utf8)
        }
    }

    func takeInbox() -> Inbox { inboxes.popLast() ?? Inbox(limits: limits) }
    func takeOutbox() -> Outbox { outboxes.popLast() ?? Outbox() }

    func give(back inbox: Inbox) {
        inbox.clear()
        if inboxes.count < Self.pooledMax { inboxes.append(inbox) }
    }

    func give(back outbox: Outbox) {
        outbox.clear()
        if outboxes.count < Self.pooledMax { outboxes.append(outbox) }
    }
}

/// Received bytes and the parser that reads them. Connections own one only while a request is under way.
final class Inbox {
    var bytes = ByteBuffer(capacity: Inbox.bytesInitial)
    var parser: RequestParser
    /// Where the current request begins.
    var start = 0

    /// Enough for a request with 16 KiB of fields at once; grows for bodies.
    static let bytesInitial = 16 * 1024
    /// Room that is made before each read.
    private static let readBytesMin = 4 * 1024
    private static let bytesKept = 128 * 1024

    init(limits: ParserLimits) {
        parser = RequestParser(limits: limits)
    }

    /// Makes room for the next read: forgets answered requests, grows if need be.
    func makeRoom() {
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.reserve(Self.readBytesMin)
    }

    func clear() {
        start = 0
        parser.reset()
        if bytes.capacity > Self.bytesKept { bytes = ByteBuffer(capacity: Self.bytesInitial) }
        bytes.removeAll()
    }
}

/// Answers that wait to be sent. Connections own one only while there are any.
final class Outbox {
    var bytes = ByteBuffer(capacity: 4 * 1024)
    private static let bytesKept = 128 * 1024

    func clear() {
        if bytes.capacity > Self.bytesKept { bytes = ByteBuffer(capacity: 4 * 1024) }
        bytes.removeAll()
    }
}

/// The allow-list of host names.
struct HostFilter {
    private let names: Set<String>
    private let suffixes: [String]

    init(_ patterns: [String]) {
        names = Set(patterns.filter { !$0.hasPrefix("*.") }.map { $0.lowercased() })
        suffixes = patterns.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst().lowercased()) }
    }

    /// Whether the host of `authority` (a port is ignored) is allowed.
    func allows(_ authority: UnsafeRawBufferPointer) -> Bool {
        guard let host = Authority.host(of: authority) else { return false }
        let name = String(decoding: host, as: UTF8.self).lowercased()
        return names.contains(name) || suffixes.contains { name.hasSuffix($0) && name.utf8.count > $0.utf8.count }
    }
}

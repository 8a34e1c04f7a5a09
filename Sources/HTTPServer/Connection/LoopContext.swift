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
    let cacheControlField: [UInt8]
    let parameters = UnsafeMutablePointer<ByteRange>.allocate(capacity: Router.parametersMax)
    private(set) lazy var gzip = Gzip(level: options.gzipLevel)
    var gzipped = ByteBuffer()

    /// CLOCK_MONOTONIC at the start of the current drain, in nanoseconds.
    var now: UInt64 = 0
    private var wallSecond: Int64 = -1
    /// The Date field line, rebuilt when the second changes.
    private(set) var dateField: [UInt8] = []
    /// Each answer says that it is its connection's last: the server drains, or will soon.
    var isEnding = false
    /// Set while the server drains: nobody new is let in, and idle connections are closed.
    var isDraining = false
    /// What may begin, and what this pass has left.
    var admission: Admission
    var pass = PassBudget()
    var memory: MemoryBudget
    /// Work that waits for its turn, oldest first: names of connections.
    var parked = ParkedQueue()
    /// Requests handled since the last `onDrain`, and those of them answered at once.
    var handled = 0
    var answeredAtOnce = 0

    private let limits: ParserLimits
    private var inboxes: [Inbox] = []
    private var outboxes: [Outbox] = []
    /// Idle buffers kept for reuse: beyond so many open requests each one clears 20 KiB of new memory.
    private static let pooledMax = 1024

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
        admission = Admission(options)
        memory = MemoryBudget(options)
        pass.refill(options, isBusy: false)
        hostFilter = options.hostFilter.map(HostFilter.init)
        var extra = ByteBuffer(capacity: 512)
        for (name, value) in options.extraHeaders {
            extra.append(name)
            extra.append(": ")
            extra.append(value)
            extra.append("\r\n")
        }
        extraFields = Array(extra.bytes)
        cacheControlField = options.cacheControl.map { Array("Cache-Control: \($0)\r\n".utf8) } ?? []
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

    /// Open deferred answers of all priorities.
    var deferredOpen: Int { admission.total }

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

// The server: its loops and its listening sockets, started, drained and stopped as one.

import CLinux
import Dispatch
import Glibc
import Synchronization

/// An HTTP/1.1 server over TCP and Unix domain sockets.
///
/// Each of its event loops is an actor on a Dispatch queue of its own; connections are dealt out to them in turn and stay.
public final class Server: Sendable {
    public let options: ServerOptions
    private let loops: [EventLoop]
    private let mailboxes: [Mailbox]
    private let loopStatistics: [LoopStatistics]
    private let unixPaths = Mutex<[String]>([])
    /// Connections that are served at once, and those kept for health and control beyond them.
    public let connectionsMax: Int
    public let reservedConnectionsMax: Int

    /// What a TCP handshake under way gets to end well when new ones are ignored already.
    private static let handshakeTime = Duration.milliseconds(50)

    public init(options: ServerOptions = ServerOptions(), router: Router) {
        self.options = options
        let table = RouteTable(router)
        let shared = SharedLimits(options)
        (connectionsMax, reservedConnectionsMax) = (shared.connectionsMax, shared.reserveMax)
        var loops: [EventLoop] = []
        for index in 0..<max(1, options.loops) {
            loops.append(EventLoop(index: index, options: options, routes: table, limits: shared))
        }
        self.loops = loops
        mailboxes = loops.map(\.mailbox)
        loopStatistics = loops.map(\.statistics)
    }

    /// Opens the listening sockets and begins to serve.
    ///
    /// To be called once.
    ///
    /// - Returns: the addresses as bound: with the real port where 0 was asked for.
    /// - Throws: `SocketError` when an address cannot be bound or descriptors are missing; nothing listens then.
    public func start(on addresses: [ListenAddress]) throws -> [ListenAddress] {
        guard loops.allSatisfy({ $0.isOpen }) else { throw SocketError("epoll_create1 or eventfd", "an event loop") }
        var listeners: [Listener] = []
        do {
            for address in addresses { listeners.append(try Listener(address, options: options)) }
        } catch {
            for listener in listeners { listener.close() }
            throw error
        }
        let bound = listeners.map(\.address)
        unixPaths.withLock { paths in
            for case .unix(let path) in bound { paths.append(path) }
        }
        let peers = mailboxes
        for loop in loops { loop.run(listeners: loop === loops.first ? listeners : [], peers: peers) }
        return bound
    }

    /// Goes on serving, but with `Connection: close`: before a drain, so that clients are gone when it begins.
    public func announceEnd() {
        for mailbox in mailboxes { mailbox.post(.announceEnd) }
    }

    /// Stops accepting, answers who was connected by then and what is in flight with `Connection: close`, and closes each
    /// connection when it is idle; those left after `timeout` are cut. Returns when no connection is open.
    public func drain(timeout: Duration) async {
        let deadline = clinux_monotonic_nanoseconds() + UInt64(max(0, timeout / .nanoseconds(1)))
        for mailbox in mailboxes { mailbox.post(.ignoreHandshakes) }
        try? await Task.sleep(for: Self.handshakeTime)
        for mailbox in mailboxes { mailbox.post(.drain) }
        for loop in loops { await loop.drained(deadline: deadline) }
        removeSocketFiles()
    }

    /// Closes everything now.
    public func shutdown() {
        for mailbox in mailboxes { mailbox.post(.shutdown) }
        removeSocketFiles()
    }

    private func removeSocketFiles() {
        let paths = unixPaths.withLock { paths in
            defer { paths = [] }
            return paths
        }
        for path in paths { unlink(path) }
    }

    /// Sends the answers that the handlers wrote before they returned `.deferred`. From any thread; a loop's answers
    /// should come in one call, since each call costs at most one wake-up of each loop. From the loop itself (in
    /// `onDrain`) it costs none.
    public func release(_ deferrals: [Deferral]) {
        deliver(deferrals, loop: \.loop) { $0.release($1) }
    }

    /// Sends `answers` in place of what the handlers wrote before they returned `.deferred`. As `release` otherwise.
    public func complete(_ answers: [(Deferral, ResponseBytes)]) {
        deliver(answers, loop: \.0.loop) { $0.complete($1) }
    }

    /// Gives each loop its part of `items`, in order.
    private func deliver<Item>(_ items: [Item], loop: (Item) -> Int, _ send: (EventLoop, [Item]) -> Void) {
        guard let first = items.first else { return }
        if loops.count == 1 || items.allSatisfy({ loop($0) == loop(first) }) {
            guard loops.indices.contains(loop(first)) else { return }
            return send(loops[loop(first)], items)
        }
        for index in loops.indices {
            let part = items.filter { loop($0) == index }
            if !part.isEmpty { send(loops[index], part) }
        }
    }

    /// What all loops have done so far.
    public var statistics: ServerStatistics {
        loopStatistics.map(\.snapshot).reduce(ServerStatistics(), +)
    }

    /// What each loop has done so far.
    public var statisticsByLoop: [ServerStatistics] {
        loopStatistics.map(\.snapshot)
    }
}

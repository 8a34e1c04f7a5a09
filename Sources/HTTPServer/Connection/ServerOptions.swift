// Every limit, timeout and hook of a server, each with its default, its unit and the reason for its value.

/// How a server behaves. The defaults were compared with those of nginx, Apache, Go, Node, Kestrel and NIO.
public struct ServerOptions: Sendable {
    public init() {}

    // MARK: Size

    /// Event loops, each on a Dispatch queue of its own; one per core that should serve.
    public var loops = 1
    /// Connections open at once, over all loops. nil: what `SharedLimits` finds from RLIMIT_NOFILE, at most 16,384.
    public var connectionsMax: Int?
    /// Connections that the kernel may complete before they are accepted. nginx and Apache have 511.
    public var backlog: Int32 = 1024
    /// Permissions of a Unix domain socket.
    public var unixSocketMode: UInt32 = 0o660

    // MARK: Requests

    /// Bytes of a request line; 414 above. As nginx and Apache.
    public var requestLineBytesMax = 8 * 1024
    /// Bytes of the whole header section; 431 above.
    public var headerBytesMax = 16 * 1024
    /// Bytes of one field line; 431 above.
    public var fieldBytesMax = 8 * 1024
    /// Number of fields; 431 above. As Apache and Kestrel.
    public var fieldsMax = 100
    /// Bytes of a body, unless the route says otherwise; 413 above, before the body is read.
    public var bodyBytesMax = 1 << 20
    /// Bytes of all chunk extensions of one body; 400 above.
    public var chunkExtensionBytesMax = 4 * 1024
    /// Bytes and number of trailer fields after a chunked body; 431 above.
    public var trailerBytesMax = 4 * 1024
    public var trailersMax = 32
    /// Requests on one connection; the last one is answered with `Connection: close`.
    public var requestsPerConnectionMax = 10_000
    /// Requests of one connection answered but not sent, or waiting for a deferred answer; above, reading stops.
    public var pipelinedMax = 64
    /// Bytes of answers that wait to be sent to one connection; above, reading stops. One answer may be larger.
    public var outputBytesMax = 64 * 1024
    /// Bytes of large buffers, received or waiting to be sent, over all connections and for one address (an IPv6 network
    /// of 64 bits): above, requests are answered 503 and the connection is closed.
    public var bufferedBytesMax = 256 << 20
    public var bufferedBytesPerAddressMax = 64 << 20

    // MARK: Overload

    /// Deferred answers of work open in one loop at most; fewer while they take longer than `workTargetMilliseconds`.
    public var deferredMax = 1024
    public var workTargetMilliseconds = 15
    /// Work that has been read and waits for its turn in one loop; beyond, and after `parkedMilliseconds`, 503.
    public var parkedMax = 1024
    public var parkedMilliseconds = 15
    /// Deferred answers of control and of reads open in one loop; 503 beyond.
    public var controlDeferredMax = 256
    public var readDeferredMax = 128
    /// Requests of control and of reads that a loop takes before it looks at all connections again.
    public var controlPerPassMax = 32
    public var readPerPassMax = 32
    /// Connections beyond `connectionsMax` for health and control alone; other requests on them are answered 503. When all
    /// are taken, the oldest that has asked for nothing makes room.
    public var reservedConnectionsMax = 64
    /// How long a connection of the reserve may take for its one request.
    public var reservedTimeoutMilliseconds = 2_000
    /// Connections of the reserve accepted in a tick of 50 ms: clients that come back at once must not cost the rest.
    public var reservedPerTickMax = 100
    /// How long a client that was answered 503 and comes back at once is not listened to: this, doubled each time.
    public var impatiencePauseMilliseconds = 500
    public var impatiencePauseMillisecondsMax = 4_000

    // MARK: Time, in milliseconds of CLOCK_MONOTONIC

    /// From the first byte of a request to the end of its header section, absolute; 408 after. Stops header drips.
    public var headerTimeoutMilliseconds = 10_000
    /// From the end of the header section to the end of the body, absolute; 408 after.
    public var bodyTimeoutMilliseconds = 30_000
    /// A body's slowest rate in bytes a second, counted after `bodyGraceMilliseconds`; 408 below. As Kestrel.
    public var bodyBytesPerSecondMin = 240
    public var bodyGraceMilliseconds = 5_000
    /// How long a connection may be idle between requests. Above the 60 s of common proxies, so that they close first.
    public var idleTimeoutMilliseconds = 75_000
    /// How long a client may take none of the bytes that wait for it; then the connection is reset.
    public var writeStallMilliseconds = 10_000
    /// How long a deferred answer may take; 503 after.
    public var deferredTimeoutMilliseconds = 10_000
    /// After an error answer the rest of what the client sends is read for this long, and so many bytes, before closing:
    /// closing with unread bytes would reset the connection and destroy the answer.
    public var lingerMilliseconds = 500
    public var lingerBytesMax = 64 * 1024
    /// While draining, how long idle connections stay open for a request that may be under way.
    public var drainIdleMilliseconds = 300
    /// How long accepting pauses when the process is out of descriptors.
    public var acceptPauseMilliseconds = 50

    // MARK: Event streams

    /// Bytes that may wait for one slow reader of a stream; above, it is dropped.
    public var streamBytesMax = 256 * 1024
    /// A comment line is sent to silent streams this often, so that dead readers are noticed.
    public var streamHeartbeatMilliseconds = 15_000
    /// Streams open in one loop; further ones get 503.
    public var streamsMax = 256

    // MARK: Answers

    /// Bodies of at least so many bytes are compressed for clients that accept gzip. nil: never.
    public var gzipBytesMin: Int? = 1400
    /// zlib's level, 1 (fast) to 9.
    public var gzipLevel: Int32 = 4
    /// Field lines added to each answer, e.g. `[("X-Content-Type-Options", "nosniff")]`. A route's own field of the
    /// same name does not replace them.
    public var extraHeaders: [(name: String, value: String)] = []

    /// Cache-Control of each answer that is no fixed body: who may see an answer is decided anew for each request.
    public var cacheControl: String? = "no-store"

    // MARK: Hooks

    /// The names that `Host` (or the target's authority) may have, without port, in lower case; a leading `*.` stands
    /// for one or more labels. Others get 403. nil: any. Numeric loopback addresses are not implied. Requests of HTTP/1.0 without Host and
    /// requests through a Unix domain socket pass.
    public var hostFilter: [String]?
    /// Called once for each request, after routing and before its body is read; false means that the response is
    /// written (401, 403, 429) and the handler must not run. `request.body` is empty here.
    public var intercept: (@Sendable (borrowing Request, inout Response) -> Bool)?
    /// Asked before a deferred answer that took too long is answered 503: whether its work had not begun, and now never
    /// will. nil: work is taken to go on.
    public var cancel: (@Sendable (Deferral) -> Bool)?
    /// Called on the loop's queue with the loop's index when everything that one `epoll_wait` reported has been handled,
    /// before any answer of it is sent: deferred answers that are completed in here leave with the same `send`.
    /// Called only if a request was handled since the last call.
    public var onDrain: (@Sendable (_ loop: Int) -> Void)?
}

extension ParserLimits {
    init(_ options: ServerOptions) {
        self.init(
            requestLineBytesMax: options.requestLineBytesMax, headerBytesMax: options.headerBytesMax,
            fieldBytesMax: options.fieldBytesMax, fieldsMax: max(1, options.fieldsMax),
            chunkExtensionBytesMax: options.chunkExtensionBytesMax, trailerBytesMax: options.trailerBytesMax,
            trailersMax: options.trailersMax)
    }
}

// The sending end of a stream of server-sent events: used from any thread, holds none.

import Synchronization

/// What brings a stream's bytes to its connection.
protocol StreamCarrier: AnyObject, Sendable {
    /// A handle for a new stream, or nil when too many are open.
    func openStream(_ deferral: Deferral) -> StreamHandle?
    func send(_ bytes: [UInt8], on stream: StreamHandle)
    func end(_ stream: StreamHandle)
    func streamClosed()
}

/// Sends bytes to one client for as long as it listens. Bytes reach the client in the order of the calls.
public final class StreamHandle: Sendable {
    let deferral: Deferral
    private let carrier: any StreamCarrier
    private let bytesMax: Int
    private let state = Mutex(State())

    private struct State {
        var isClosed = false
        /// Bytes given to `send` that the loop has not yet taken.
        var queued = 0
        var onClose: (@Sendable () -> Void)?
    }

    init(_ deferral: Deferral, carrier: any StreamCarrier, bytesMax: Int) {
        self.deferral = deferral
        self.carrier = carrier
        self.bytesMax = bytesMax
    }

    /// Whether the stream has ended, by `close` or because the client has gone or was too slow.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Queues `bytes`, e.g. "event: decision\ndata: {…}\n\n". Returns false if the stream has ended or, after more than
    /// `ServerOptions.streamBytesMax` bytes wait for this client: the stream then ends.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Bool {
        let (accepted, overflow) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            guard state.queued + bytes.count <= bytesMax else { return (false, true) }
            state.queued += bytes.count
            return (true, false)
        }
        if accepted { carrier.send(bytes, on: self) }
        if overflow { close() }
        return accepted
    }

    /// Ends the stream after what has been sent so far.
    public func close() {
        carrier.end(self)
    }

    /// Calls `action` once, on the loop's queue, when the stream has ended; at once if it has already.
    public func onClose(_ action: @escaping @Sendable () -> Void) {
        let late = state.withLock { state in
            if !state.isClosed { state.onClose = action }
            return state.isClosed
        }
        if late { action() }
    }

    func taken(_ count: Int) {
        state.withLock { $0.queued -= count }
    }

    /// Marks the stream as ended; the loop calls this once.
    func ended() {
        let (first, action) = state.withLock { state in
            let result = (!state.isClosed, state.onClose)
            state.isClosed = true
            state.onClose = nil
            return result
        }
        if first { carrier.streamClosed() }
        action?()
    }
}

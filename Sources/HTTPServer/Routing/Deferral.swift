// Answers that come later: the ticket that a handler takes and gives to whoever will know the answer.

/// Names one request that waits for its answer. When its connection is gone, completing it does nothing.
public struct Deferral: Sendable, Hashable {
    /// The loop that the connection belongs to.
    public let loop: Int
    let connection: UInt32
    let generation: UInt32
    /// The request's number on its connection.
    let request: UInt32
    /// How urgent the request is.
    public var priority = Priority.work

    public static func == (a: Deferral, b: Deferral) -> Bool {
        a.connection == b.connection && a.generation == b.generation && a.request == b.request && a.loop == b.loop
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(connection)
        hasher.combine(generation)
        hasher.combine(request)
        hasher.combine(loop)
    }
}

/// Which connection and loop a request came through.
struct RequestOrigin {
    let loop: Int
    let connection: UInt32
    let generation: UInt32
    let request: UInt32
    let peer: PeerAddress
    /// Opens a stream on this request, where there is a loop to carry it.
    unowned(unsafe) let carrier: (any StreamCarrier)?

    func stream() -> StreamHandle? {
        carrier?.openStream(
            Deferral(loop: loop, connection: connection, generation: generation, request: request))
    }
}

// One accepted socket: its conversation, what epoll watches it for, and when it must have moved.

/// Confined to its loop.
final class Connection {
    let descriptor: Int32
    /// Index in the loop's table, and a number that tells this connection from others that had the index before.
    let index: UInt32
    let generation: UInt32
    var conversation: Conversation
    var stream: StreamHandle?

    /// What epoll is asked to report.
    var interest: UInt32 = 0
    /// Whether the last send took less than there was.
    var isBlocked = false
    /// When bytes were last taken by the client, or first waited for it.
    var progressAt: UInt64 = 0
    /// Whether the client has closed its side.
    var sawEnd = false
    /// After the last answer: what is still received is dropped, up to a limit.
    var isLingering = false
    var lingered = 0
    /// Nothing is received: its request waits for its turn, or it came back at once after a 503.
    var isMuted = false
    /// Until when a client that came back at once is not listened to, and for how long the next time; nanoseconds.
    var pausedUntil: UInt64 = 0
    var pause: UInt64 = 0
    /// When a connection of the reserve was accepted; 0 for others.
    var reservedAt: UInt64 = 0
    /// Whether it stands in the loop's list of connections to look after when the drain ends.
    var isMarked = false
    /// When something must have happened, nanoseconds; the wheel asks at `wheelTick`.
    var deadline = UInt64.max
    var wheelTick = UInt64.max

    init(descriptor: Int32, index: UInt32, generation: UInt32, peer: PeerAddress) {
        self.descriptor = descriptor
        self.index = index
        self.generation = generation
        conversation = Conversation(connection: index, generation: generation, peer: peer)
    }

    /// The name under which epoll and the timer wheel know this connection.
    var key: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}

// What a connection holds while something is under way: received bytes with their parser, and answers not yet sent.

/// Received bytes and the parser that reads them. Connections own one only while a request is under way.
final class Inbox {
    var bytes = ByteBuffer(capacity: Inbox.bytesInitial)
    var parser: RequestParser
    /// Where the current request begins.
    var start = 0
    /// A handler has kept the current request's body: the connection goes on with another inbox.
    var isKept = false

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

/// The body of a request that its handler has kept, for another thread: copying a hundred megabytes on the loop would hold up
/// the other connections.
public final class KeptBody: @unchecked Sendable {
    // Once the handler has returned the loop only copies what is behind the request, and lets the inbox go.
    private let inbox: Inbox
    private let range: Range<Int>

    init(_ inbox: Inbox, _ range: Range<Int>) {
        self.inbox = inbox
        self.range = range
    }

    /// A copy of the bytes.
    public var array: [UInt8] { Array(inbox.bytes.bytes[range]) }
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

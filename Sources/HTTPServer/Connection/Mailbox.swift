// What other threads want of a loop: put in under a lock, taken out by the loop in one go.

import Synchronization

/// The way into a loop from any thread. The first message into an empty box wakes the loop; later ones ride along.
final class Mailbox: StreamCarrier {
    enum Message: Sendable {
        case adopt(descriptor: Int32, peer: PeerAddress)
        case release([Deferral])
        case complete([(Deferral, ResponseBytes)])
        case beginStream(StreamHandle)
        case stream(StreamHandle, [UInt8])
        case endStream(StreamHandle)
        case announceEnd
        case ignoreHandshakes
        case drain
        case shutdown
    }

    private let messages = Mutex<[Message]>([])
    private let wake: @Sendable () -> Void
    private let streams: Atomic<Int>
    private let options: ServerOptions

    init(options: ServerOptions, wake: @escaping @Sendable () -> Void) {
        self.options = options
        self.wake = wake
        streams = Atomic(0)
    }

    func post(_ message: Message) {
        let wasEmpty = messages.withLock { box in
            box.append(message)
            return box.count == 1
        }
        if wasEmpty { wake() }
    }

    var isEmpty: Bool { messages.withLock { $0.isEmpty } }

    /// Everything posted so far, in order.
    func take() -> [Message] {
        messages.withLock { box in
            var taken: [Message] = []
            swap(&taken, &box)
            return taken
        }
    }

    func openStream(_ deferral: Deferral) -> StreamHandle? {
        guard streams.add(1, ordering: .relaxed).newValue <= options.streamsMax else {
            streams.subtract(1, ordering: .relaxed)
            return nil
        }
        let handle = StreamHandle(deferral, carrier: self, bytesMax: options.streamBytesMax)
        // Read when the handler has returned: the loop then ties the handle to its connection, or finds no stream there.
        post(.beginStream(handle))
        return handle
    }

    func send(_ bytes: [UInt8], on stream: StreamHandle) { post(.stream(stream, bytes)) }
    func end(_ stream: StreamHandle) { post(.endStream(stream)) }

    func streamClosed() {
        streams.subtract(1, ordering: .relaxed)
    }
}

// Tells everyone who listens of new events, in the order in which they were stored.

import Agents
import Dispatch

/// Somebody who listens to events, such as a stream of server-sent events.
public protocol EventListener: Sendable {
    /// Whether it has gone.
    var isClosed: Bool { get }
    /// Takes the encoded form of an event; false when the listener has gone.
    func send(_ event: [UInt8]) -> Bool
    func close()
}

/// Passes events on. All state belongs to its queue.
public final class EventHub: @unchecked Sendable {
    /// Events read from the store at once.
    private static let batch = 500

    private let log: any EventLog
    private let encode: @Sendable (NamedEvent) -> [UInt8]
    private let queue = DispatchQueue(label: "aware.events")
    private var listeners: [any EventListener] = []
    /// The last event that listeners were told.
    private var last: Int64
    /// From then on the store is not read any more: it is about to be closed.
    private var isClosed = false

    /// - Parameter encode: an event as listeners get it.
    public init(log: any EventLog, encode: @escaping @Sendable (NamedEvent) -> [UInt8]) throws {
        self.log = log
        self.encode = encode
        last = try log.lastEvent()
        log.onEvents { [weak self] in self?.wake() }
    }

    private func wake() { queue.async { self.tell() } }

    /// Adds a listener, which first gets what it missed since the event `seen`, if it says so.
    public func add(_ listener: any EventListener, after seen: Int64?) {
        queue.async { [self] in
            guard !isClosed else { return listener.close() }
            tell()
            if var seen {
                while let missed = try? log.events(after: seen, limit: Self.batch), let newest = missed.last {
                    for event in missed { _ = listener.send(encode(event)) }
                    seen = newest.event.id
                }
            }
            listeners.append(listener)
        }
    }

    /// Ends all streams: a draining server waits for its connections. When it returns, the store is left alone.
    public func close() async {
        await withCheckedContinuation { continuation in
            queue.async { [self] in
                isClosed = true
                for listener in listeners { listener.close() }
                listeners.removeAll()
                continuation.resume()
            }
        }
    }

    /// Reads what is new and passes it on; a listener that has gone is dropped.
    private func tell() {
        guard !isClosed else { return }
        listeners.removeAll { $0.isClosed }
        while let new = try? log.events(after: last, limit: Self.batch), let newest = new.last {
            last = newest.event.id
            for event in new where !listeners.isEmpty {
                let bytes = encode(event)
                listeners.removeAll { !$0.send(bytes) }
            }
        }
    }
}

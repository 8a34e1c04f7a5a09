// Sends new events to everyone who listens, as server-sent events.

import Agents
import Dispatch
import HTTPServer
import Store

/// Streams of events. All state belongs to its queue.
public final class EventHub: @unchecked Sendable {
    /// Events read from the database at once.
    private static let batch = 500

    private let database: Database
    private let queue = DispatchQueue(label: "aware.events")
    private var listeners: [StreamHandle] = []
    /// The last event that listeners were told.
    private var last: Int64
    /// From then on the database is not read any more: it is about to be closed.
    private var isClosed = false

    public init(database: Database) throws {
        self.database = database
        last = try database.lastEvent()
        database.onEvents { [weak self] in self?.wake() }
    }

    private func wake() { queue.async { self.tell() } }

    /// Adds a listener, which first gets what it missed since the event `seen`, if it says so.
    func add(_ handle: StreamHandle, after seen: Int64?) {
        queue.async { [self] in
            guard !isClosed else { return handle.close() }
            tell()
            handle.send(Array(": connected\n\n".utf8))
            if var seen {
                while let missed = try? database.events(after: seen, limit: Self.batch), let newest = missed.last {
                    for event in missed { handle.send(Self.frame(event)) }
                    seen = newest.event.id
                }
            }
            listeners.append(handle)
        }
    }

    /// Ends all streams: a draining server waits for its connections. When it returns, the database is left alone.
    public func close() async {
        await withCheckedContinuation { continuation in
            queue.async { [self] in
                isClosed = true
                for handle in listeners { handle.close() }
                listeners.removeAll()
                continuation.resume()
            }
        }
    }

    /// Reads what is new and passes it on; a listener that has gone is dropped.
    private func tell() {
        guard !isClosed else { return }
        listeners.removeAll { $0.isClosed }
        while let new = try? database.events(after: last, limit: Self.batch), let newest = new.last {
            last = newest.event.id
            for event in new where !listeners.isEmpty {
                let frame = Self.frame(event)
                listeners.removeAll { !$0.send(frame) }
            }
        }
    }

    /// `id`, `event` and `data` of one event (HTML Living Standard, 9.2.6).
    private static func frame(_ event: NamedEvent) -> [UInt8] {
        var json = JSONWriter()
        EventRoutes.write(event, to: &json)
        return Array("id: \(event.event.id)\nevent: \(event.event.kind)\ndata: ".utf8) + json.bytes + Array("\n\n".utf8)
    }
}

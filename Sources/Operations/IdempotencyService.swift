// A request that is sent again under the same key gets the response it got first (draft-ietf-httpapi-idempotency-key-header).
//
// Kept are successes only. A refusal has changed nothing, so its key is free again: the caller mends the request, or
// waits, and sends it once more. A response is on disk before it leaves. Between what a request did and the keeping of its
// response the process may die; then the request is carried out again, which every operation here bears: decisions get an
// id from the key (the second time finds the first one), and all other acts come to the same when they are repeated.

import Base
import Crypto
import Synchronization

/// Knows which keys were answered, and who waits for a response that is being worked on.
/// - Parameter Ticket: names one request that waits for its response.
public final class IdempotencyService<Ticket: Hashable & Sendable>: Sendable {
    /// What becomes of a request with a key.
    public enum Beginning: Sendable, Equatable {
        /// It is the first one: carry it out, and call `finish` or `abandon`.
        case first
        /// The first one is being carried out: its response will be this one's, too.
        case wait
        /// The response was kept: ask for it.
        case again
        /// The key was used for another request.
        case otherRequest
        /// Too many wait for the first one.
        case tooMany
    }

    private enum Progress {
        case running(waiting: [Ticket])
        case kept(created: Double)
    }
    private struct Entry {
        let request: String
        var progress: Progress
    }
    private struct State {
        var entries: [String: Entry] = [:]
        var running: [Ticket: String] = [:]
        var kept = KeptResponses()
    }

    private let store: any ResponseStore
    private let state: Mutex<State>

    public init(store: any ResponseStore) throws {
        self.store = store
        var loaded = State()
        for (response, bytes) in try store.storedResponses() {
            loaded.entries[response.key] = Entry(request: response.request, progress: .kept(created: response.created))
            loaded.kept.append(response.key, created: response.created, bytes: bytes)
        }
        state = Mutex(loaded)
    }

    /// - Parameters:
    ///   - key: of the caller; two callers never share one.
    ///   - request: what tells one request from another.
    ///   - now: seconds of `Clock.steady`, as for `finish`: a clock that is set must not make anybody forget.
    public func begin(_ key: String, _ request: String, _ ticket: Ticket, at now: Double) -> Beginning {
        state.withLock { state in
            if let entry = state.entries[key], !Self.isForgotten(entry, now) {
                guard entry.request == request else { return .otherRequest }
                guard case .running(var waiting) = entry.progress else { return .again }
                guard waiting.count < IdempotencyLimits.waitingMax else { return .tooMany }
                waiting.append(ticket)
                state.entries[key]?.progress = .running(waiting: waiting)
                return .wait
            }
            state.entries[key] = Entry(request: request, progress: .running(waiting: []))
            state.running[ticket] = key
            return .first
        }
    }

    private static func isForgotten(_ entry: Entry, _ now: Double) -> Bool {
        if case .kept(let created) = entry.progress { now - created >= IdempotencyLimits.keptSeconds } else { false }
    }

    /// Whether a request is carried out under a key.
    public func isRunning(_ ticket: Ticket) -> Bool { state.withLock { $0.running[ticket] != nil } }

    /// The response that was kept for `key`; `nil` when it has just been forgotten. Waits for the disk.
    public func response(to key: String) throws -> StoredResponse? { try store.storedResponse(of: key) }

    /// Ends the work on a key without a response to keep; returns who waited.
    public func abandon(_ ticket: Ticket) -> [Ticket] { state.withLock { Self.release(ticket, in: &$0) } }

    private static func release(_ ticket: Ticket, in state: inout State) -> [Ticket] {
        guard let key = state.running.removeValue(forKey: ticket),
            case .running(let waiting)? = state.entries.removeValue(forKey: key)?.progress
        else { return [] }
        return waiting
    }

    /// Stores a response and ends the work on its key; returns who waited. Waits for the disk.
    public func finish(_ ticket: Ticket, status: Int, body: [UInt8], at now: Double) -> [Ticket] {
        let (key, request, dropped) = state.withLock { state -> (String, String, [String]) in
            let dropped = state.kept.makeRoom(for: body.count, at: now)
            for key in dropped { if case .kept? = state.entries[key]?.progress { state.entries[key] = nil } }
            let key = state.running[ticket] ?? ""
            return (key, state.entries[key]?.request ?? "", dropped)
        }
        do {
            try store.keep(
                StoredResponse(key: key, request: request, created: now, status: status, body: body), dropping: dropped)
        } catch {
            // What the request did is done and stored, and its response is true: only a repetition will not find it.
            return abandon(ticket)
        }
        return state.withLock { state in
            let waiting = Self.release(ticket, in: &state)
            state.entries[key] = Entry(request: request, progress: .kept(created: now))
            state.kept.append(key, created: now, bytes: body.count)
            return waiting
        }
    }

    /// The id of a decision made under this key: the same at each try.
    public static func decisionID(of key: String) -> String {
        let digest = SHA256.hash(data: Array(key.utf8)).prefix(16)
        return "key-" + digest.map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
    }
}

/// What bounds the keeping of responses.
public enum IdempotencyLimits {
    /// How long a response is kept.
    public static let keptSeconds = 86_400.0
    /// Kept responses and their bytes; beyond, the oldest are forgotten before their time.
    static let responsesMax = 100_000
    static let bytesMax = 256 << 20
    /// Characters of a key.
    public static let keyMax = 255
    /// Requests that may wait for the first one of their key.
    static let waitingMax = 100
}

/// The kept responses in the order of their making.
private struct KeptResponses {
    private var items: [(key: String, created: Double, bytes: Int)] = []
    /// Items before this are gone already.
    private var first = 0
    private var bytes = 0

    mutating func append(_ key: String, created: Double, bytes: Int) {
        items.append((key, created, bytes))
        self.bytes += bytes
    }

    /// Removes what is too old or too much, and says what that was.
    mutating func makeRoom(for extra: Int, at now: Double) -> [String] {
        var dropped: [String] = []
        while first < items.count {
            let oldest = items[first]
            let isOld = now - oldest.created >= IdempotencyLimits.keptSeconds
            let isFull =
                items.count - first >= IdempotencyLimits.responsesMax || bytes + extra > IdempotencyLimits.bytesMax
            guard isOld || isFull else { break }
            dropped.append(oldest.key)
            bytes -= oldest.bytes
            first += 1
        }
        if first > 1024, 2 * first > items.count {
            items.removeFirst(first)
            first = 0
        }
        return dropped
    }
}

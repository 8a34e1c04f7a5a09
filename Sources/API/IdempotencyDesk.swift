// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again gets the answer it got first.
//
// Kept are successes only. A refusal has changed nothing, so its key is free again: the caller mends the request, or
// waits, and sends it once more. An answer is on disk before it leaves. Between what a request did and the keeping of its
// answer the process may die; then the request is carried out again, which every route here bears: decisions get an id
// from the key (the second time finds the first one), and all other acts come to the same when they are repeated.

import Crypto
import Dispatch
import HTTPServer
import Store
import Synchronization

/// Knows which keys were answered, and who waits for an answer that is being worked on.
public final class IdempotencyDesk: Sendable {
    /// How long an answer is kept.
    public static let keptSeconds = 86_400.0
    /// Kept answers and their bytes; beyond, the oldest are forgotten before their time.
    static let answersMax = 100_000
    static let bytesMax = 256 << 20
    /// Characters of a key.
    static let keyMax = 255
    /// Requests that may wait for the first one of their key.
    private static let waitingMax = 100

    private enum Progress {
        case running(waiting: [Deferral])
        case kept(created: Double)
    }
    private struct Entry {
        let request: String
        var progress: Progress
    }
    private struct State {
        var entries: [String: Entry] = [:]
        var running: [Deferral: String] = [:]
        var kept = KeptQueue()
    }

    private let database: Database
    private let state: Mutex<State>

    public init(database: Database) throws {
        self.database = database
        var loaded = State()
        for (answer, bytes) in try database.keptAnswers() {
            loaded.entries[answer.key] = Entry(request: answer.request, progress: .kept(created: answer.created))
            loaded.kept.append(answer.key, created: answer.created, bytes: bytes)
        }
        state = Mutex(loaded)
    }

    /// The handler for a POST route that honours the key.
    static func once(_ api: APIContext, _ handler: @escaping Handler) -> Handler {
        { request, response in
            guard request.headerBytes("idempotency-key") != nil else { return handler(request, &response) }
            return api.idempotency.carryOut(request, &response, api, handler)
        }
    }

    /// Carries out a request with a key: for the first time, or by giving the answer of the first time.
    func carryOut(
        _ request: borrowing Request, _ response: inout Response, _ api: APIContext, _ handler: Handler
    ) -> Outcome {
        guard let text = Self.key(of: request) else {
            response.problem(
                .badRequest,
                detail:
                    "Idempotency-Key is one string of 1 to \(Self.keyMax) printable characters, such as \"8e03978e\".",
                errors: [
                    ProblemItem(
                        pointer: "/Idempotency-Key", code: "key", detail: "The header field is malformed or repeated.")
                ])
            return .respond
        }
        let key = "\(api.caller(of: request))\n\(text)"
        let fingerprint = Self.fingerprint(of: request)
        let deferral = request.deferral()
        switch begin(key, fingerprint, deferral, at: api.now(nil)) {
        case .first: break
        case .wait: return .deferred
        case .again:
            return api.later(request) { [database] in
                guard let kept = try database.keptAnswer(of: key), let code = UInt16(exactly: kept.status),
                    (200...299).contains(code)
                else {
                    throw Refusal(
                        .conflict, "The answer to this key has just been forgotten. Send the request once more.")
                }
                return ResponseBytes(
                    status: Status(rawValue: code), headers: [("Idempotency-Replayed", "true")], body: kept.body)
            }
        case .otherRequest:
            response.problem(
                .unprocessableContent, detail: "This Idempotency-Key was used for another request. Take a new one.",
                errors: [
                    ProblemItem(
                        pointer: "/Idempotency-Key", code: "reused",
                        detail: "The path, the query or the body differs from the first request with this key.")
                ])
            return .respond
        case .tooMany:
            response.addHeader("Retry-After", "1")
            response.problem(
                .conflict, detail: "Too many requests wait for the first one with this Idempotency-Key.",
                errors: [ProblemItem(pointer: "/Idempotency-Key", code: "busy", detail: "Ask again in a second.")])
            return .respond
        }
        switch handler(request, &response) {
        case .deferred: return .deferred
        case let outcome:
            // What is answered at once is a refusal: nothing was done, and nothing is kept.
            let waiting = state.withLock { Self.release(deferral, in: &$0) }
            let advice = ResponseBytes.problem(
                .conflict, detail: "The first request with this Idempotency-Key was refused. Send it once more.",
                headers: [("Retry-After", "1")])
            api.server.complete(waiting.map { ($0, advice) })
            return outcome
        }
    }

    /// Answers `deferral`, and whoever waits for the same answer; keeps it first if a key asks for that.
    func complete(_ deferral: Deferral, _ answer: ResponseBytes, _ api: APIContext) {
        let key = state.withLock { $0.running[deferral] }
        guard let key else { return api.server.complete([(deferral, answer)]) }
        guard (200...299).contains(answer.status.rawValue) else {
            let waiting = state.withLock { Self.release(deferral, in: &$0) }
            return api.server.complete(([deferral] + waiting).map { ($0, answer) })
        }
        // A decision is completed on the writer's queue, which must not wait for itself.
        api.background.async { [self] in
            let waiting = keep(answer, key, of: deferral, at: api.now(nil))
            api.server.complete(([deferral] + waiting).map { ($0, answer) })
        }
    }

    /// The id of a decision made under this key: the same at each try. `nil` without a key.
    static func decisionID(_ request: borrowing Request, _ api: APIContext) -> String? {
        guard let text = key(of: request) else { return nil }
        let digest = SHA256.hash(data: Array("\(api.caller(of: request))\n\(text)".utf8)).prefix(16)
        return "key-" + digest.map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
    }

    // MARK: Keys

    /// The key, without the quotes of a structured field's string (RFC 8941 3.3.3), which may be left out.
    private static func key(of request: borrowing Request) -> String? {
        guard request.headerCount("idempotency-key") == 1, let field = request.header("idempotency-key") else {
            return nil
        }
        guard field.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { return nil }
        var text = Substring(field)
        if text.hasPrefix("\"") {
            guard text.count >= 2, text.hasSuffix("\"") else { return nil }
            text = text.dropFirst().dropLast()
        }
        return (1...keyMax).contains(text.utf8.count) ? String(text) : nil
    }

    /// Length and 64-bit FNV-1a of path, query and body. It tells mistakes, not attacks: a caller who wanted two requests
    /// to look alike would only deceive himself.
    private static func fingerprint(of request: borrowing Request) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var count = 0
        for part in [request.pathBytes, request.queryBytes, request.body] {
            for byte in part { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
            hash = (hash ^ 0x0A) &* 0x0000_0100_0000_01b3
            count += part.count
        }
        return "\(count):\(String(hash, radix: 16))"
    }

    // MARK: State

    private enum Beginning { case first, wait, again, otherRequest, tooMany }

    private func begin(_ key: String, _ request: String, _ deferral: Deferral, at now: Double) -> Beginning {
        state.withLock { state in
            if let entry = state.entries[key], !Self.isForgotten(entry, now) {
                guard entry.request == request else { return .otherRequest }
                guard case .running(var waiting) = entry.progress else { return .again }
                guard waiting.count < Self.waitingMax else { return .tooMany }
                waiting.append(deferral)
                state.entries[key]?.progress = .running(waiting: waiting)
                return .wait
            }
            state.entries[key] = Entry(request: request, progress: .running(waiting: []))
            state.running[deferral] = key
            return .first
        }
    }

    private static func isForgotten(_ entry: Entry, _ now: Double) -> Bool {
        if case .kept(let created) = entry.progress { now - created >= keptSeconds } else { false }
    }

    /// Ends the work on a key without an answer to keep; returns who waited.
    private static func release(_ deferral: Deferral, in state: inout State) -> [Deferral] {
        guard let key = state.running.removeValue(forKey: deferral),
            case .running(let waiting)? = state.entries.removeValue(forKey: key)?.progress
        else { return [] }
        return waiting
    }

    /// Stores an answer and ends the work on its key; returns who waited.
    private func keep(_ answer: ResponseBytes, _ key: String, of deferral: Deferral, at now: Double) -> [Deferral] {
        let (request, dropped) = state.withLock { state -> (String, [String]) in
            let dropped = state.kept.makeRoom(for: answer.body.count, at: now)
            for key in dropped { if case .kept? = state.entries[key]?.progress { state.entries[key] = nil } }
            return (state.entries[key]?.request ?? "", dropped)
        }
        do {
            try database.keep(
                KeptAnswer(
                    key: key, request: request, created: now, status: Int(answer.status.rawValue), body: answer.body),
                dropping: dropped)
        } catch {
            // What the request did is done and stored, and its answer is true: only a repetition will not find it.
            return state.withLock { Self.release(deferral, in: &$0) }
        }
        return state.withLock { state in
            let waiting = Self.release(deferral, in: &state)
            state.entries[key] = Entry(request: request, progress: .kept(created: now))
            state.kept.append(key, created: now, bytes: answer.body.count)
            return waiting
        }
    }
}

/// The kept answers in the order of their making.
private struct KeptQueue {
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
            let isOld = now - oldest.created >= IdempotencyDesk.keptSeconds
            let isFull = items.count - first >= IdempotencyDesk.answersMax || bytes + extra > IdempotencyDesk.bytesMax
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

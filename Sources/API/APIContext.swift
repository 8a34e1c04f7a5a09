// What all endpoints share, and what each event loop keeps for itself.

import Agents
import Dispatch
import HTTPServer
import Scaling
import Store
import Synchronization

/// The parts that endpoints work with. Immutable; each part guards itself.
public final class APIContext: Sendable {
    public let directory: ApplicationDirectory
    public let registry: AgentRegistry
    public let table: ServingTable
    public let database: Database
    public let recorder: Recorder
    public let trainer: Trainer
    public let controls: ControlDesk
    public let events: EventHub
    public let access: AccessControl
    public let idempotency: IdempotencyDesk
    let metrics = DecisionMetrics()
    /// Seconds since 1970 for an observation: the wall clock, or in a simulation the observation's own time.
    public let now: @Sendable (_ observed: Double?) -> Double
    /// The clock is the observations' (`--clock observed`).
    let followsObservedTime: Bool
    let loops: [LoopContext]
    /// Reads and writes of the database happen here: a loop must not wait for the disk.
    let lanes = WorkLanes()
    var background: DispatchQueue { lanes.urgent }
    let readiness = ReadinessProbe()
    private let serverBox = Mutex<Server?>(nil)
    private let ready = Atomic<Bool>(false)
    private let sequence: Atomic<Int64>
    let started: Double

    public init(
        directory: ApplicationDirectory, registry: AgentRegistry, table: ServingTable, database: Database,
        recorder: Recorder, trainer: Trainer, controls: ControlDesk, events: EventHub,
        access: AccessControl, idempotency: IdempotencyDesk, loops: Int, lastSeq: Int64, followsObservedTime: Bool,
        now: @escaping @Sendable (_ observed: Double?) -> Double
    ) {
        self.directory = directory
        self.registry = registry
        self.table = table
        self.database = database
        self.recorder = recorder
        self.trainer = trainer
        self.controls = controls
        self.events = events
        self.access = access
        self.idempotency = idempotency
        self.now = now
        self.followsObservedTime = followsObservedTime
        // One more than there are loops: the background queue decides for applications that it has just created.
        self.loops = (0...loops).map { _ in LoopContext(table: table) }
        sequence = Atomic(lastSeq)
        started = now(nil)
    }

    /// The number of the next decision.
    func nextSeq() -> Int64 { sequence.add(1, ordering: .relaxed).newValue }

    /// The server that carries the answers; set once, before it listens.
    public var server: Server {
        serverBox.withLock { $0! }
    }
    public func attach(_ server: Server) { serverBox.withLock { $0 = server } }

    /// Whether `/readyz` says yes: set after start-up, cleared when shutting down.
    public var isReady: Bool {
        get { ready.load(ordering: .acquiring) }
        set { ready.store(newValue, ordering: .releasing) }
    }

    /// The context of the background queue.
    var backgroundLoop: LoopContext { loops[loops.count - 1] }

    /// Answers a request from the background queue, where work may wait for the database.
    func later(_ request: borrowing Request, _ work: @escaping @Sendable () throws -> ResponseBytes) -> Outcome {
        let deferral = request.deferral()
        inBackground(deferral) { [self] in complete(deferral, try work()) }
        return .deferred
    }

    /// Gives a deferred request its answer.
    func complete(_ deferral: Deferral, _ answer: ResponseBytes) { idempotency.complete(deferral, answer, self) }

    /// Waits for what the background queue has begun: the database may be closed afterwards.
    public func finishBackground() async {
        await lanes.finish()
    }

    /// Does `work` in the lane of the request's priority; it answers `deferral` itself, now or later, unless it throws.
    func inBackground(_ deferral: Deferral, _ work: @escaping @Sendable () throws -> Void) {
        lanes.submit(deferral) { [self] in
            do {
                try work()
            } catch let refusal as Refusal {
                complete(deferral, refusal.response)
            } catch {
                complete(
                    deferral,
                    .problem(.internalServerError, detail: "The database could not be read or written: \(error)"))
            }
        }
    }

    /// For `ServerOptions.cancel`: whether what the request asked for has not begun; then it never will.
    public func cancel(_ deferral: Deferral) -> Bool { lanes.cancel(deferral) }

    /// Who asks, for the audit log.
    func caller(of request: borrowing Request) -> String {
        access.name(of: request) ?? (request.isUnixSocket ? "unix socket" : request.peer.host)
    }

    /// When an observation counts as made.
    func now(_ observation: Observation, of agent: Agent?) -> Double {
        if followsObservedTime, observation.time == nil, let next = agent?.nextStepTime { return next }
        return now(observation.time)
    }

    /// The agent of a name, or 404.
    func agent(named name: String) throws(Refusal) -> Agent {
        guard let agent = registry[name] else {
            throw Refusal(.notFound, "There is no application \"\(name)\". PUT /v1/applications/\(name) makes one.")
        }
        return agent
    }
}

/// An answer that ends the handling of a request with an error.
struct Refusal: Error {
    let response: ResponseBytes

    init(
        _ status: Status, _ detail: String, errors: [ProblemItem] = [],
        headers: [(name: StaticString, value: String)] = []
    ) {
        response = .problem(status, detail: detail, errors: errors, headers: headers)
    }

    init(_ response: ResponseBytes) { self.response = response }

    /// 400 for a body that is no JSON.
    init(_ failure: JSONParser.ParseFailure) {
        self.init(
            .badRequest, failure.isEmpty ? failure.reason : "The body is not JSON: \(failure.reason)",
            errors: [ProblemItem(pointer: "", code: "json", detail: failure.reason)])
    }

    /// The same as the answer of a handler.
    func write(to response: borrowing Response) {
        response.status = self.response.status
        response.contentType = self.response.contentType
        for (name, value) in self.response.headers { response.addHeader(name, value) }
        response.body(self.response.body)
    }
}

/// What one event loop keeps between requests.
///
/// Only that loop's queue touches it (the last one belongs to the background queue), which is why it may call itself
/// Sendable without a lock.
final class LoopContext: @unchecked Sendable {
    let parser = JSONParser()
    var decisions: DecisionContext
    var writer = JSONWriter(reserving: 2048)
    /// Decisions of the current drain and the requests that wait for their commit.
    var pending: [PendingDecision] = []
    var waiting: [Deferral] = []
    var agents: [Agent] = []

    init(table: ServingTable) { decisions = DecisionContext(table: table) }
}

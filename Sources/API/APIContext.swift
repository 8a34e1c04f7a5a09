// What all endpoints share.

import Agents
import Dispatch
import HTTPServer
import Logging
import Operations
import Synchronization

/// The operations that endpoints call, and what they need of the server. Immutable; each part guards itself.
public final class APIContext: Sendable {
    public let decide: Decide
    public let service: ApplicationService
    public let directory: ApplicationDirectory
    public let registry: AgentRegistry
    public let table: ServingTable
    public let store: any ServerStore
    public let recorder: Recorder
    public let trainer: Trainer
    public let controls: OperatorControls
    public let events: EventHub
    public let access: AccessControl
    public let idempotency: IdempotencyService<Deferral>
    public let clock: Clock
    /// The base policy and the encoder of workloads.
    public let shared: SharedBytes
    let log: Logger
    let figures = FiguresCache()
    let loops: [LoopContext]
    /// Reads and writes of the database happen here: a loop must not wait for the disk.
    let lanes = WorkLanes()
    var background: DispatchQueue { lanes.urgent }
    let readiness = ReadinessProbe()
    private let serverBox = Mutex<Server?>(nil)
    private let ready = Atomic<Bool>(false)
    let started: Double

    /// - Parameter loops: event loops of the server.
    public init(
        decide: Decide, service: ApplicationService, directory: ApplicationDirectory, registry: AgentRegistry,
        table: ServingTable, store: any ServerStore, recorder: Recorder, trainer: Trainer, controls: OperatorControls,
        access: AccessControl, clock: Clock, shared: SharedBytes, loops: Int, log: Logger
    ) throws {
        self.decide = decide
        self.service = service
        self.directory = directory
        self.registry = registry
        self.table = table
        self.store = store
        self.recorder = recorder
        self.trainer = trainer
        self.controls = controls
        events = try EventHub(log: store, encode: EventRoutes.frame)
        self.access = access
        idempotency = try IdempotencyService(store: store)
        self.clock = clock
        self.shared = shared
        self.log = log
        // One more than there are loops: the background queue decides for applications that it has just created.
        self.loops = (0...loops).map { _ in LoopContext(table: table) }
        started = clock.now
    }

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
    func later(
        _ request: borrowing Request, _ work: @escaping @Sendable () throws -> ResponseBytes
    ) -> HandlerResult {
        let deferral = request.deferral()
        inBackground(deferral) { [self] in complete(deferral, try work()) }
        return .deferred
    }

    /// Gives a deferred request its answer.
    func complete(_ deferral: Deferral, _ answer: ResponseBytes) { IdempotentRoute.complete(deferral, answer, self) }

    /// Waits for what the background queue has begun: the database may be closed afterwards.
    public func finishBackground() async {
        await lanes.finish()
    }

    /// Does `work` in the lane of the request's priority; it answers `deferral` itself, now or later, unless it throws.
    func inBackground(_ deferral: Deferral, _ work: @escaping @Sendable () throws -> Void) {
        lanes.submit(deferral) { [self] in
            do {
                try work()
            } catch {
                complete(deferral, APIError.response(to: error, log))
            }
        }
    }

    /// For `ServerOptions.cancel`: whether what the request asked for has not begun; then it never will.
    public func cancel(_ deferral: Deferral) -> Bool { lanes.cancel(deferral) }

    /// Who asks, for the audit log.
    func caller(of request: borrowing Request) -> String {
        access.name(of: request) ?? (request.isUnixSocket ? "unix socket" : request.peer.host)
    }

    /// The application of a name, or 404.
    func agent(named name: String) throws(APIError) -> Agent {
        do throws(OperationError) {
            return try service.agent(named: name)
        } catch {
            throw APIError(error)
        }
    }
}

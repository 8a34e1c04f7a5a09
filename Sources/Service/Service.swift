// All wiring: open the database, load what it knows, start training, listen; and the same backwards.

import API
import Agents
import BasePolicy
import Foundation
import HTTPServer
import Learning
import Scaling
import Store
import Synchronization

/// How a service runs.
public struct ServiceOptions: Sendable {
    public var listen: [ListenAddress] = []
    public var dataFolder = "./aware-data"
    public var durability = Store.Database.Durability.normal
    public var seed: UInt64 = 1
    /// Event loops; one core is left to training.
    public var loops = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
    public var trainerThreads = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
    /// In a simulation the observations carry the time; in production the machine's clock does.
    public var followsObservedTime = false
    public var security = SecurityOptions()
    /// How long decisions and episodes are kept.
    public var retention = Retention()
    /// What all applications together may be given; `nil` is no limit.
    public var capacity: Capacity?
    /// After `/readyz` has begun to fail, how long new connections are still taken: until the load balancers know.
    public var drainDelay = Duration.zero

    public init() {}
}

/// A running server.
public final class Service: Sendable {
    private static let drainSeconds = 8

    private let server: Server
    private let database: Store.Database
    private let trainer: Trainer
    private let api: APIContext
    private let drainDelay: Duration
    public let addresses: [ListenAddress]
    /// The clock is the observations'.
    public let followsObservedTime: Bool
    /// Every route that is served.
    public let routes: [(method: HTTPServer.Method, pattern: String)]
    public var dataFile: String { database.path }
    /// What the start found to be lost or damaged, `nil` when all was well.
    public var startNotice: String? { database.startNotice }
    /// How answers are kept, in a sentence.
    public var storage: String { database.summary }

    /// The encoder of workloads that ships with the base policy.
    private static func shippedEncoder() throws -> WorkloadEncoder {
        let frozen = try BasePolicy.encoder()
        return WorkloadEncoder(
            version: frozen.version, encoder: frozen.encoder, parameters: frozen.parameters,
            references: frozen.references.map { .init(name: $0.name, vector: $0.vector) })
    }

    /// Opens, loads and listens. When it returns, `/readyz` says yes.
    public static func start(_ options: ServiceOptions) throws -> Service {
        var security = options.security
        security.tokenFiles.append(TokenFile.path(in: options.dataFolder))
        let isLoopbackOnly = options.listen.allSatisfy(\.isLoopback)
        // Behind an address that others can reach, being on this machine proves nothing: a proxy may be.
        if !isLoopbackOnly { security.requiresToken = true }
        let access = try AccessControl(security)
        guard isLoopbackOnly || security.isInsecure || access.hasTokens else { throw Refusal.noToken(options.listen) }
        let database = try Store.Database(folder: options.dataFolder, durability: options.durability)
        let table = ServingTable()
        let registry = AgentRegistry()
        let trainer = Trainer(
            store: database, table: table, base: try Policy(decoding: BasePolicy.bytes),
            encoder: try shippedEncoder(), threads: options.trainerThreads,
            seed: options.seed)
        let directory = ApplicationDirectory(
            registry: registry, table: table, database: database, trainer: trainer, seed: options.seed)
        _ = try directory.loadAll()
        let controls = try ControlDesk(database: database, registry: registry)
        let ledger = options.capacity.map { CapacityLedger(total: $0) }
        if let ledger { for agent in registry.agents(before: .max, limit: .max) { agent.share(ledger) } }
        directory.onCreation { agent in
            controls.enforce(on: agent)
            if let ledger { agent.share(ledger) }
        }
        let api = APIContext(
            directory: directory, registry: registry, table: table, database: database,
            recorder: Recorder(sink: database), trainer: trainer, controls: controls,
            events: try EventHub(database: database), access: access,
            idempotency: try IdempotencyDesk(database: database), loops: options.loops, lastSeq: try database.lastSeq(),
            followsObservedTime: options.followsObservedTime,
            now: clock(followsObservedTime: options.followsObservedTime))
        var server = ServerOptions()
        server.loops = options.loops
        server.extraHeaders = [
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ]
        server.hostFilter = security.hostFilter(isLoopbackOnly: isLoopbackOnly)
        server.cancel = { api.cancel($0) }
        server.onDrain = { loop in Routes.drained(loop: loop, api) }
        let service = try Service(
            server, options.listen, api, database, trainer, followsObservedTime: options.followsObservedTime,
            drainDelay: options.drainDelay)
        database.startRetention(options.retention, now: { api.now(nil) })
        return service
    }

    private init(
        _ options: ServerOptions, _ listen: [ListenAddress], _ api: APIContext, _ database: Store.Database,
        _ trainer: Trainer, followsObservedTime: Bool, drainDelay: Duration
    ) throws {
        self.followsObservedTime = followsObservedTime
        self.drainDelay = drainDelay
        self.api = api
        self.database = database
        self.trainer = trainer
        let router = Routes.router(api)
        var options = options
        options.intercept = api.access.intercept(router.routes)
        server = Server(options: options, router: router)
        routes = router.routes
        api.attach(server)
        addresses = try server.start(on: listen)
        trainer.start()
        api.isReady = true
    }

    /// Why a service does not start.
    public enum Refusal: Error, CustomStringConvertible {
        case noToken([ListenAddress])

        public var description: String {
            switch self {
            case .noToken(let addresses):
                "Others can reach \(addresses.map { "\($0)" }.joined(separator: ", ")), and there is no token. Make one with `aware token create NAME --scope admin`, listen on 127.0.0.1, or say --insecure to let everyone do everything."
            }
        }
    }

    /// Addresses as a person would open them.
    public var urls: [String] {
        addresses.map { address in
            if case .unix(let path) = address { return "unix:\(path)" }
            return "http://\(address)/"
        }
    }

    /// Connections served at once, and those kept for health and control beyond them.
    public var connections: (served: Int, reserved: Int) { (server.connectionsMax, server.reservedConnectionsMax) }

    /// Says that it is not ready, goes on serving for `drainDelay`, finishes what is in flight, then stops training, then
    /// closes the database.
    public func stop() async throws {
        api.isReady = false
        trainer.beginStopping()
        try? await Task.sleep(for: drainDelay)
        await api.events.close()
        await server.drain(timeout: .seconds(Self.drainSeconds))
        server.shutdown()
        await trainer.stop()
        await api.finishBackground()
        try database.shutDown()
    }

    private static func clock(followsObservedTime: Bool) -> @Sendable (Double?) -> Double {
        guard followsObservedTime else { return { _ in Date().timeIntervalSince1970 } }
        let latest = Mutex(0.0)
        return { observed in
            latest.withLock { latest in
                // An observation's own time decides; everything else sees the latest.
                if let observed { latest = max(latest, observed) }
                return observed ?? latest
            }
        }
    }
}

// All wiring: open the database, load what it knows, start training, listen; and the same backwards.

import API
import Agents
import Base
import Foundation
import HTTPServer
import Learning
import Logging
import Operations
import Scaling
import ServiceLifecycle
import Store

/// A running server.
public final class PolicyServer: Sendable {
    private static let drainSeconds = 8

    private let server: Server
    private let database: Store.Database
    private let trainer: Trainer
    private let api: APIContext
    private let drainDelay: Duration
    private let log: Logger
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

    /// Opens, loads and listens. When it returns, `/readyz` says yes.
    /// - Throws: `StartupError`; what the database, the token files or the sockets say.
    public static func start(_ options: ServiceOptions) throws -> PolicyServer {
        let log = options.log
        var security = options.security
        security.tokenFiles.append(TokenFile.path(in: options.dataFolder))
        let isLoopbackOnly = options.listen.allSatisfy(\.isLoopback)
        // Behind an address that others can reach, being on this machine proves nothing: a proxy may be.
        if !isLoopbackOnly { security.requiresToken = true }
        let access = try AccessControl(security, log: log)
        guard isLoopbackOnly || security.isInsecure || access.hasTokens else {
            throw StartupError.noToken(options.listen)
        }
        let database = try Store.Database(folder: options.dataFolder, durability: options.durability, log: log)
        let shared = try SharedParts.load(
            options.basePolicy, folder: options.dataFolder, tokenFile: options.basePolicyTokenFile, log: log)
        let clock = Clock(followsObservations: options.followsObservedTime, wall: options.wallClock)
        let table = ServingTable()
        let registry = AgentRegistry()
        let trainer = Trainer(
            store: database, table: table, base: shared.policy, encoder: shared.workloadEncoder,
            threads: options.trainerThreads, budget: options.trainingBudget, asksNeighbours: options.asksNeighbours, seed: options.seed, log: log)
        let directory = ApplicationDirectory(
            registry: registry, table: table, store: database, trainer: trainer, form: ProfileCodec.text,
            seed: options.seed)
        let loaded = try directory.loadAll()
        let controls = try OperatorControls(store: database, registry: registry, clock: clock, log: log)
        let ledger = options.capacity.map { CapacityLedger(total: $0) }
        if let ledger { for agent in registry.agents(before: .max, limit: .max) { agent.share(ledger) } }
        directory.onCreation { agent in
            controls.enforce(on: agent)
            if let ledger { agent.share(ledger) }
        }
        let recorder = Recorder(sink: database)
        let api = try APIContext(
            decide: Decide(
                registry: registry, directory: directory, recorder: recorder, trainer: trainer, clock: clock,
                store: database, log: log),
            service: ApplicationService(
                registry: registry, store: database, trainer: trainer, controls: controls, directory: directory),
            directory: directory, registry: registry, table: table, store: database, recorder: recorder,
            trainer: trainer, controls: controls, access: access, clock: clock, shared: shared.bytes, loops: options.loops, log: log)
        var server = ServerOptions()
        server.loops = options.loops
        server.extraHeaders = [
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ]
        server.hostFilter = security.hostFilter(isLoopbackOnly: isLoopbackOnly)
        server.cancel = { api.cancel($0) }
        server.onDrain = { loop in Routes.drained(loop: loop, api) }
        let running = try PolicyServer(server, options, api, database, trainer)
        database.startRetention(options.retention, now: { api.clock.steady })
        log.notice(
            "serving",
            metadata: [
                "addresses": "\(running.urls.joined(separator: " "))", "database": "\(database.path)",
                "storage": "\(database.summary)", "applications": "\(loaded)",
            ])
        if let notice = database.startNotice { log.error("the start found damage", metadata: ["notice": "\(notice)"]) }
        return running
    }

    private init(
        _ serverOptions: ServerOptions, _ options: ServiceOptions, _ api: APIContext, _ database: Store.Database,
        _ trainer: Trainer
    ) throws {
        followsObservedTime = options.followsObservedTime
        drainDelay = options.drainDelay
        log = options.log
        self.api = api
        self.database = database
        self.trainer = trainer
        let router = Routes.router(api)
        var serverOptions = serverOptions
        serverOptions.intercept = api.access.intercept(router.routes)
        server = Server(options: serverOptions, router: router)
        routes = router.routes
        api.attach(server)
        do {
            addresses = try server.start(on: options.listen)
        } catch let error as SocketError {
            throw StartupError.cannotListen(error)
        }
        trainer.start()
        api.isReady = true
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
        log.notice("stopping", metadata: ["drainDelay": "\(drainDelay)"])
        api.isReady = false
        // Who keeps a connection moves to another server meanwhile, and meets no closed one.
        server.announceEnd()
        trainer.beginStopping()
        try? await Task.sleep(for: drainDelay)
        await api.events.close()
        await server.drain(timeout: .seconds(Self.drainSeconds))
        server.shutdown()
        await trainer.stop()
        await api.finishBackground()
        try database.shutDown()
        log.notice("stopped")
    }
}

extension PolicyServer: ServiceLifecycle.Service {
    /// Serves until the service group shuts down, then stops.
    public func run() async throws {
        try? await gracefulShutdown()
        try await stop()
    }
}

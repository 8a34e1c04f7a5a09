// Makes, changes and deletes applications: the store and the registry, kept in step.

import Agents
import Scaling
import Synchronization

/// How a profile is kept: as a text that outlives changes of this program.
public struct ProfileText: Sendable {
    var encode: @Sendable (Profile) -> String
    var decode: @Sendable (String) throws -> Profile

    public init(
        encode: @escaping @Sendable (Profile) -> String, decode: @escaping @Sendable (String) throws -> Profile
    ) {
        self.encode = encode
        self.decode = decode
    }
}

/// Every application of the server. Its methods wait for the disk.
public final class ApplicationDirectory: Sendable {
    /// Applications that one process holds; each takes some 5 KB (100,000 of them: 0.5 GB, loaded in 12 s on two cores).
    public static let applicationsMax = 200_000

    let registry: AgentRegistry
    let table: ServingTable
    let store: any ServerStore
    let trainer: Trainer
    let form: ProfileText
    let seed: UInt64
    /// Changes happen one at a time.
    let change = Mutex(())
    /// A function alone in a Mutex would be wrapped once more by every access: 67 % of the time of making the 10,000th
    /// application.
    private struct Listener { var hear: @Sendable (Agent) -> Void }
    private let creation = Mutex(Listener { _ in })
    /// Names of applications that are just coming from other servers.
    let arriving = Mutex<Set<String>>([])
    /// Applications whose profile cannot be read, and why: without its limits nothing is safe to answer.
    let unreadable = Mutex<[String: String]>([:])

    /// Calls `action` with every application that is made from now on, before it decides anything.
    public func onCreation(_ action: @escaping @Sendable (Agent) -> Void) { creation.withLock { $0.hear = action } }

    /// - Parameters:
    ///   - form: how a profile is kept.
    ///   - seed: of the whole service; every agent's exploration is derived from it.
    public init(
        registry: AgentRegistry, table: ServingTable, store: any ServerStore, trainer: Trainer, form: ProfileText,
        seed: UInt64
    ) {
        self.registry = registry
        self.table = table
        self.store = store
        self.form = form
        self.trainer = trainer
        self.seed = seed
    }

    /// The application of this name, created unless it exists.
    public func create(_ name: String, profile: Profile, at time: Double) throws -> Agent {
        try ApplicationName.check(name)
        return try change.withLock { _ in
            if let present = registry[name] { return present }
            try checkRoom(for: name)
            let text = form.encode(profile)
            let id = try store.insert(application: name, profile: text, created: time)
            return registry.add(try make(id: id, name, profile: profile, at: time))
        }
    }

    /// Whether the name may be given to a new application.
    func checkRoom(for name: String) throws {
        if let reason = unreadable.withLock({ $0[name] }) {
            throw OperationError(
                .unavailable,
                "What is stored of \(name) is damaged, its limits among it, so nothing is decided for it: \(reason). `aware doctor` tells more, `aware restore` puts a backup in place.")
        }
        guard !arriving.withLock({ $0.contains(name) }) else {
            throw OperationError(.unavailable, "\(name) is just coming from another server.", retryAfterSeconds: 1)
        }
        guard registry.count < Self.applicationsMax else {
            throw OperationError(.unavailable, "There are already \(Self.applicationsMax) applications.")
        }
    }

    /// Says that `agent` is there, before it decides anything.
    func announce(_ agent: Agent) { creation.withLock { $0.hear }(agent) }

    /// An application that nobody will know: for a dry run before the first decision.
    public func draft(_ name: String, profile: Profile, at time: Double) throws -> Agent {
        try ApplicationName.check(name)
        return try make(id: 0, name, profile: profile, at: time)
    }

    private func make(id: Int64, _ name: String, profile: Profile, at time: Double) throws -> Agent {
        let agent = Agent(id: id, name: name, created: time, profile: profile, revision: 1, seed: seed)
        try agent.restore(state: nil, decisions: [], policy: nil)
        announce(agent)
        return agent
    }

    /// Replaces a profile. `expected`: the revision that If-Match demands.
    public func update(_ agent: Agent, profile: Profile, isExpected: (Int) -> Bool) throws {
        try agent.checkUnsealed()
        try change.withLock { _ in
            guard isExpected(agent.revision) else {
                throw OperationError(
                    .changedMeanwhile, "The profile was changed meanwhile: its ETag is now \"\(agent.revision)\".")
            }
            let text = form.encode(profile)
            try store.update(application: agent.id, profile: text, revision: agent.revision + 1)
            agent.update(profile: profile, revision: agent.revision + 1)
        }
    }

    public func delete(_ agent: Agent) throws {
        try change.withLock { _ in
            // First where it can fail: a refused deletion leaves the application as it was.
            try store.delete(application: agent.id)
            registry.remove(agent)
            agent.retire()
            table.publish(nil, for: agent.id)
            trainer.forget(agent)
        }
    }
}

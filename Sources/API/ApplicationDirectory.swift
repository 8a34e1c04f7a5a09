// Creates, changes, deletes and loads applications: the store and the registry, kept in step.

import Agents
import Base
import Dispatch
import HTTPServer
import Scaling
import Store
import Synchronization

public final class ApplicationDirectory: Sendable {
    /// Applications that one process holds; each takes some 5 KB (100,000 of them: 0.5 GB, loaded in 12 s on two cores).
    public static let applicationsMax = 200_000

    private let registry: AgentRegistry
    private let table: ServingTable
    private let database: Database
    private let trainer: Trainer
    private let seed: UInt64
    /// Changes happen one at a time.
    private let change = Mutex(())
    /// A function alone in a Mutex would be wrapped once more by every access: 67 % of the time of making the 10,000th
    /// application.
    private struct Listener { var hear: @Sendable (Agent) -> Void }
    private let creation = Mutex(Listener { _ in })
    /// Applications whose profile cannot be read, and why: without its limits nothing is safe to answer.
    private let unreadable = Mutex<[String: String]>([:])

    /// Calls `action` with every application that is made from now on, before it decides anything.
    public func onCreation(_ action: @escaping @Sendable (Agent) -> Void) { creation.withLock { $0.hear = action } }

    public init(registry: AgentRegistry, table: ServingTable, database: Database, trainer: Trainer, seed: UInt64) {
        self.registry = registry
        self.table = table
        self.database = database
        self.trainer = trainer
        self.seed = seed
    }

    /// A DNS-1123 subdomain: lower-case letters, digits, "-" and ".", at most 253.
    static func isValid(name: String) -> Bool {
        let utf8 = Array(name.utf8)
        guard (1...253).contains(utf8.count) else { return false }
        return utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.first, let last = label.last, label.count <= 63 else { return false }
            func isAlphanumeric(_ byte: UInt8) -> Bool {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && label.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// The application of this name, created unless it exists.
    func create(_ name: String, profile: Profile, at time: Double) throws -> Agent {
        try Self.check(name: name)
        return try change.withLock { _ in
            if let present = registry[name] { return present }
            if let reason = unreadable.withLock({ $0[name] }) {
                throw Refusal(
                    .serviceUnavailable,
                    "What is stored of \(name) is damaged, its limits among it, so nothing is decided for it: \(reason). `aware doctor` tells more, `aware restore` puts a backup in place.")
            }
            guard registry.count < Self.applicationsMax else {
                throw Refusal(.serviceUnavailable, "There are already \(Self.applicationsMax) applications.")
            }
            let text = String(decoding: ProfileCodec.encode(profile), as: UTF8.self)
            let id = try database.insert(application: name, profile: text, created: time)
            return registry.add(try make(id: id, name, profile: profile, at: time))
        }
    }

    /// An application that nobody will know: for a dry run before the first decision.
    func draft(_ name: String, profile: Profile, at time: Double) throws -> Agent {
        try Self.check(name: name)
        return try make(id: 0, name, profile: profile, at: time)
    }

    private func make(id: Int64, _ name: String, profile: Profile, at time: Double) throws -> Agent {
        let agent = Agent(id: id, name: name, created: time, profile: profile, revision: 1, seed: seed)
        try agent.restore(state: nil, decisions: [], policy: nil)
        creation.withLock { $0.hear }(agent)
        return agent
    }

    private static func check(name: String) throws {
        guard isValid(name: name) else {
            throw Refusal(
                .unprocessableContent, "\"\(name.prefix(80))\" is no name for an application.",
                errors: [
                    ProblemItem(
                        pointer: "", code: "name",
                        detail:
                            "A name is a DNS-1123 subdomain: lower-case letters, digits, - and ., at most 253 characters."
                    )
                ])
        }
    }

    /// Replaces a profile. `expected`: the revision that If-Match demands.
    func update(_ agent: Agent, profile: Profile, isExpected: (Int) -> Bool) throws {
        try change.withLock { _ in
            guard isExpected(agent.revision) else {
                throw Refusal(
                    .preconditionFailed, "The profile was changed meanwhile: its ETag is now \"\(agent.revision)\".")
            }
            let text = String(decoding: ProfileCodec.encode(profile), as: UTF8.self)
            try database.update(application: agent.id, profile: text, revision: agent.revision + 1)
            agent.update(profile: profile, revision: agent.revision + 1)
        }
    }

    func delete(_ agent: Agent) throws {
        try change.withLock { _ in
            // First where it can fail: a refused deletion leaves the application as it was.
            try database.delete(application: agent.id)
            registry.remove(agent)
            agent.retire()
            table.publish(nil, for: agent.id)
            trainer.forget(agent)
        }
    }

    /// Reads every application from the database, with its policy on duty, and queues what is left to train.
    /// - Returns: how many there are.
    /// - Throws: `LoadFailure` when nothing can be read; a damaged application alone does not keep the others.
    public func loadAll() throws -> Int {
        do {
            let last = try database.lastDecisions()
            let stored = try database.applications()
            let outcomes = try database.lastOutcomes()
            let embeddings = try database.embeddings()
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: Database.readers) { _ in
                let parser = JSONParser()
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < stored.count else { return }
                    let application = stored[index]
                    do {
                        let seq = last[application.id] ?? 0
                        try load(application, last: seq, outcomes[seq], embeddings[application.id], parser)
                    } catch {
                        setAside(application, because: error)
                    }
                }
            }
            return stored.count
        } catch {
            throw LoadFailure(file: database.path, reason: "\(error)")
        }
    }

    private func load(
        _ application: StoredApplication, last seq: Int64, _ outcome: DecisionOutcome?,
        _ embedding: WorkloadEmbedding?, _ parser: JSONParser
    ) throws {
        guard application.isSound else { throw ProfileFailure(description: "its profile does not fit its checksum") }
        let (profile, errors) = try parser.withDocument(application.profile, ProfileCodec.decode)
        if let error = errors.first { throw ProfileFailure(description: "profile\(error.pointer): \(error.detail)") }
        let agent = Agent(
            id: application.id, name: application.name, created: application.created, profile: profile,
            revision: application.revision, seed: seed)
        do {
            try load(agent, last: seq, outcome)
        } catch {
            try restart(agent, because: error)
        }
        registry.add(agent)
        if let embedding { trainer.embeddings.set(embedding, of: application.id, name: application.name) }
    }

    /// Reads one application's state again, after a commit failed.
    func load(_ agent: Agent) throws {
        let seq = try database.lastDecision(of: agent.id)
        do {
            try load(agent, last: seq, database.outcome(of: seq))
        } catch where Self.isDamage(error) {
            try restart(agent, because: error)
        }
    }

    private static func isDamage(_ error: any Error) -> Bool {
        error is StoredDamage || error is DecisionRecord.Failure || error is ByteReader.Failure
    }

    /// What is stored of an application is damaged: the rules act for it, from a new episode on; the others go on.
    private func restart(_ agent: Agent, because error: any Error) throws {
        let (episode, last) = try database.continuation(of: agent.id)
        table.publish(nil, for: agent.id)
        agent.restart(episode: episode, after: last)
        database.noteDamage(
            of: agent.id, "The stored state of \(agent.name) is damaged (\(error)): the rules act, from a new episode on.")
    }

    private func load(_ agent: Agent, last: Int64, _ outcome: DecisionOutcome?) throws {
        let saved = try database.agent(of: agent.id, last: last)
        let active = try trainer.restore(agent)
        try agent.restore(state: saved.state, decisions: saved.decisions, policy: active?.policy)
        if let outcome { _ = agent.note(outcome, of: last) }
        if let episode = saved.episode, trainer.trainedEpisode(of: agent.id) < episode.number {
            trainer.enqueue(agent)
        }
    }

    private func setAside(_ application: StoredApplication, because error: any Error) {
        unreadable.withLock { $0[application.name] = "\(error)" }
        database.noteDamage(
            of: application.id, "What is stored of \(application.name) cannot be read (\(error)): nothing is decided for it.")
    }

    private struct ProfileFailure: Error, CustomStringConvertible { let description: String }

    /// What is stored cannot be understood.
    public struct LoadFailure: Error, CustomStringConvertible {
        let file: String
        let reason: String

        public var description: String {
                "Cannot read the database \(file): \(reason). It is damaged, or was written by another version "
                + "of aware. Start the version that wrote it, restore a backup, or move the file away to begin anew."
        }
    }
}

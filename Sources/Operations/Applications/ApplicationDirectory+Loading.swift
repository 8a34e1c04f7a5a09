// What a start reads: every application with its policy on duty, or why one is left out.

import Agents
import Base
import Dispatch
import Scaling
import Synchronization

extension ApplicationDirectory {
    /// Reads every application from the database, with its policy on duty, and queues what is left to train.
    /// - Returns: how many there are.
    /// - Throws: `LoadFailure` when nothing can be read; a damaged application alone does not keep the others.
    public func loadAll() throws -> Int {
        do {
            let last = try store.lastDecisions()
            let stored = try store.applications()
            let feedback = try store.lastFeedback()
            let embeddings = try store.embeddings()
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: store.readersMax) { _ in
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < stored.count else { return }
                    let application = stored[index]
                    do {
                        let seq = last[application.id] ?? 0
                        try load(application, last: seq, feedback[seq], embeddings[application.id]) { _ in }
                    } catch {
                        setAside(application, because: error)
                    }
                }
            }
            return stored.count
        } catch {
            throw LoadFailure(file: store.path, reason: "\(error)")
        }
    }

    /// - Parameter prepare: called before anybody can find it.
    func load(
        _ application: StoredApplication, last seq: Int64, _ feedback: DecisionFeedback?,
        _ embedding: WorkloadEmbedding?, prepare: (Agent) -> Void
    ) throws {
        guard application.isSound else { throw StoredDamage(description: "its profile does not fit its checksum") }
        let profile = try form.decode(application.profile)
        let agent = Agent(
            id: application.id, name: application.name, created: application.created, profile: profile,
            revision: application.revision, seed: seed, origin: application.origin)
        agent.seal(application.isSealed)
        do {
            try load(agent, last: seq, feedback)
        } catch {
            try restart(agent, because: error)
        }
        prepare(agent)
        registry.add(agent)
        if let embedding { trainer.embeddings.set(embedding, of: application.id, name: application.name) }
    }

    /// Reads one application's state again, after a commit failed.
    public func load(_ agent: Agent) throws {
        let seq = try store.lastDecision(of: agent.id)
        do {
            try load(agent, last: seq, store.feedback(on: seq))
        } catch where Self.isDamage(error) {
            try restart(agent, because: error)
        }
    }

    private static func isDamage(_ error: any Error) -> Bool {
        error is StoredDamage || error is DecisionRecord.Failure || error is ByteReader.Failure
    }

    /// What is stored of an application is damaged: the rules act for it, from a new episode on; the others go on.
    private func restart(_ agent: Agent, because error: any Error) throws {
        let (episode, last) = try store.continuation(of: agent.id)
        table.publish(nil, for: agent.id)
        agent.restart(episode: episode, after: last)
        store.noteDamage(
            of: agent.id, "The stored state of \(agent.name) is damaged (\(error)): the rules act, from a new episode on.")
    }

    private func load(_ agent: Agent, last: Int64, _ feedback: DecisionFeedback?) throws {
        let saved = try store.agent(of: agent.id, last: last)
        let active = try trainer.restore(agent)
        try agent.restore(state: saved.state, decisions: saved.decisions, policy: active?.policy)
        if let feedback { _ = agent.note(feedback, of: last) }
        if let episode = saved.episode, trainer.trainedEpisode(of: agent.id) < episode.number {
            trainer.enqueue(agent)
        }
    }

    private func setAside(_ application: StoredApplication, because error: any Error) {
        unreadable.withLock { $0[application.name] = "\(error)" }
        store.noteDamage(
            of: application.id, "What is stored of \(application.name) cannot be read (\(error)): nothing is decided for it.")
    }
}

/// What is stored cannot be understood.
public struct LoadFailure: Error, CustomStringConvertible {
    let file: String
    let reason: String

    public var description: String {
        "Cannot read the database \(file): \(reason). It is damaged, or was written by another version "
            + "of aware. Start the version that wrote it, restore a backup, or move the file away to begin anew."
    }
}

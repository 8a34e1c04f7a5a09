// The agent as the service runs it, in a simulation: the same agent, trainer, judge and lifecycle over a store in memory.

import Agents
import Base
import Learning
import Scaling
import Synchronization

/// Lives through trials, one episode each, and is trained after every one of them on the caller's thread.
///
/// Every trial begins in a cluster of its own: its first observation is marked as not applied, as when an application was
/// deployed anew.
final class ServedAgent {
    private static let application: Int64 = 1
    /// Episodes end when a trial does, not by counting.
    private static let episodeStepsMax = 10_000

    private let agent: Agent
    private let trainer: Trainer
    private let table = ServingTable()
    private let store = MemoryStore()
    private var context: DecisionContext
    private var lastSeq: Int64 = 0
    /// Seconds between the time of the trial that is played and the agent's.
    private var offset = 0.0
    /// CPU time of acting and learning, examinations left out.
    private(set) var seconds = 0.0

    /// - Parameters:
    ///   - base: the first candidate; without one it is cloned from the rules or learned from random weights.
    ///   - bootstraps: begins with the rules.
    init(profile: Profile, base: Policy?, bootstraps: Bool = true, seed: UInt64) throws {
        var profile = profile
        profile.bootstrap = bootstraps
        profile.meta = base != nil
        profile.episodeSteps = Self.episodeStepsMax
        trainer = Trainer(store: store, table: table, base: base, threads: 1, seed: seed)
        agent = Agent(id: Self.application, name: "simulated", created: 0, profile: profile, revision: 1, seed: seed)
        context = DecisionContext(table: table)
        try agent.restore(state: nil, decisions: [], policy: nil)
    }

    /// Who acts: the stage, and the policy on duty (`nil` while the rules act).
    var stage: Stage { table.activePolicy(of: Self.application)?.stage ?? (agent.profile.bootstrap ? .offline : .online) }
    var policy: Policy? { table.activePolicy(of: Self.application)?.policy }

    /// How many versions were made.
    var versions: Int { store.contents.withLock { $0.models.count } }

    /// Plays a trial, records it as an episode and learns from it.
    func live(_ trial: Trial) throws -> TrialResult {
        let start = threadSeconds()
        defer { seconds += threadSeconds() - start }
        var hand = Hand(agent: self)
        let result = trial.run(&hand)
        if let error = hand.error { throw error }
        offset += Double((trial.steps + 1) * trial.profile.stepSeconds)
        try trainer.train(agent)
        return result
    }

    /// Puts a policy on duty as an operator would: imports it as a version and promotes it.
    /// - Parameter stage: where it goes on from, and stays when it is `held`.
    func promote(_ policy: Policy, to stage: Stage, held: Bool) throws {
        let version = (store.contents.withLock { $0.models.keys.max() } ?? 0) + 1
        let weights = policy.encode()
        try carryOut(
            .adopt(
                ModelVersion(
                    application: Self.application, version: version, parent: 0, created: offset, algorithm: "import",
                    episode: 0, diagnostics: [:], weights: weights)))
        try carryOut(.promote(version: version, policy))
        try hold(stage, held)
    }

    /// Moves to a stage as an operator would.
    func hold(_ stage: Stage, _ isHeld: Bool) throws { try carryOut(.stage(stage, hold: isHeld)) }

    private func carryOut(_ command: TrainingCommand) throws {
        try trainer.obey(command, for: agent, at: offset)
    }

    /// The agent had no answer: a fault of the simulation.
    struct Unanswered: Error {}

    fileprivate func decide(_ observation: Observation, isFirst: Bool) throws -> Allocation {
        var observation = observation
        observation.time = offset + (observation.time ?? 0)
        if isFirst { observation.applied = false }
        lastSeq += 1
        let result = agent.decide(
            observation, at: observation.time ?? offset, clientID: nil, warnings: [], isDryRun: false,
            context: &context, sequence: { lastSeq })
        guard case .decided(let decision, let closed) = result else { throw Unanswered() }
        store.record(decision, closed)
        return decision.desired
    }

    fileprivate func endEpisode() { agent.controls.episodeEnded = agent.runningEpisode.number }
}

/// What plays a trial for the agent.
private struct Hand: Controller {
    let agent: ServedAgent
    private var isFirst = true
    private(set) var error: (any Error)?

    init(agent: ServedAgent) { self.agent = agent }

    mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        defer { isFirst = false }
        do {
            return try agent.decide(observation, isFirst: isFirst)
        } catch {
            self.error = error
            return current
        }
    }

    /// The last observation earns the last step's reward, and closes the episode.
    mutating func finish(_ observation: Observation, current: Allocation) {
        agent.endEpisode()
        _ = decide(observation, current: current)
    }
}

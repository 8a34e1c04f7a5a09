// From an observation to a decision that is on disk: the one place that decides and commits.

import Agents
import Dispatch
import Logging
import Scaling
import Synchronization

/// What a caller asks with an observation.
public struct DecisionRequest: Sendable {
    public var observation: Observation
    /// The caller's own name for the decision: the same one gets the same decision.
    public var clientID: String?
    /// What was odd about the request; it goes into the explanation.
    public var warnings: [String]
    /// Nothing is kept, and the agent stays as it was.
    public var isDryRun: Bool

    public init(observation: Observation, clientID: String? = nil, warnings: [String] = [], isDryRun: Bool = false) {
        self.observation = observation
        self.clientID = clientID
        self.warnings = warnings
        self.isDryRun = isDryRun
    }
}

/// Decides for applications and makes their decisions durable. Safe to use from every thread.
public final class Decide: Sendable {
    /// A commit that takes longer is told in the log.
    private static let slowSeconds = 0.5

    private let registry: AgentRegistry
    private let directory: ApplicationDirectory
    private let recorder: Recorder
    private let trainer: Trainer
    private let clock: Clock
    private let commits: CommitWaiters
    private let log: Logger
    /// Whether the last commit failed: a full disk must not fill the log as well.
    private let isFailing = Atomic<Bool>(false)
    public let metrics = DecisionMetrics()
    private let sequence: Atomic<Int64>

    /// - Parameters:
    ///   - store: where decisions are looked up that were made before.
    ///   - patience: how long a repeated request waits for the commit of the first.
    public init(
        registry: AgentRegistry, directory: ApplicationDirectory, recorder: Recorder, trainer: Trainer, clock: Clock,
        store: any ServerStore, patience: DispatchTimeInterval = .seconds(1), log: Logger
    ) throws {
        self.registry = registry
        self.directory = directory
        self.recorder = recorder
        self.trainer = trainer
        self.clock = clock
        commits = CommitWaiters(history: store, patience: patience)
        self.log = log
        sequence = Atomic(try store.lastSeq())
    }

    /// Too many decisions wait for the disk: callers are told to come back.
    public var isOverloaded: Bool { recorder.isOverloaded }

    /// Whether `request` needs nothing but memory: neither a new application nor a decision that was made before.
    public func isImmediate(_ request: borrowing DecisionRequest, by agent: Agent) -> Bool {
        guard !agent.isResent(request.observation) else { return false }
        guard let id = request.clientID else { return true }
        return agent.seq(ofClientID: id) == nil
    }

    /// Decides, without waiting. What is decided counts only after `commit`, unless it was a dry run.
    public func decide(
        _ request: borrowing DecisionRequest, by agent: Agent, in context: inout DecisionContext
    ) -> DecisionResult {
        agent.decide(
            request.observation, at: clock.time(of: request.observation, by: agent),
            steady: clock.followsObservations ? nil : clock.steady, clientID: request.clientID, warnings: request.warnings,
            isDryRun: request.isDryRun, context: &context,
            sequence: { sequence.add(1, ordering: .relaxed).newValue })
    }

    /// The agent that decides `request`. An unknown application is made, with a profile that holds what runs; for a dry
    /// run one that nobody will know. Waits for the disk.
    /// - Throws: `OperationError` for a name that is none, or when there are too many; what the store says.
    public func agent(for request: borrowing DecisionRequest, of name: String) throws -> Agent {
        if let agent = registry[name] { return agent }
        let time = clock.time(of: request.observation, by: nil)
        let profile = Profile.holding(request.observation)
        return try request.isDryRun
            ? directory.draft(name, profile: profile, at: time) : directory.create(name, profile: profile, at: time)
    }

    /// Reads an application again after a commit had failed. Waits for the disk.
    /// - Returns: that `request` must be sent once more, with the rules' advice.
    public func readAgain(
        _ agent: Agent, for request: borrowing DecisionRequest, in context: inout DecisionContext
    ) throws -> OperationError {
        if !agent.isSealed || agent.lastSeqIfLoaded == nil { try directory.load(agent) }
        let trial = DecisionRequest(observation: request.observation, isDryRun: true)
        var advice: Allocation?
        if case .decided(let decision, _) = decide(trial, by: agent, in: &context) {
            advice = Self.advice(decision.rules, of: agent)
        }
        if agent.isSealed { return agent.sealed(advice: advice) }
        return OperationError(
            .unavailable,
            "The application's state was read again after the database had refused a decision. Send it once more.",
            advice: advice, retryAfterSeconds: 1)
    }

    /// Takes so many numbers for decisions that come from elsewhere.
    /// - Returns: the first of them.
    func reserve(_ count: Int64) -> Int64 { sequence.add(count, ordering: .relaxed).oldValue + 1 }

    /// Makes a group durable, in one transaction with whatever else waits. `then` is called on the writer's queue, with
    /// an error for each decision when the store has refused them: none of them is valid then.
    public func commit(_ group: DecisionGroup, then: @escaping @Sendable ([OperationError]?) -> Void) {
        let begun = DecisionMetrics.now
        recorder.submit(group.pending, isSound: { !group.isVoid }) { [self] error in
            if let error {
                if !isFailing.exchange(true, ordering: .relaxed) {
                    log.error("decisions cannot be stored", metadata: ["error": "\(error)"])
                }
                for agent in group.agents { agent.invalidate() }
                // Now no number up to this one will be given to a decision that builds on what the agents remember.
                let last = sequence.load(ordering: .sequentiallyConsistent)
                for agent in group.agents { agent.void(upTo: last) }
                then(zip(group.pending, group.agents).map { Self.refusal(error, advice: Self.advice($0.rules, of: $1)) })
            } else {
                then(nil)
                let seconds = metrics.committed(group.pending.count, since: begun)
                if isFailing.load(ordering: .relaxed), isFailing.exchange(false, ordering: .relaxed) {
                    log.notice("decisions can be stored again")
                }
                if seconds > Self.slowSeconds {
                    log.warning("slow commit", metadata: ["seconds": "\(seconds)", "decisions": "\(group.pending.count)"])
                }
                // A finished episode is on disk: there is something to learn from.
                for (entry, agent) in zip(group.pending, group.agents) where entry.closed != nil {
                    trainer.enqueue(agent)
                }
            }
            commits.announce(group.pending)
        }
    }

    /// What the rules want, within the limits of the profile; an application that was switched off stays off.
    private static func advice(_ rules: Allocation, of agent: Agent) -> Allocation {
        var advice = agent.profile.clamp(rules)
        if rules.replicas == 0 { advice.replicas = 0 }
        return advice
    }

    /// A decision that cannot be kept is no decision; what the rules would say is advice for those who cannot wait.
    private static func refusal(_ error: any Error, advice: Allocation) -> OperationError {
        OperationError(
            .unavailable, "The decision could not be stored and is not valid: \(error)", advice: advice,
            retryAfterSeconds: 1)
    }

    /// Calls `then` with the decision `seq` as soon as it is on disk: another request may just have made it. Waits for
    /// the disk; `then` may be called on any thread.
    public func whenStored(_ seq: Int64, then: @escaping @Sendable (Result<Decision, any Error>) -> Void) {
        commits.wait(for: seq, then: then)
    }
}

// One application's agent: everything that a decision needs, behind one short lock.

import Deciding
import Learning
import Scaling
import Synchronization

/// What one thread keeps between decisions, so that deciding allocates little. Must stay on that thread.
public struct DecisionContext {
    var cache: ServingTable.Cache
    /// The policy that decided last, and its working memory, which serves every policy of its shape.
    private var last: (policy: Policy, scratch: PolicyScratch)?

    public init(table: ServingTable) { cache = ServingTable.Cache(of: table) }

    mutating func scratch(for policy: Policy) -> PolicyScratch {
        if let last, last.policy === policy { return last.scratch }
        let scratch = if let last, last.policy.shape == policy.shape { last.scratch } else { policy.makeScratch() }
        last = (policy, scratch)
        return scratch
    }
}

/// What the status pages show of an agent.
public struct AgentStatus: Sendable {
    public var stage: Stage
    public var source: Source?
    public var modelVersion: Int
    /// Mean step reward of the last finished episode, whoever acted.
    public var reward: Double?
    public var rulesReward: Double?
    /// Finished episodes.
    public var episodes: Int
    public var decisions: Int
    /// Decisions by `Source.index`, since the process started.
    public var decisionsBySource: [Int]
    public var updated: Double?
    public var allocation: Allocation?
    public var lastSeq: Int64
}

/// An answer, or the reason why there is none.
public enum DecisionResult: Sendable {
    /// A new decision; it must be committed before it is answered (unless it was a dry run), together with the episode
    /// that it closes.
    case decided(Decision, ClosedEpisode?)
    /// The client's id is known, or the last observation was sent again: the decision that was made then.
    case repeated(seq: Int64)
    /// Observations since the last restart could not be restored; the application must be loaded again.
    case unavailable
}

public final class Agent: Sendable {
    public let id: Int64
    public let name: String
    public let created: Double
    /// `nil` for an application that was made here.
    public let origin: Origin?
    private let state: Mutex<AgentState>
    private let revisionNumber: Atomic<Int>
    private let voidUpTo = Atomic<Int64>(0)
    /// What it shares with all other applications of the server; `nil` without a limit.
    private let ledger = Mutex<CapacityLedger?>(nil)

    /// - Parameters:
    ///   - revision: of the profile, its ETag.
    ///   - seed: of the whole service; exploration of every agent is derived from it.
    ///   - origin: where it was made, unless here.
    public init(
        id: Int64, name: String, created: Double, profile: Profile, revision: Int, seed: UInt64, origin: Origin? = nil
    ) {
        self.id = id
        self.name = name
        self.created = created
        self.origin = origin
        let exploration = (origin ?? Origin(number: id, seed: seed)).exploration
        state = Mutex(AgentState(application: id, profile: profile, exploration: exploration))
        revisionNumber = Atomic(revision)
    }

    /// Whether `observation` is the last one, sent again.
    public func isResent(_ observation: Observation) -> Bool {
        state.withLock { $0.seq(ofResent: observation) != nil }
    }

    /// When an observation without a time counts as made, where the clock follows the observations: one step after the
    /// decision before it.
    public var nextStepTime: Double? {
        state.withLock { state in state.lastTime.map { $0 + Double(state.profile.stepSeconds) } }
    }

    /// The decision that a client named `id`, as far as it is remembered.
    public func seq(ofClientID id: String) -> Int64? { state.withLock { $0.seq(ofClientID: id) } }

    public var revision: Int { revisionNumber.load(ordering: .acquiring) }
    public var profile: Profile { state.withLock { $0.profile } }

    /// What people demand of this application, from the next decision on. Persist it before it is set.
    public var controls: Controls {
        get { state.withLock { $0.controls } }
        set { state.withLock { $0.controls = newValue } }
    }

    /// Notes what became of the decision `seq`. Persist it before.
    /// - Returns: false when that is not the last decision, so that the next observation does not tell of it.
    public func note(_ outcome: DecisionFeedback, of seq: Int64) -> Bool {
        state.withLock { state in
            guard state.lastSeq == seq else { return false }
            state.outcome = outcome
            return true
        }
    }

    /// Number and steps of the running episode.
    public var runningEpisode: (number: Int, steps: Int) { state.withLock { $0.runningEpisode } }

    /// Makes the application share a total with the others, beginning with what it was answered last.
    public func share(_ ledger: CapacityLedger) {
        state.withLock { ledger.set(&$0.held, to: $0.lastDesired) }
        self.ledger.withLock { $0 = ledger }
    }

    /// The application is gone: what it held is free for others.
    public func retire() {
        invalidate()
        ledger.withLock { ledger in state.withLock { ledger?.set(&$0.held, to: nil) } }
    }

    /// Replaces the profile from the next decision on.
    public func update(profile: Profile, revision: Int) {
        state.withLock { $0.update(profile: profile) }
        revisionNumber.store(revision, ordering: .releasing)
    }

    /// Decides.
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - steady: the same on a clock that nobody sets, which a pin's end goes by; `nil`: `now`.
    ///   - isDryRun: leaves the agent as it was.
    ///   - sequence: gives the new decision its number.
    public func decide(
        _ observation: Observation, at now: Double, steady: Double? = nil, clientID: String?, warnings: [String],
        isDryRun: Bool, context: inout DecisionContext, sequence: () -> Int64
    ) -> DecisionResult {
        let active = context.cache.activePolicy(of: id)
        let scratch = active?.policy.map { context.scratch(for: $0) }
        let ledger = ledger.withLock { $0 }
        return state.withLock { state in
            guard state.isLoaded else { return .unavailable }
            if let clientID, let seq = state.seq(ofClientID: clientID) { return .repeated(seq: seq) }
            if !isDryRun, let seq = state.seq(ofResent: observation) { return .repeated(seq: seq) }
            guard isDryRun || !state.isSealed else { return .unavailable }
            func decide(within capacity: Capacity?) -> DecisionResult {
                if isDryRun {
                    var copy = state
                    let (decision, closed) = copy.decide(
                        observation, at: now, clientID: nil, warnings: warnings, active: active,
                        scratch: scratch, capacity: capacity, steady: steady, seq: 0)
                    return .decided(decision, closed)
                }
                let (decision, closed) = state.decide(
                    observation, at: now, clientID: clientID, warnings: warnings, active: active,
                    scratch: scratch, capacity: capacity, steady: steady, seq: sequence())
                return .decided(decision, closed)
            }
            guard let ledger else { return decide(within: nil) }
            var held = state.held
            defer { state.held = held }
            return ledger.share(&held) { capacity in
                let result = decide(within: capacity)
                guard !isDryRun, case .decided(let decision, _) = result else { return (result, nil) }
                return (result, decision.desired)
            }
        }
    }

    func readState<T>(_ read: (borrowing AgentState) -> T) -> T { state.withLock { read($0) } }
    func changeState<T>(_ change: (inout AgentState) -> T) -> T { state.withLock { change(&$0) } }

    /// After a commit failed: what the agent remembers is ahead of the database, so it must be loaded again.
    public func invalidate() { state.withLock { $0.isLoaded = false } }

    /// Decisions with numbers up to `seq` that are not stored yet must not be: another loop made them before it was invalidated.
    public func void(upTo seq: Int64) { voidUpTo.store(seq, ordering: .releasing) }
    public func isVoid(_ seq: Int64) -> Bool { seq <= voidUpTo.load(ordering: .acquiring) }

    /// Continues without memory behind what is stored, because the stored state is damaged.
    public func restart(episode number: Int, after seq: Int64) {
        let (profile, exploration, controls) = state.withLock { ($0.profile, $0.exploration, $0.controls) }
        var fresh = AgentState(application: id, profile: profile, exploration: exploration)
        fresh.controls = controls
        fresh.begin(episode: number, after: seq)
        fresh.isLoaded = true
        state.withLock { state in
            fresh.held = state.held
            fresh.isSealed = state.isSealed
            state = fresh
        }
    }

    /// Continues from a saved state and the decisions made since.
    public func restore(
        state saved: [UInt8]?, decisions: [Decision], policy: Policy?
    ) throws {
        let (profile, exploration, controls) = state.withLock { ($0.profile, $0.exploration, $0.controls) }
        var restored = AgentState(application: id, profile: profile, exploration: exploration)
        restored.controls = controls
        if let saved { try restored.decode(saved) }
        for decision in decisions { restored.replay(decision) }
        if let policy { restored.catchUp(decisions.last, with: policy) }
        restored.isLoaded = true
        let ledger = ledger.withLock { $0 }
        state.withLock { state in
            restored.held = state.held
            restored.isSealed = state.isSealed
            ledger?.set(&restored.held, to: restored.lastDesired)
            state = restored
        }
    }

    /// How rules and policy are set in the running episode.
    public var calibration: Calibration? { state.withLock { $0.calibration } }

    /// What was identified of the application.
    public var knowledge: Knowledge { state.withLock { $0.knowledge } }

    public func status(_ active: ActivePolicy?) -> AgentStatus {
        state.withLock { state in
            AgentStatus(
                stage: active?.stage ?? (state.profile.bootstrap ? .offline : .online), source: state.lastSource,
                modelVersion: active?.version ?? 0, reward: state.episodeReward,
                rulesReward: active?.rulesReward, episodes: state.episodesFinished, decisions: state.decisions,
                decisionsBySource: state.decisionsBySource,
                updated: state.lastTime, allocation: state.lastDesired, lastSeq: state.lastSeq)
        }
    }
}

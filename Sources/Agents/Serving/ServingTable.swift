// Which policy acts for which application: an immutable table that training replaces and event loops read without a lock.

import Learning
import Scaling
import Synchronization

/// What a request needs to know of an application's lifecycle.
public struct ActivePolicy: Sendable {
    public var stage: Stage
    /// The version on duty, `nil` before there is one.
    public var policy: Policy?
    public var version: Int
    /// Whether the policy samples its actions, in order to learn from them.
    public var explores: Bool
    /// Share of uniformly random actions among those, for learners that need them.
    public var exploration: Float
    /// The rules' estimated mean step reward, to be recorded with an episode.
    public var rulesReward: Double?
    /// Whether somebody holds the application in its stage, so that figures do not move it.
    public var isHeld: Bool
    /// One episode in so many is left to the rules.
    public var controlInterval: Int
    /// How rules and policy are set, from the next episode on; `nil` as the profile says.
    public var calibration: Calibration?
    /// How well replays tell what was measured; `nil` before an episode was replayed.
    public var agreement: ReplayAgreement?

    public init(
        stage: Stage, policy: Policy?, version: Int, explores: Bool, exploration: Float = 0, rulesReward: Double?,
        isHeld: Bool = false, controlInterval: Int = Lifecycle.controlInterval,
        calibration: Calibration? = nil, agreement: ReplayAgreement? = nil
    ) {
        self.agreement = agreement
        self.isHeld = isHeld
        self.controlInterval = controlInterval
        self.calibration = calibration
        self.stage = stage
        self.policy = policy
        self.version = version
        self.explores = explores
        self.exploration = exploration
        self.rulesReward = rulesReward
    }
}

/// Active policies by application id. Writers replace a table, readers notice by its generation.
public final class ServingTable: Sendable {
    /// Two levels, so that publishing one application copies a few hundred references and not all of them.
    fileprivate struct Table {
        static let chunk = 256
        var chunks: [[ActivePolicy?]] = []

        subscript(id: Int64) -> ActivePolicy? {
            let index = Int(id)
            guard index / Self.chunk < chunks.count else { return nil }
            return chunks[index / Self.chunk][index % Self.chunk]
        }

        mutating func set(_ active: ActivePolicy?, at id: Int64) {
            let index = Int(id)
            while chunks.count <= index / Self.chunk { chunks.append(Array(repeating: nil, count: Self.chunk)) }
            chunks[index / Self.chunk][index % Self.chunk] = active
        }
    }

    private let table = Mutex(Table())
    private let generation = Atomic<Int>(1)
    private let policies = Mutex(SharedPolicies())

    public init() {}

    /// Puts `active` on duty: the next request of every loop sees it.
    public func publish(_ active: ActivePolicy?, for id: Int64) {
        var active = active
        if let policy = active?.policy { active?.policy = policies.withLock { $0.shared(policy) } }
        table.withLock { $0.set(active, at: id) }
        generation.add(1, ordering: .releasing)
    }

    /// For everything but the request path.
    public func activePolicy(of id: Int64) -> ActivePolicy? { table.withLock { $0[id] } }

    /// A loop's own view of the table; must stay on one thread.
    public struct Cache {
        private let source: ServingTable
        private var seen = 0
        private var table = Table()

        public init(of source: ServingTable) { self.source = source }

        /// One atomic load when nothing was published since the last call.
        public mutating func activePolicy(of id: Int64) -> ActivePolicy? {
            let current = source.generation.load(ordering: .acquiring)
            if current != seen {
                table = source.table.withLock { $0 }
                seen = current
            }
            return table[id]
        }
    }
}

/// Equal policies once, whoever made them: one that its owner gave to a hundred thousand applications would be 12 GB.
private struct SharedPolicies {
    private var byFingerprint = PoliciesInUse<Int>()

    mutating func shared(_ policy: Policy) -> Policy {
        // Whatever training changes, it changes in the first weights, too.
        let fingerprint = policy.parameters.prefix(256).hashValue
        if let known = byFingerprint[fingerprint] {
            return known.shape == policy.shape && known.parameters == policy.parameters ? known : policy
        }
        byFingerprint[fingerprint] = policy
        return policy
    }
}

/// Policies for as long as somebody holds them.
struct PoliciesInUse<Key: Hashable & Sendable> {
    private struct Weak { weak var policy: Policy? }

    private var table: [Key: Weak] = [:]
    private var sweepAt = 64

    subscript(key: Key) -> Policy? {
        get { table[key]?.policy }
        set {
            table[key] = newValue.map(Weak.init)
            guard table.count > sweepAt else { return }
            table = table.filter { $0.value.policy != nil }
            sweepAt = 2 * table.count + 64
        }
    }
}

// Whether an observation can be trusted: what is wrong with it, judged by itself and against its predecessor.

import Base

/// What was noticed about one observation. Some of it forbids to act, some forbids to scale down, some is only told.
public struct ObservationQuality: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Neither CPU, memory, latency, SLO preservation nor request rate was measured.
    public static let missingMetrics = Self(rawValue: 1 << 0)
    public static let missingCpu = Self(rawValue: 1 << 1)
    public static let missingMemory = Self(rawValue: 1 << 2)
    /// The objective's measure was there before and is gone, although requests arrive or may arrive.
    public static let missingObjective = Self(rawValue: 1 << 3)
    /// A metric was not a number, or negative, or more than can be: it counts as missing.
    public static let notFinite = Self(rawValue: 1 << 4)
    public static let negative = Self(rawValue: 1 << 5)
    /// Measured longer ago than `guards.staleSeconds`.
    public static let stale = Self(rawValue: 1 << 6)
    /// Measured in the future by more than `guards.staleSeconds`, or our own clock went back.
    public static let clockJump = Self(rawValue: 1 << 7)
    /// Measured before its predecessor.
    public static let outOfOrder = Self(rawValue: 1 << 8)
    /// Measured at the very time of its predecessor: sent twice, or by two recommenders.
    public static let duplicate = Self(rawValue: 1 << 9)
    /// Exact zeros where zero is not possible, or all at once after a time of load.
    public static let zeroed = Self(rawValue: 1 << 10)
    /// All metrics equal, to the last bit, to those of the observations before.
    public static let frozen = Self(rawValue: 1 << 11)
    /// No replica is wanted: somebody switched the application off.
    public static let noReplicas = Self(rawValue: 1 << 12)
    /// The first observation after a long silence: what is known of the past is out of date.
    public static let gap = Self(rawValue: 1 << 13)
    /// The replicas are neither what they were nor what was answered: someone else changed them.
    public static let replicasChanged = Self(rawValue: 1 << 14)
    /// The same for a replica's limits.
    public static let limitsChanged = Self(rawValue: 1 << 15)
    /// The caller says that the previous decision was not carried out.
    public static let notApplied = Self(rawValue: 1 << 16)
    /// OOM kills were reported: memory may rise whatever else is unknown.
    public static let oomKilled = Self(rawValue: 1 << 17)
    public static let impossible = Self(rawValue: 1 << 18)
    /// A metric jumped; it is believed up to a bound until the next observation confirms it.
    public static let unconfirmed = Self(rawValue: 1 << 19)
    /// A rolling update goes on: more replicas exist than are wanted, for a while.
    public static let rollout = Self(rawValue: 1 << 20)
    /// Sent again: the same time and the same values as the observation before.
    public static let resent = Self(rawValue: 1 << 21)

    /// Made at another time than now, or seen before: what it says of replicas and limits is as old as the rest.
    public static let fromAnotherTime: Self = [.stale, .clockJump, .outOfOrder, .duplicate, .resent]

    /// Nothing of such an observation is used: neither for the answer nor for what is remembered.
    static let holding: Self = [
        .missingMetrics, .stale, .clockJump, .outOfOrder, .duplicate, .frozen, .noReplicas, .resent,
    ]
    /// More may be given, less may not.
    static let notDown: Self = [.missingCpu, .missingObjective, .zeroed, .gap, .rollout]

    /// The application keeps what it was given, and nothing is learned.
    public var holds: Bool { !isDisjoint(with: Self.holding) }
    /// Neither replicas, CPU nor memory may be taken away.
    public var forbidsDown: Bool { !isDisjoint(with: Self.holding.union(Self.notDown)) }
    /// Memory may not be taken away.
    public var forbidsMemoryDown: Bool { forbidsDown || contains(.missingMemory) }
    /// Nothing limits what may be done. What is only told (changes by others, not applied) does not count.
    public var isGood: Bool { !forbidsMemoryDown }

    /// A rolling update carries out what was answered last, and the sizes that are observed may still be the old ones. Nothing else
    /// speaks against what is observed.
    public var isUpdating: Bool {
        contains(.rollout) && isDisjoint(with: [.limitsChanged, .missingCpu, .missingMemory, .missingObjective, .zeroed, .gap])
    }

    private static let names: [(Self, String)] = [
        (.missingMetrics, "missingMetrics"), (.missingCpu, "missingCpu"), (.missingMemory, "missingMemory"),
        (.missingObjective, "missingObjective"), (.notFinite, "notFinite"), (.negative, "negative"),
        (.stale, "stale"), (.clockJump, "clockJump"), (.outOfOrder, "outOfOrder"), (.duplicate, "duplicate"),
        (.zeroed, "zeroed"), (.frozen, "frozen"), (.noReplicas, "noReplicas"), (.gap, "gap"),
        (.replicasChanged, "replicasChanged"), (.limitsChanged, "limitsChanged"), (.notApplied, "notApplied"),
        (.oomKilled, "oomKilled"), (.impossible, "impossible"), (.unconfirmed, "unconfirmed"), (.rollout, "rollout"),
        (.resent, "resent"),
    ]

    /// The names of all that was noticed, in the order of declaration.
    public var reasons: [String] { Self.names.filter { contains($0.0) }.map(\.1) }
}

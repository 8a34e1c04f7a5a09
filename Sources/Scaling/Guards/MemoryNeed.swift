// How much memory an application has lately shown to need: what guards and masks hold against an OOM kill.

/// Bytes of one replica's limit. An OOM kill costs far more than the memory that would have prevented it, and the
/// reward hardly shows it: so it is kept from happening by rule as well, for whoever acts.
public struct MemoryNeed: Sendable, Equatable {
    /// How much more than was used or was too little is asked for, as factors.
    public struct Margins: Sendable, Equatable {
        /// Over the highest use of the last hour, when the whole hour was seen, and what is added to it while nothing
        /// of it was.
        public var keep: Double
        public var start: Double
        /// Over the highest use of the last ten minutes.
        public var raise: Double
        /// Over a limit that replicas were killed at within the hour, and over the limit right after that.
        public var killed: Double
        public var killing: Double

        /// What acts in service. Chosen on validation applications. After a kill the limit is more than doubled: what one
        /// minute's surge killed, the next minute would kill again. A rise by half left the base policy 0.46 kills an
        /// hour, this one 0.34, at the same reward. To keep 10 % instead of 5 % more than the hour's peak would cost 0.2
        /// of 87 points of reward and prevent nothing.
        public static let serving = Margins(keep: 1.05, start: 0.3, raise: 1.08, killed: 1.2, killing: 2.5)
        /// What policies are trained behind. A policy that learns behind wide margins spends them: it gives less CPU,
        /// and is killed as often as before with less reward.
        public static let training = Margins(keep: 1, start: 0.3, raise: 1.03, killed: 1.1, killing: 1.3)
    }

    /// The most that a measurement without a kill may raise the limit by in one decision: a single absurd one must not
    /// cost a cluster's memory.
    private static let growthMax = 1.5

    /// No cut leads below this; a limit that is already lower may stay.
    public var keep: Int
    /// The limit is raised to this at once.
    public var raise: Int

    public static let none = MemoryNeed(keep: 0, raise: 0)

    public init(keep: Int, raise: Int) {
        self.keep = keep
        self.raise = raise
    }

    /// - Parameters:
    ///   - limit: the present limit in MiB.
    ///   - peaks: the highest use in MiB of 10 and of 60 slots.
    ///   - known: share of those 60 slots that were seen.
    ///   - oomFloor: the highest limit in MiB that replicas were killed at within the last hour, 0 for none.
    ///   - isKilling: replicas were killed in the step that just ended.
    public init(
        limit: Double, peaks: (ten: Double, sixty: Double), known: Double, oomFloor: Double, isKilling: Bool,
        margins: Margins
    ) {
        let margin = margins.keep + margins.start * (1 - known)
        keep = Self.bytes(max(peaks.sixty * margin, oomFloor * margins.killed))
        let needed = min(peaks.ten * margins.raise, limit * min(margins.killing, Self.growthMax))
        raise = Self.bytes(isKilling ? limit * margins.killing : needed > limit ? needed : 0)
    }

    private static func bytes(_ mebibytes: Double) -> Int { Int(min(max(mebibytes, 0), 1e9).rounded(.up)) << 20 }
}

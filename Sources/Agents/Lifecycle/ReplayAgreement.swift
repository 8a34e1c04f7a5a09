// How far replays of finished episodes were from what was measured: the judge is judged.

import Base

/// How well replays tell what episodes bring: the judge's own record.
public struct ReplayAgreement: Sendable, Equatable {
    /// Replayed less measured value of the last episodes in which the rules acted, and of those in which the serving policy did.
    private var rules = RewardWindow()
    private var policy = RewardWindow()
    /// Episodes of the serving policy, and those of them of which the replay named the wrong one as the better.
    public private(set) var judged = 0
    public private(set) var wrong = 0

    /// How far replays were off.
    public struct Errors: Sendable, Equatable {
        public var episodes: Int
        /// One burst that no minute's mean shows makes a mean worthless, hence the median.
        public var median: Double
        public var deviation: Double

        /// The part of the median that so many episodes are believed.
        var believed: Double { median * Double(episodes) / Double(episodes + 10) }
    }

    private static let episodesMax = 40

    public init() {}

    public var ofRules: Errors { Self.errors(rules) }
    public var ofPolicy: Errors { Self.errors(policy) }
    public var isEmpty: Bool { rules.count + policy.count == 0 }

    private static func errors(_ window: RewardWindow) -> Errors {
        let sorted = window.values.sorted()
        let middle = sorted.isEmpty ? 0 : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        return Errors(episodes: sorted.count, median: middle, deviation: window.deviation)
    }

    /// What the judge's differences are too high by, as far as the policy's own episodes told it.
    var optimism: Double { policy.count > 0 ? max(0, ofPolicy.believed - ofRules.believed) : 0 }

    /// The replay does not tell what the rules themselves earned: what could be told with it is not known.
    var isPoor: Bool { rules.count >= Lifecycle.firstRulesEpisodes && abs(ofRules.median) > Self.poorFrom }

    /// Half of what a well-sized application costs.
    private static let poorFrom = 0.2

    mutating func rulesActed(measured: Double, replayed: Double) { rules.append(replayed - measured, size: Self.episodesMax) }

    /// - Returns: what the episode says for the policy, with what is known of the replay's error.
    mutating func policyActed(measured: Double, replayed: Double, rules: Double, loss: Double) -> PairedOutcome {
        let outcome = PairedOutcome(measured: measured - rules + ofRules.believed, replayed: replayed - rules, loss: loss)
        policy.append(replayed - measured, size: Self.episodesMax)
        judged += 1
        if (outcome.measured > 0) != (outcome.replayed > 0) { wrong += 1 }
        return outcome
    }

    func encode(into writer: inout ByteWriter) {
        rules.encode(into: &writer)
        policy.encode(into: &writer)
        writer.write(UInt32(clamping: judged))
        writer.write(UInt32(clamping: wrong))
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        rules = try RewardWindow(from: &reader)
        policy = try RewardWindow(from: &reader)
        judged = Int(try reader.integer(UInt32.self))
        wrong = Int(try reader.integer(UInt32.self))
    }
}

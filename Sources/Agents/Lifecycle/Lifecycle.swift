// Who may act: the stages of an application and what moves it between them (Algorithm 1 of the paper, PAPER 1.11).

import Scaling

/// A pure state machine, asked at the end of every episode.
///
///     initialized --(bootstrap)--> offline --(candidate ready)--> online --(good and steady)--> serving
///          \----(no bootstrap)-------------------------------------^  ^------(worse or unsteady)-----/
public struct Lifecycle: Sendable, Equatable {
    /// A change of stage with what led to it.
    public struct Transition: Sendable, Equatable {
        public var from: Stage
        public var to: Stage
        public var reason: String
        /// Mean and standard deviation of the window that decided, and the threshold it was held against.
        public var mean: Double
        public var deviation: Double
        public var threshold: Double
    }

    public private(set) var stage: Stage = .initialized
    /// Mean step rewards of the last episodes in which the policy acted, oldest first.
    public private(set) var policyRewards: [Double] = []
    /// The same for the rules.
    public private(set) var rulesRewards: [Double] = []

    /// Below its threshold by less than this, a serving policy is left alone: 1 % of the reward.
    public static let deadBand = 0.01

    public init() {}

    /// The rules' mean step reward over their window, `nil` before their first episode.
    public var rulesReward: Double? { rulesRewards.isEmpty ? nil : Self.statistics(rulesRewards).mean }

    /// Enters the first stage of an application.
    public mutating func start(_ profile: Profile) -> Transition? {
        guard stage == .initialized else { return nil }
        return move(
            to: profile.bootstrap ? .offline : .online,
            reason: profile.bootstrap ? "BootstrapFromRules" : "BootstrapDisabled", statistics: (0, 0), threshold: 0)
    }

    /// Takes the reward of one episode into account.
    /// - Parameters:
    ///   - policyReward: mean step reward when the policy acted, `nil` when the rules did.
    ///   - rulesReward: the same when the rules acted.
    ///   - candidateIsReady: whether there is a policy that reproduces the rules.
    public mutating func episodeEnded(
        policyReward: Double?, rulesReward: Double?, candidateIsReady: Bool, profile: Profile
    ) -> Transition? {
        let window = profile.thresholds.window
        if let policyReward { Self.append(policyReward, to: &policyRewards, window: window) }
        if let rulesReward { Self.append(rulesReward, to: &rulesRewards, window: window) }
        let rules = Self.statistics(rulesRewards)
        switch stage {
        case .initialized: return start(profile)
        case .offline:
            guard rulesRewards.count >= window, candidateIsReady else { return nil }
            let threshold = profile.thresholds.online ?? 0
            guard rules.mean >= threshold else { return nil }
            return move(to: .online, reason: "CandidateReady", statistics: rules, threshold: threshold)
        case .online:
            guard policyRewards.count >= window else { return nil }
            let policy = Self.statistics(policyRewards)
            let threshold = profile.thresholds.serving ?? rules.mean
            let deviation = profile.thresholds.deviation ?? Swift.max(2 * rules.deviation, 0.02)
            guard policy.mean >= threshold, policy.deviation <= deviation else { return nil }
            return move(to: .serving, reason: "RewardAboveThreshold", statistics: policy, threshold: threshold)
        case .serving:
            guard policyRewards.count >= window else { return nil }
            let policy = Self.statistics(policyRewards)
            let threshold = profile.thresholds.serving ?? rules.mean
            let deviation = profile.thresholds.deviation ?? Swift.max(3 * rules.deviation, 0.03)
            if policy.mean < threshold - Self.deadBand {
                return move(to: .online, reason: "RewardBelowThreshold", statistics: policy, threshold: threshold)
            }
            if policy.deviation > deviation {
                return move(to: .online, reason: "RewardUnsteady", statistics: policy, threshold: deviation)
            }
            return nil
        }
    }

    private mutating func move(
        to next: Stage, reason: String, statistics: (mean: Double, deviation: Double), threshold: Double
    ) -> Transition {
        defer {
            stage = next
            // A window never mixes stages.
            policyRewards.removeAll()
        }
        return Transition(
            from: stage, to: next, reason: reason, mean: statistics.mean, deviation: statistics.deviation,
            threshold: threshold)
    }

    private static func append(_ reward: Double, to window: inout [Double], window size: Int) {
        window.append(reward)
        if window.count > size { window.removeFirst(window.count - size) }
    }

    static func statistics(_ values: [Double]) -> (mean: Double, deviation: Double) {
        guard !values.isEmpty else { return (0, 0) }
        let mean = values.reduce(0, +) / Double(values.count)
        guard values.count > 1 else { return (mean, 0) }
        let sum = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, (sum / Double(values.count - 1)).squareRoot())
    }

    // MARK: Persistence

    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(Stage.allCases.firstIndex(of: stage) ?? 0))
        writer.write(policyRewards)
        writer.write(rulesRewards)
    }

    public init(from reader: inout ByteReader) throws {
        let index = Int(try reader.integer(UInt8.self))
        guard index < Stage.allCases.count else { throw ByteReader.Failure.malformed }
        stage = Stage.allCases[index]
        policyRewards = try reader.doubles()
        rulesRewards = try reader.doubles()
    }
}

// What the lifecycle reports: a change of stage or an alarm, with its reason and the figures behind it.

extension Lifecycle {
    /// Why a stage changed or an alarm was raised.
    public enum Reason: String, Sendable, CaseIterable {
        /// initialized > offline: the profile asks for bootstrapping from the rules.
        case bootstrap = "Bootstrap"
        /// initialized > online: the profile does not.
        case bootstrapDisabled = "BootstrapDisabled"
        /// offline > online: the candidate's estimated reward reaches the threshold.
        case candidateReady = "CandidateReady"
        /// offline > online: the application cannot be identified from its metrics, so that only acting shows what the
        /// candidate earns; two bad episodes end it.
        case trial = "Trial"
        /// online > serving: the policy's measured reward is above the profile's threshold, and steady.
        case aboveThreshold = "AboveThreshold"
        /// online > serving: the measured reward is above the rules' by a standard error, and steady.
        case beatsRules = "BeatsRules"
        /// online > serving: the greedy policy's estimate is above the rules' by a standard error; what it earns while
        /// it explores is within tolerance of them.
        case candidateBeatsRules = "CandidateBeatsRules"
        /// serving > online: the measured reward fell below the profile's threshold.
        case belowThreshold = "BelowThreshold"
        /// serving > online: the measured reward fell below what this policy used to earn.
        case rewardDropped = "RewardDropped"
        /// serving > online: the rewards vary more than they should.
        case unsteady = "Unsteady"
        /// online or serving > offline: the rules earn more, so they act again at once.
        case belowRules = "BelowRules"
        /// serving > offline: no single window shows it, but since it serves the policy has earned less than the rules.
        case steadilyBelowRules = "SteadilyBelowRules"
        /// serving > offline: episode by episode it earned a little less than a replay of the same load says of the rules.
        case losesToRules = "LosesToRules"
        /// online or serving > offline: its window is below the rules', and the judge, who compares both on the same
        /// recorded load, says that this is no accident.
        case judgedBelowRules = "JudgedBelowRules"
        /// A person wanted it.
        case forced = "Forced"
        /// Alarm: several episodes in a row earned exactly the same.
        case constantRewards = "ConstantRewards"
        /// Alarm: nothing in an episode's observations changed.
        case constantObservations = "ConstantObservations"
    }

    /// One event of the lifecycle.
    public struct Transition: Sendable, Equatable, CustomStringConvertible {
        public var from: Stage
        /// Equal to `from` for an alarm.
        public var to: Stage
        public var reason: Reason
        /// Number of the episode that led to it, counted from 1.
        public var episode: Int
        /// Mean and deviation of the rewards that decided (an estimate: its standard error), and how many they were.
        public var mean: Double
        public var deviation: Double
        public var count: Int
        /// What the mean (for `unsteady`: the deviation) was held against.
        public var threshold: Double
        /// The rules' mean step reward at that time, when it is known.
        public var rulesReward: Double?

        public var isAlarm: Bool { from == to }

        /// The figures by name, for the event log.
        public var figures: [String: Double] {
            var figures = [
                "mean": mean, "deviation": deviation, "count": Double(count), "threshold": threshold,
            ]
            figures["rulesReward"] = rulesReward
            return figures
        }

        /// `31: serving -> offline BelowRules: 0.700 +- 0.012 over 4, threshold 0.815, rules 0.840`
        public var description: String {
            let change = isAlarm ? "alarm" : "\(from.rawValue) -> \(to.rawValue)"
            var text = "\(episode): \(change) \(reason.rawValue)"
            if count > 0 {
                text +=
                    ": \(Self.text(mean)) +- \(Self.text(deviation)) over \(count), threshold \(Self.text(threshold))"
                if let rulesReward { text += ", rules \(Self.text(rulesReward))" }
            }
            return text
        }

        /// Three decimals.
        private static func text(_ value: Double) -> String {
            guard let thousandths = Int(exactly: (value * 1000).rounded()) else { return "\(value)" }
            let fraction = "\(1000 + thousandths.magnitude % 1000)".dropFirst()
            return (thousandths < 0 ? "-" : "") + "\(thousandths.magnitude / 1000).\(fraction)"
        }
    }
}

// What a candidate would earn: a paired comparison with the rules in a simulator fitted to the application.

import Learning
import Scaling
import ClusterModel

/// The gate's judge. It identifies the application from its recorded steps, replays the recorded load, and lets the
/// rules and each candidate act on it behind the guards, under the same noise.
///
/// Chosen by measurement. 280 candidates for 40 generated applications (the base policy, four disturbed copies of it, a
/// clone of the rules, the clone improved) were judged and then played for 30 further episodes in the true simulator:
///
/// | judge                                     | Spearman | sign agrees | false promotions | harm, R an episode |
/// |-------------------------------------------|----------|-------------|------------------|--------------------|
/// | fitted simulator, 10 recorded episodes    | 0.89     | 90 %        | 6.7 %            | 0.028              |
/// | fitted simulator, 3 recorded episodes     | 0.86     | 86 %        | 10.4 %           | 0.119              |
/// | live canary, 10 episodes each             | 0.88     | 87 %        | 10.2 %           | 0.065              |
/// | weighted per-decision importance sampling | 0.23     | 64 %        | 27.1 %           | 0.256              |
/// | none: serve every candidate               |          |             |                  | 1.191              |
///
/// A promotion is false when the candidate earned less than the rules in truth; harm is what those lost, over all
/// candidates. The off-policy estimator (Precup, Sutton and Singh 2000; behaviour cloned from the record, ten steps,
/// discount 0.9) fails because the rules are deterministic: what they never did has no weight. `CandidateEvaluatorTests`
/// repeats the table. A judgement of five candidates takes some 50 ms of one core, reading the record included.
///
/// Memory peaks within a minute show in the record only where replicas were killed. From the rules' record alone a policy
/// that runs memory close to its limit is judged too well; its own first episodes tell.
struct CandidateEvaluator {
    /// Recorded episodes that are replayed at most.
    static let episodesMax = 20
    /// Windows are this long: three episodes of 100 steps give the ten windows that a promotion must rest on.
    static let windowSteps = 25

    /// How a candidate compares with the rules on the same load, by what counts: the objective, and violations and kills
    /// as constraints beside it.
    struct PairedComparison: Sendable, Equatable {
        /// Means over the windows.
        var candidate: ReplayWindow
        var rules: ReplayWindow
        /// Standard errors of the differences, which are paired.
        var standardError: Double
        var violationsError: Double
        var windows: Int
        /// Share of steps that the owner lets miss the objective.
        var maxViolations: Double

        /// The candidate's value less the rules': 0.04 is about a tenth of the bill. Who keeps the service worse than the
        /// rules is no better, however cheap.
        var difference: Double {
            let value = candidate.value - rules.value
            return keepsTheService ? value : min(value, -standardError - 1e-6)
        }

        /// Neither more violations than the rules have, beyond noise and beyond what the owner allows, nor more kills.
        var keepsTheService: Bool {
            let violations = candidate.violations - rules.violations
            let isViolating = candidate.violations > maxViolations && violations > max(2 * violationsError, 0.002)
            return !isViolating && candidate.oomKills <= rules.oomKills
        }

        /// As it is kept with a model version and told in events.
        var figures: [String: Double] {
            [
                "judgedReward": candidate.reward, "judgedRulesReward": rules.reward, "judgedDifference": difference,
                "judgedError": standardError, "judgedWindows": Double(windows), "judgedBill": candidate.relativeBill,
                "judgedRulesBill": rules.relativeBill, "judgedViolations": candidate.violations,
                "judgedRulesViolations": rules.violations, "judgedOomKills": candidate.oomKills,
                "judgedRulesOomKills": rules.oomKills, "judgedChanges": candidate.changes,
                "judgedRulesChanges": rules.changes,
            ]
        }
    }

    private let replay: FittedReplay
    private let rules: [ReplayWindow]
    private let need: Double
    private let maxViolations: Double

    /// - Parameters:
    ///   - steps: consecutive recorded steps, oldest first.
    ///   - fixedCpu: the CPU limit that the owner configured.
    ///   - calibration: how the rules are set that candidates are compared with.
    /// - Returns: `nil` when the application cannot be identified from them, or they give fewer than ten windows.
    init?(_ steps: [RecordedStep], profile: Profile, fixedCpu: Int?, calibration: Calibration? = nil, seed: UInt64) {
        let window = max(1, min(Self.windowSteps, profile.episodeSteps))
        guard
            let replay = FittedReplay(
                steps, profile: profile, fixedCpu: fixedCpu, calibration: calibration, warmUpSteps: 2 * window, windowSteps: window, seed: seed),
            replay.windows >= Lifecycle.estimateWindowsMin
        else { return nil }
        self.replay = replay
        (rules, need) = replay.rules()
        maxViolations = profile.bill.maxViolations
    }

    /// Whether so many steps give the windows that a promotion must rest on.
    static func isEnough(_ steps: Int, _ profile: Profile) -> Bool {
        let window = max(1, min(windowSteps, profile.episodeSteps))
        return steps >= max(SystemIdentification.stepsMin, (Lifecycle.estimateWindowsMin + 2) * window)
    }

    /// Recorded steps that it rests on.
    var steps: Int { replay.steps }

    /// A policy after so many episodes of practice in the fitted simulator.
    func practise(_ policy: Policy, by algorithm: Profile.Algorithm, episodes: Int, seed: UInt64, isStopping: () -> Bool) -> Policy {
        replay.practise(policy, by: algorithm, episodes: episodes, seed: seed, isStopping: isStopping)
    }

    /// - Parameter thrift: what the policy is told in place of the owner's.
    func judge(_ policy: Policy, thrift: Double? = nil) -> PairedComparison {
        let windows = replay.policy(policy, thrift: thrift, need: need)
        return PairedComparison(
            candidate: windows.mean, rules: rules.mean, standardError: windows.standardError(\.value, against: rules),
            violationsError: windows.standardError(\.violations, against: rules), windows: windows.count, maxViolations: maxViolations)
    }
}

extension [ReplayWindow] {
    /// Standard error of the mean difference to `others`, window by window.
    func standardError(_ part: KeyPath<ReplayWindow, Double>, against others: [ReplayWindow]) -> Double {
        let differences = zip(self, others).map { $0[keyPath: part] - $1[keyPath: part] }
        let count = Double(differences.count)
        let mean = differences.reduce(0, +) / count
        let variance = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Swift.max(1, count - 1)
        return (variance / count).squareRoot()
    }

    /// Means, but for kills and changes, which are counted over all windows.
    var mean: ReplayWindow {
        var mean = ReplayWindow()
        let share = 1 / Double(Swift.max(1, count))
        for window in self {
            mean.value += window.value * share
            mean.reward += window.reward * share
            mean.relativeBill += window.relativeBill * share
            mean.violations += window.violations * share
            mean.oomKills += window.oomKills
            mean.changes += window.changes
        }
        return mean
    }
}

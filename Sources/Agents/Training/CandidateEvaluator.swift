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

    /// How a candidate compares with the rules: mean step reward (alpha form), the candidate's less the rules'.
    struct PairedComparison: Sendable, Equatable {
        var reward: Double
        var rulesReward: Double
        /// Standard error of the difference over the windows, which are paired.
        var standardError: Double
        var windows: Int

        var difference: Double { reward - rulesReward }

        /// As it is kept with a model version and told in events.
        var figures: [String: Double] {
            [
                "judgedReward": reward, "judgedRulesReward": rulesReward, "judgedDifference": difference,
                "judgedError": standardError, "judgedWindows": Double(windows),
            ]
        }
    }

    private let replay: FittedReplay
    private let rules: [Double]

    /// - Parameters:
    ///   - steps: consecutive recorded steps, oldest first.
    ///   - fixedCpu: the CPU limit that the rules keep.
    /// - Returns: `nil` when the application cannot be identified from them, or they give fewer than ten windows.
    init?(_ steps: [RecordedStep], profile: Profile, fixedCpu: Int?, seed: UInt64) {
        let window = max(1, min(Self.windowSteps, profile.episodeSteps))
        guard
            let replay = FittedReplay(
                steps, profile: profile, fixedCpu: fixedCpu, warmUpSteps: 2 * window, windowSteps: window, seed: seed),
            replay.windows >= Lifecycle.estimateWindowsMin
        else { return nil }
        self.replay = replay
        rules = replay.rules()
    }

    /// Whether so many steps give the windows that a promotion must rest on.
    static func isEnough(_ steps: Int, _ profile: Profile) -> Bool {
        let window = max(1, min(windowSteps, profile.episodeSteps))
        return steps >= max(SystemIdentification.stepsMin, (Lifecycle.estimateWindowsMin + 2) * window)
    }

    /// Recorded steps that it rests on.
    var steps: Int { replay.steps }

    /// A policy after so many episodes of practice in the fitted simulator.
    func practise(_ policy: Policy, episodes: Int, seed: UInt64) -> Policy {
        replay.practise(policy, episodes: episodes, seed: seed)
    }

    func judge(_ policy: Policy) -> PairedComparison {
        let rewards = replay.policy(policy)
        let differences = zip(rewards, rules).map { $0 - $1 }
        let count = Double(differences.count)
        let mean = differences.reduce(0, +) / count
        let variance = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
        return PairedComparison(
            reward: rewards.reduce(0, +) / count, rulesReward: rules.reduce(0, +) / count,
            standardError: (variance / count).squareRoot(), windows: differences.count)
    }
}

// Episode by episode: what a replay of its load says of the policy and of the rules, and how far that is from what was measured.

import Base
import Learning
import Scaling

extension ApplicationLearner {
    /// Episodes that a replay is fitted to. The last one is looked at, those before it fill the histories.
    private static let pairedEpisodes = 4

    /// Replays one episode under the rules and, if it acted, under the serving policy.
    /// - Parameter measured: what the episode was worth.
    /// - Returns: the pair, where the serving policy acted.
    mutating func pair(_ summary: EpisodeSummary, measured: Double?, _ source: LearningSource) throws -> PairedOutcome? {
        let profile = source.profile
        let isServed = summary.controller == .policy && lifecycle.stage == .serving
        guard let measured, isServed || summary.controller != .policy, recent.count >= Self.pairedEpisodes else { return nil }
        let before = try source.record(of: recent.suffix(Self.pairedEpisodes).dropLast())
        let own = try source.record(of: [summary.number])
        guard own.steps.count > 1,
            let replay = FittedReplay(
                before.steps + own.steps, profile: profile, fixedCpu: calibrated.configuredCpu ?? own.fixedCpu,
                calibration: calibrated.calibration, warmUpSteps: before.steps.count, windowSteps: own.steps.count,
                seed: UInt64(summary.number))
        else { return nil }
        let part: KeyPath<ReplayWindow, Double> = profile.goesByReward ? \.reward : \.value
        let (windows, need) = replay.rules()
        guard let rules = windows.last?[keyPath: part], rules.isFinite else { return nil }
        guard isServed else {
            agreement.rulesActed(measured: measured, replayed: rules)
            return nil
        }
        guard let replayed = replay.policy(learner.policy, thrift: calibrated.thrift, need: need).last?[keyPath: part],
            replayed.isFinite
        else { return nil }
        return agreement.policyActed(
            measured: measured, replayed: replayed, rules: rules,
            loss: profile.goesByReward ? Lifecycle.lostReward : Lifecycle.lostValue)
    }
}

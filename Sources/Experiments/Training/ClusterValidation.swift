// How candidates for the base policy are judged before anything is tested: unseen applications, training windows.

import Base
import ClusterModel
import Deciding
import Learning
import Scaling

/// What one policy did beside the calibrated rules on the validation applications, with one way to resize.
public struct ValidationScore: Sendable, Codable, Equatable {
    public var resize: String
    /// Mean step reward x 100.
    public var reward: Double
    public var referenceReward: Double
    /// Applications on which the policy's mean reward was the higher one, of `applications`.
    public var wins: Int
    public var applications: Int
    /// An hour of simulated time.
    public var oomKills: Double
    public var referenceOomKills: Double
    public var violationsPercent: Double
    public var referenceViolationsPercent: Double
    public var coreHours: Double
    public var referenceCoreHours: Double
    public var changes: Double
    public var referenceChanges: Double

    /// The goals: reward at least 1.03 times the rules', OOM kills and core-hours at most theirs, violations at most 0.8
    /// and changes at most 2 times. By how much the policy misses them together, as shares (of the reward ten times:
    /// all it can lack lies within a few percent); 0 when it reaches all of them.
    public var excess: Double {
        func over(_ value: Double, _ reference: Double, _ limit: Double) -> Double {
            max(0, value / max(reference, 1e-9) - limit)
        }
        return over(oomKills, referenceOomKills, 1) + over(violationsPercent, referenceViolationsPercent, 0.8)
            + over(coreHours, referenceCoreHours, 1) + over(changes, referenceChanges, 2)
            + 10 * max(0, 1.03 - reward / max(referenceReward, 1e-9))
    }
}

/// The validation of one training: its trials, and what the rules did on them.
public struct ClusterValidation: Sendable {
    private struct Mode: Sendable {
        let resize: Profile.Resize
        let trials: [[Trial]]
        let reference: [TrialResult]
    }

    private let modes: [Mode]

    /// Calibrates the reference for each application and plays it.
    /// - Parameters:
    ///   - traces: recorded loads; only their training part is used. Generated load is always one more source.
    ///   - windows: windows of each application and source.
    public init(
        applications: [SyntheticApplication] = SyntheticApplication.validation, traces: [LoadTrace], windows: Int = 2,
        modes: [Profile.Resize] = Profile.Resize.allCases, spread: ParallelFor = sequentially
    ) {
        self.modes = modes.map { resize in
            var calibration = Scenario(
                applications: applications, sources: traces.map { .trace($0) } + [.generated(name: "generated")],
                seed: 77)
            calibration.windows = windows
            calibration.dynamics.resize = resize
            var played = calibration
            played.seed = 78
            let trials = applications.indices.map { played.trials(application: $0, part: .training) }
            var reference = [TrialResult](repeating: TrialResult(), count: applications.count)
            reference.withUnsafeMutableBufferPointer { reference in
                spread(reference.count) { [calibration] index in
                    let known = calibration.trials(application: index, part: .training)
                    let setting = Arm.reference.calibrated(for: applications[index], on: known).setting
                    for trial in trials[index] { reference[index] += Arm.play(setting, trial) }
                }
            }
            return Mode(resize: resize, trials: trials, reference: reference)
        }
    }

    /// One score for each way to resize.
    public func score(_ policy: Policy, spread: ParallelFor = sequentially) -> [ValidationScore] {
        modes.map { mode in
            var results = [TrialResult](repeating: TrialResult(), count: mode.trials.count)
            results.withUnsafeMutableBufferPointer { results in
                spread(results.count) { index in
                    for trial in mode.trials[index] {
                        var controller = DecisionController(
                            policy: policy, profile: trial.profile)
                        results[index] += trial.run(&controller)
                    }
                }
            }
            let own = results.reduce(into: TrialResult()) { $0 += $1 }
            let reference = mode.reference.reduce(into: TrialResult()) { $0 += $1 }
            return ValidationScore(
                resize: mode.resize.rawValue, reward: own.r, referenceReward: reference.r,
                wins: zip(results, mode.reference).count { $0.r > $1.r }, applications: results.count,
                oomKills: own.oomKills / own.hours, referenceOomKills: reference.oomKills / reference.hours,
                violationsPercent: own.violationRate * 100, referenceViolationsPercent: reference.violationRate * 100,
                coreHours: own.coreHours, referenceCoreHours: reference.coreHours, changes: own.changes / own.hours,
                referenceChanges: reference.changes / reference.hours)
        }
    }

    /// Index of the candidate to take: the highest mean reward among those that keep to every goal, otherwise the one
    /// that exceeds them least. The first of equals.
    public static func best(of candidates: [[ValidationScore]]) -> Int? {
        func rank(_ scores: [ValidationScore]) -> (excess: Double, reward: Double) {
            (scores.reduce(0) { $0 + $1.excess }, scores.reduce(0) { $0 + $1.reward } / Double(max(scores.count, 1)))
        }
        return candidates.indices.max { first, second in
            let (a, b) = (rank(candidates[first]), rank(candidates[second]))
            if a.excess != b.excess { return a.excess > b.excess }
            return a.reward < b.reward || (a.reward == b.reward && first > second)
        }
    }
}

extension SyntheticApplication {
    /// Applications to choose among candidates by: 40 of the 800 training applications, never trained on.
    public static var validation: [SyntheticApplication] { Array(split(seed: 1).training.suffix(40)) }
}

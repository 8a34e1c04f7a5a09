// The arms of an evaluation by name, and how each is made for an application: as it comes, or calibrated.

import ClusterModel
import Scaling

/// A kind of controller. `make` is called once per trial; state does not pass from one trial to the next.
public struct Arm: Sendable {
    public let name: String
    /// One sentence on what it is and what it was calibrated to.
    public let summary: String
    /// Settings to choose from on training windows; empty when the arm has none.
    let candidates: @Sendable (SyntheticApplication) -> [Setting]
    /// Whether there is anything to choose from.
    public let needsCalibration: Bool
    /// How the chosen one is picked among the candidates' training results (in the candidates' order).
    let choose: @Sendable ([TrialResult]) -> Int

    /// One way to run the arm on an application.
    public struct Setting: Sendable {
        /// What was set, for the table: `target 0.55, cpu 1024m, memory +15 %`.
        public let label: String
        let make: @Sendable (Trial) -> any Controller

        public init(_ label: String, make: @escaping @Sendable (Trial) -> any Controller) {
            self.label = label
            self.make = make
        }
    }

    public init(
        name: String, summary: String, candidates: @escaping @Sendable (SyntheticApplication) -> [Setting],
        choose: @escaping @Sendable ([TrialResult]) -> Int = Arm.highestReward
    ) {
        self.name = name
        self.summary = summary
        self.candidates = candidates
        self.choose = choose
        needsCalibration = true
    }

    /// An arm without settings.
    public init(name: String, summary: String, make: @escaping @Sendable (Trial) -> any Controller) {
        self.name = name
        self.summary = summary
        candidates = { _ in [Setting("", make: make)] }
        choose = Arm.highestReward
        needsCalibration = false
    }

    /// The candidate with the best mean reward; the first of equals.
    public static let highestReward: @Sendable ([TrialResult]) -> Int = { results in
        results.indices.max { results[$0].r < results[$1].r || (results[$0].r == results[$1].r && $0 > $1) } ?? 0
    }

    /// The setting that does best on `trials`, with every candidate's result there (one, unplayed, without choice).
    public func calibrated(
        for application: SyntheticApplication, on trials: [Trial]
    ) -> (setting: Setting, chosen: Int, results: [TrialResult]) {
        let settings = candidates(application)
        guard settings.count > 1 else { return (settings[0], 0, []) }
        let results = settings.map { setting in
            trials.reduce(into: TrialResult()) { sum, trial in sum += Arm.play(setting, trial) }
        }
        let chosen = choose(results)
        return (settings[chosen], chosen, results)
    }

    /// Plays one trial with one setting.
    public static func play(
        _ setting: Setting, _ trial: Trial, observer: (StepOutcome) -> Void = { _ in }
    ) -> TrialResult {
        func run(_ controller: some Controller) -> TrialResult {
            var controller = controller
            return trial.run(&controller, observer: observer)
        }
        return run(setting.make(trial))
    }
}

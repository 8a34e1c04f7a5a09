// The runs behind rq2 and instability: applications that change while they are served.

import Agents
import ClusterModel
import Learning

/// Every application through every change, by every arm, on the same episodes.
struct ServingStudy: Sendable {
    static let rulesDefault = "rules, default (the paper's)"
    static let rulesCalibrated = "rules, calibrated"
    static let specialist = "specialist, no retraining"
    static let specialistRetrained = "specialist, retraining"
    static let base = "base policy, no retraining"
    static let baseRetrained = "AWARE (base policy, retraining)"
    static let converged = "converged"
    static let arms = [
        rulesDefault, rulesCalibrated, specialist, specialistRetrained, base, baseRetrained, converged,
    ]

    /// Shares of capacity before the change: twice the load must still fit.
    static let levels = 0.2...0.45
    /// Episodes of serving before the change.
    static let before = 20

    /// One application through one change.
    struct Unit: Sendable {
        let application: String
        let change: String
        /// Of each arm, in the order of `arms`, the episodes after the change.
        let after: [[TrialResult]]
        /// The specialist's on the same episodes without the change.
        let unchanged: TrialResult
        /// Episodes until the specialist's retraining ended for good; `nil` when it never began.
        let retrained: Int?
    }

    let units: [Unit]

    init(_ context: ExperimentContext) throws {
        let sizes = context.sizes
        // Not the applications of rq1.
        let applications = context.unseen.dropFirst(40).prefix(sizes.served)
        let schedules = applications.map { context.schedule($0, levels: Self.levels) }
        let specialists = try context.map("rq2: specialists", schedules.count) { index in
            (
                policy: Specialist.train(schedules[index], episodes: sizes.specialistEpisodes, seed: context.seed),
                rules: context.calibratedRules(schedules[index])
            )
        }
        let changes = Array(WorkloadUpdate.all.prefix(8))
        units = try context.map("rq2: changes", schedules.count * changes.count) { index in
            let (own, change) = (index / changes.count, changes[index % changes.count])
            return try Self.unit(
                context, schedules[own], change, specialist: specialists[own].policy, rules: specialists[own].rules)
        }
    }

    private static func unit(
        _ context: ExperimentContext, _ schedule: EpisodeSchedule, _ change: WorkloadUpdate, specialist: Policy, rules: Arm.Setting
    ) throws -> Unit {
        let sizes = context.sizes
        let changed = schedule.changed(by: change)
        let episodes = (before..<before + sizes.afterChange).map { changed.episode($0) }
        var retrained: Int?
        /// The served agent with `policy` on duty, which has settled before the change.
        func served(_ policy: Policy, watches: Bool) throws -> [TrialResult] {
            let agent = try ServedAgent(profile: schedule.application.profile, base: nil, seed: context.seed)
            try agent.promote(policy, to: .serving, held: false)
            for number in 0..<before { _ = try agent.live(schedule.episode(number)) }
            return try episodes.enumerated().map { number, trial in
                if watches, agent.stage != .serving { retrained = number + 1 }
                return try agent.live(trial)
            }
        }
        // Trained from the specialist to the end of a falling rate on the changed application.
        let relearned = Specialist.train(
            changed, from: specialist, episodes: sizes.specialistEpisodes / 3, start: 10_000, seed: context.seed &+ 1)
        let after = try arms.map { arm -> [TrialResult] in
            switch arm {
            case rulesDefault: episodes.map { play(.bothDefault, $0) }
            case rulesCalibrated: episodes.map { Arm.play(rules, $0) }
            case Self.specialist: episodes.map { Specialist.serve(specialist, $0) }
            case specialistRetrained: try served(specialist, watches: true)
            case base: episodes.map { Specialist.serve(context.base, $0) }
            case baseRetrained: try served(context.base, watches: false)
            default: episodes.map { Specialist.serve(relearned, $0) }
            }
        }
        let unchanged = (before..<before + 20).map { Specialist.serve(specialist, schedule.episode($0)) }.total
        return Unit(
            application: schedule.application.name, change: change.name, after: after, unchanged: unchanged,
            retrained: retrained)
    }

    /// An arm without settings.
    static func play(_ arm: Arm, _ trial: Trial) -> TrialResult {
        Arm.play(arm.candidates(trial.application)[0], trial)
    }
}

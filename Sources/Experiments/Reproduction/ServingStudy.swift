// The runs behind rq2 and instability: applications that change while they are served.

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

    init(_ laboratory: Laboratory) {
        let sizes = laboratory.sizes
        // Not the applications of rq1.
        let applications = laboratory.unseen.dropFirst(40).prefix(sizes.served)
        let courses = applications.map { laboratory.course($0, levels: Self.levels) }
        let specialists = laboratory.map("rq2: specialists", courses.count) { index in
            (
                policy: Apprentice.specialist(
                    courses[index], episodes: sizes.specialistEpisodes, seed: laboratory.seed),
                rules: laboratory.calibratedRules(courses[index])
            )
        }
        let changes = Array(WorkloadUpdate.all.prefix(8))
        units = laboratory.map("rq2: changes", courses.count * changes.count) { index in
            let (own, change) = (index / changes.count, changes[index % changes.count])
            return Self.unit(
                laboratory, courses[own], change, specialist: specialists[own].policy, rules: specialists[own].rules)
        }
    }

    private static func unit(
        _ laboratory: Laboratory, _ course: Course, _ change: WorkloadUpdate, specialist: Policy, rules: Arm.Setting
    ) -> Unit {
        let sizes = laboratory.sizes
        let changed = course.changed(by: change)
        let episodes = (before..<before + sizes.afterChange).map { changed.episode($0) }
        let embedding = laboratory.embedding(course)
        func settled(_ policy: Policy, _ embedding: [Float]) -> [Double] {
            (0..<before).map { Apprentice.serve(policy, course.episode($0), embedding: embedding).r }
        }
        var retrained: Int?
        func staged(_ policy: Policy, _ embedding: [Float], watches: Bool) -> [TrialResult] {
            var agent = StagedAgent(
                serving: Apprentice(adapting: policy, embedding: embedding, seed: laboratory.seed),
                settled: settled(policy, embedding))
            var results: [TrialResult] = []
            for (number, trial) in episodes.enumerated() {
                let stage = agent.stage
                results.append(agent.act(trial))
                if watches, stage == .online { retrained = number + 1 }
            }
            return results
        }
        // Trained from the specialist to the end of a falling rate on the changed application.
        var learner = Apprentice(
            specializing: specialist, episodes: sizes.specialistEpisodes / 3, seed: laboratory.seed &+ 1)
        for number in 0..<sizes.specialistEpisodes / 3 { _ = learner.learn(changed.episode(10_000 + number)) }
        let after = arms.map { arm -> [TrialResult] in
            switch arm {
            case rulesDefault: episodes.map { play(.bothDefault, $0) }
            case rulesCalibrated: episodes.map { Arm.play(rules, $0) }
            case Self.specialist: episodes.map { Apprentice.serve(specialist, $0) }
            case specialistRetrained: staged(specialist, [], watches: true)
            case base: episodes.map { Apprentice.serve(laboratory.base, $0, embedding: embedding) }
            case baseRetrained: staged(laboratory.base, embedding, watches: false)
            default: episodes.map { learner.serve($0) }
            }
        }
        let unchanged = (before..<before + 20).map { Apprentice.serve(specialist, course.episode($0)) }.total
        return Unit(
            application: course.application.name, change: change.name, after: after, unchanged: unchanged,
            retrained: retrained)
    }

    /// An arm without settings.
    static func play(_ arm: Arm, _ trial: Trial) -> TrialResult {
        Arm.play(arm.candidates(trial.application)[0], trial)
    }
}

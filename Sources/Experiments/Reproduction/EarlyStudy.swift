// The runs behind rq3: what an application lives through from its first episode on.

import Agents
import ClusterModel
import Deciding
import Learning

/// The first episodes of every application, by every arm, under the same loads.
struct EarlyStudy: Sendable {
    static let rulesDefault = "rules, default (the paper's)"
    static let rulesCalibrated = "rules, calibrated"
    static let fallback = "rules, fallback"
    static let none = "no bootstrapping"
    static let cloned = "bootstrapping, cloned from the rules"
    static let aware = "AWARE (bootstrapping, base policy)"
    static let converged = "converged"
    static let arms = [rulesDefault, rulesCalibrated, fallback, none, cloned, aware, converged]

    struct Unit: Sendable {
        /// Of each arm, in the order of `arms`, episode by episode.
        let results: [[TrialResult]]
        /// Episode in which the base policy first acted, and the one in which it first served for good.
        let firstActed: Int?
        let firstServed: Int?
    }

    let units: [Unit]

    init(_ context: ExperimentContext) throws {
        let sizes = context.sizes
        let schedules = context.unseen.dropFirst(60).prefix(sizes.bootstrapped).map { context.schedule($0) }
        units = try context.map("rq3: first episodes", schedules.count) { try Self.unit(context, schedules[$0]) }
    }

    private static func unit(_ context: ExperimentContext, _ schedule: EpisodeSchedule) throws -> Unit {
        let sizes = context.sizes
        let episodes = (0..<sizes.budget).map { schedule.episode($0) }
        let rules = context.calibratedRules(schedule)
        let specialist = Specialist.train(schedule, episodes: sizes.specialistEpisodes, seed: context.seed)
        let profile = schedule.application.profile
        var firstActed: Int?
        var firstServed: Int?
        func lives(_ agent: ServedAgent, watches: Bool = false, held: Bool = false) throws -> [TrialResult] {
            try episodes.enumerated().map { number, trial in
                if watches, agent.policy != nil, agent.stage != .offline, firstActed == nil { firstActed = number }
                if watches, agent.stage == .serving, firstServed == nil { firstServed = number }
                defer { if held, number == 0 { try? agent.hold(.online, true) } }
                return try agent.live(trial)
            }
        }
        let results = try arms.map { arm -> [TrialResult] in
            switch arm {
            case rulesDefault: episodes.map { ServingStudy.play(.bothDefault, $0) }
            case rulesCalibrated: episodes.map { Arm.play(rules, $0) }
            case fallback: episodes.map { $0.taughtByRules().result }
            case converged: episodes.map { Specialist.serve(specialist, $0) }
            case none:
                try lives(ServedAgent(profile: profile, base: nil, bootstraps: false, seed: context.seed), held: true)
            case cloned: try lives(ServedAgent(profile: profile, base: nil, seed: context.seed))
            default: try lives(ServedAgent(profile: profile, base: context.base, seed: context.seed), watches: true)
            }
        }
        return Unit(results: results, firstActed: firstActed, firstServed: firstServed)
    }

    static func index(_ arm: String) -> Int { arms.firstIndex(of: arm) ?? 0 }
}

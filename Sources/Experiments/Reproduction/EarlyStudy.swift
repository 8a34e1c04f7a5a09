// The runs behind rq3: what an application lives through from its first episode on.

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

    /// Episodes of the rules that a policy without a base is cloned from.
    static let clonedAfter = 50

    struct Unit: Sendable {
        /// Of each arm, in the order of `arms`, episode by episode.
        let results: [[TrialResult]]
        /// Episode in which the base policy first acted, and the one in which it first served for good.
        let firstActed: Int?
        let firstServed: Int?
    }

    let units: [Unit]

    init(_ laboratory: Laboratory) {
        let sizes = laboratory.sizes
        let courses = laboratory.unseen.dropFirst(60).prefix(sizes.bootstrapped).map { laboratory.course($0) }
        units = laboratory.map("rq3: first episodes", courses.count) { Self.unit(laboratory, courses[$0]) }
    }

    private static func unit(_ laboratory: Laboratory, _ course: Course) -> Unit {
        let sizes = laboratory.sizes
        let episodes = (0..<sizes.budget).map { course.episode($0) }
        let rules = laboratory.calibratedRules(course)
        let specialist = Apprentice.specialist(course, episodes: sizes.specialistEpisodes, seed: laboratory.seed)
        let untrained = Apprentice(
            adapting: Policy(shape: .cluster(), seed: laboratory.seed &+ 77), seed: laboratory.seed)
        var firstActed: Int?
        var firstServed: Int?
        let results = arms.map { arm -> [TrialResult] in
            switch arm {
            case rulesDefault: return episodes.map { ServingStudy.play(.bothDefault, $0) }
            case rulesCalibrated: return episodes.map { Arm.play(rules, $0) }
            case fallback: return episodes.map { $0.taughtByRules().result }
            case converged: return episodes.map { Apprentice.serve(specialist, $0) }
            case none:
                var agent = StagedAgent(exploring: untrained)
                return episodes.map { agent.act($0) }
            case cloned:
                var agent = StagedAgent(bootstrapping: untrained, clonesAfter: min(clonedAfter, sizes.budget / 4))
                return episodes.map { agent.act($0) }
            default:
                var agent = StagedAgent(
                    bootstrapping: Apprentice(
                        adapting: laboratory.base, embedding: laboratory.embedding(course), seed: laboratory.seed))
                return episodes.enumerated().map { number, trial in
                    if agent.stage != .offline, firstActed == nil { firstActed = number }
                    if agent.stage == .serving, firstServed == nil { firstServed = number }
                    return agent.act(trial)
                }
            }
        }
        return Unit(results: results, firstActed: firstActed, firstServed: firstServed)
    }

    static func index(_ arm: String) -> Int { arms.firstIndex(of: arm) ?? 0 }
}

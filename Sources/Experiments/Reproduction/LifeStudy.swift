// The runs behind lives: applications that the served agent stays with for days, undisturbed and through changes.

import Agents
import Base
import ClusterModel
import Learning
import Scaling

struct LifeStudy: Sendable {
    typealias Episodes = [ServedLife.Episode]

    /// One application, undisturbed.
    struct Unit: Sendable {
        let application: String
        let source: String
        /// With the base policy as first candidate; the third who plays is the base policy that never learns.
        let served: Episodes
        /// By the same learner without a base policy, for which there is nobody to compare with but the rules.
        let scratch: Episodes
    }

    /// A learner without a base policy in one application and from one seed.
    struct Learner: Sendable {
        let algorithm: Profile.Algorithm
        let seed: Int
        let episodes: Episodes
    }

    /// One application through one change.
    struct Change: Sendable {
        let name: String
        /// Whether a policy was on duty when it came.
        let wasServing: Bool
        /// Episodes until the policy on duty was another or none; `nil` when it stayed.
        let relieved: Int?
        let after: Episodes

        /// Mean gain of a run of episodes over the rules, as a value of the objective.
        private static func gain(_ episodes: ArraySlice<ServedLife.Episode>) -> Double { episodes.map(\.gain).mean }
        /// What the policy that was on duty lost against the rules before anybody could have noticed.
        var isHarmed: Bool { wasServing && Self.gain(after.prefix(LifeStudy.noticing)) < -LifeStudy.margin }
        var isRecovered: Bool { Self.gain(after.suffix(LifeStudy.settled)) >= -LifeStudy.margin }
        /// What was lost against the rules until the worst was over, in R.
        var cost: Double {
            let losses = after.map { ($0.rules.reward - $0.agent.reward) * 100 }
            var (sum, worst) = (0.0, 0.0)
            for loss in losses {
                sum += loss
                worst = max(worst, sum)
            }
            return worst
        }
    }

    /// A fortieth of the bill.
    static let margin = 0.01
    static let noticing = 3
    static let settled = 20
    /// Share of capacity that a load's peak has; twice the load must still fit.
    static let level = 0.4
    static let algorithms: [Profile.Algorithm] = [.ppo, .dqn, .ddpg, .reinforce]
    /// None, for comparison; the paper's changes; and a dependency that takes three times as long.
    static let changes = [WorkloadUpdate("no change")] + WorkloadUpdate.all + [WorkloadUpdate("slow-dependency", io: 3)]

    let units: [Unit]
    let learners: [Learner]
    let changed: [Change]

    init(_ context: ExperimentContext) throws {
        let sizes = context.sizes
        // Not the applications of the other experiments.
        let applications = Array(context.unseen.dropFirst(80).prefix(sizes.lives))
        units = try context.map("lives: undisturbed", applications.count) { index in
            let application = applications[index]
            let source = Self.source(context, index, steps: sizes.lifeEpisodes * 100)
            func live(_ base: Policy?) throws -> Episodes {
                let life = try ServedLife(
                    application, profile: application.profile, base: base, held: base, seed: context.seed &+ UInt64(index),
                    loads: Self.loads(of: application, source, steps: sizes.lifeEpisodes * 100, seed: context.seed &+ UInt64(index)))
                for _ in 0..<sizes.lifeEpisodes { try life.episode() }
                return life.episodes
            }
            return Unit(
                application: application.name, source: source.name, served: try live(context.base), scratch: try live(nil))
        }
        let learning = applications.prefix(sizes.learners)
        learners = try context.map("lives: learners", learning.count * sizes.learnerSeeds * Self.algorithms.count) { index in
            let (algorithm, rest) = (Self.algorithms[index % Self.algorithms.count], index / Self.algorithms.count)
            let (seed, application) = (rest % sizes.learnerSeeds, applications[rest / sizes.learnerSeeds])
            var profile = application.profile
            profile.algorithm = algorithm
            let life = try ServedLife(
                application, profile: profile, level: Self.level, base: nil, seed: context.seed &+ UInt64(1000 + rest))
            for _ in 0..<sizes.lifeEpisodes { try life.episode() }
            return Learner(algorithm: algorithm, seed: seed, episodes: life.episodes)
        }
        changed = try context.map("lives: changes", applications.count * Self.changes.count) { index in
            let (application, change) = (applications[index / Self.changes.count], Self.changes[index % Self.changes.count])
            let life = try ServedLife(
                application, profile: application.profile, level: Self.level, base: context.base,
                seed: context.seed &+ UInt64(2000 + index / Self.changes.count))
            for _ in 0..<sizes.lifeEpisodes / 2 { try life.episode() }
            let wasServing = life.stage == .serving
            let version = life.table.activePolicy(of: life.agent.id)?.version
            life.apply(change)
            var relieved: Int?
            for number in 1...sizes.lifeEpisodes / 2 {
                try life.episode()
                let active = life.table.activePolicy(of: life.agent.id)
                if relieved == nil, active?.stage != .serving || active?.version != version { relieved = number }
            }
            return Change(
                name: change.name, wasServing: wasServing, relieved: relieved,
                after: Array(life.episodes.suffix(sizes.lifeEpisodes / 2)))
        }
    }

    /// A trace that is long enough, or a generated load, application by application.
    private static func source(_ context: ExperimentContext, _ index: Int, steps: Int) -> LoadSource {
        let long = context.traces.filter { $0.subStepCount >= (steps + 1) * subSteps }.map(LoadSource.trace)
        let sources = long + [.generated(.drawn)]
        return sources[index % sources.count]
    }

    private static let subSteps = 12

    /// Step by step. A window without holes where the trace has one so long; from its beginning on a generated load.
    private static func loads(
        of application: SyntheticApplication, _ source: LoadSource, steps: Int, seed: UInt64
    ) -> () -> [Double] {
        var shape: [Double]?
        if case .trace(let trace) = source {
            shape = trace.windows(count: 1, steps: steps + 1, seed: seed).first
        }
        let window = LoadLevel.scale(
            shape ?? LoadGenerator.window(steps: steps + 1, seed: seed), to: level, of: application.capacity(profile: application.profile))
        var position = 0
        return {
            defer { position = (position + subSteps) % window.count }
            return Array(window[position..<position + subSteps])
        }
    }
}

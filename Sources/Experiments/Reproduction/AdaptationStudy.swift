// The runs behind rq1: from an application that is known to one that is not, by every kind of start.

import Agents
import Base
import ClusterModel
import Deciding
import Learning

/// What each arm did on each application that it had never seen. Every arm is the served agent with another policy put
/// on duty at the start, held in the stage in which it explores and learns.
struct AdaptationStudy: Sendable {
    /// Arms in the order of the table.
    static let scratch = "scratch"
    static let transfer = "TL"
    static let withoutMemory = "many-app, no memory"
    static let withMemory = "many-app"
    static let base = "AWARE (base policy)"

    /// Episodes between two examinations.
    static let checkEvery = 8
    /// Within so much of the goal an arm counts as adapted, in R.
    static let tolerance = 0.5
    /// Examinations in a row whose mean must reach it.
    static let patience = 3

    /// One arm on one application.
    struct Run: Sendable {
        var arm: String
        /// R of the greedy policy on held-out windows, before the first episode and after every `checkEvery`.
        var exams: [Double] = []
        /// CPU seconds until each examination, examinations left out.
        var seconds: [Double] = []
        /// What it did while it learned, episode by episode.
        var live: [TrialResult] = []
        var policies: [Policy] = []

        /// Examination at which `goal` is reached for good enough; `nil` when it never is.
        func reached(_ goal: Double) -> Int? {
            guard exams.count >= patience else { return nil }
            return (0...exams.count - patience).first {
                Array(exams[$0..<$0 + patience]).mean >= goal - tolerance
            }
        }
    }

    /// One application and all arms.
    struct Unit: Sendable {
        let source: String
        let target: String
        /// R of the target's own specialist, trained on it alone to the end.
        let specialist: Double
        /// R of the source's specialist on the target, and of the target's own on the same episodes: a switch.
        let switched: (foreign: Double, own: Double)
        let runs: [Run]
        /// Of TL's retraining, in episodes: the time over which deficits and violations are counted.
        let horizon: Int
        /// Over the horizon: learning until adapted, serving from then on.
        let horizonResults: [[TrialResult]]
        /// The specialist on the same episodes.
        let converged: [TrialResult]

        /// The best mean of the last examinations of any arm.
        var best: Double { runs.map { Array($0.exams.suffix(patience)).mean }.max() ?? 0 }
    }

    let units: [Unit]

    init(_ context: ExperimentContext) throws {
        let sizes = context.sizes
        let schedules = context.unseen.prefix(sizes.pairs).map { context.schedule($0) }
        let specialists = try context.map("rq1: specialists", schedules.count) { index in
            Specialist.train(schedules[index], episodes: sizes.specialistEpisodes, seed: context.seed)
        }
        let across = try context.acrossApplications(2)
        units = try context.map("rq1: adaptation", schedules.count) { index in
            let source = (index + schedules.count - 1) % schedules.count
            let starts: [(String, Policy)] = [
                (Self.scratch, Policy(shape: .cluster(), seed: context.seed &+ 77)),
                (Self.transfer, specialists[source]), (Self.withoutMemory, across[0]), (Self.withMemory, across[1]),
                (Self.base, context.base),
            ]
            return try Self.unit(
                context, schedules[index], from: schedules[source], starts: starts, own: specialists[index],
                foreign: specialists[source])
        }
    }

    private static func unit(
        _ context: ExperimentContext, _ schedule: EpisodeSchedule, from source: EpisodeSchedule,
        starts: [(arm: String, policy: Policy)], own: Policy, foreign: Policy
    ) throws -> Unit {
        let sizes = context.sizes
        let exam = schedule.exam(sizes.exam)
        let specialist = exam.map { Specialist.serve(own, $0) }.total.r
        let runs = try starts.map { start in
            try run(start.arm, start.policy, schedule, exam: exam, budget: sizes.budget, seed: context.seed)
        }
        let transfer = runs.first { $0.arm == Self.transfer }
        let horizon = max(1, transfer?.reached(specialist) ?? (sizes.budget / checkEvery)) * checkEvery
        let converged = (0..<horizon).map { Specialist.serve(own, schedule.episode($0)) }
        let switched = (0..<min(20, horizon)).map { Specialist.serve(foreign, schedule.episode($0)) }
        return Unit(
            source: source.application.name, target: schedule.application.name, specialist: specialist,
            switched: (switched.total.r, converged.prefix(switched.count).total.r), runs: runs, horizon: horizon,
            horizonResults: runs.map { results($0, goal: specialist, schedule, horizon: horizon) },
            converged: converged)
    }

    private static func run(
        _ arm: String, _ first: Policy, _ schedule: EpisodeSchedule, exam: [Trial], budget: Int, seed: UInt64
    ) throws -> Run {
        var run = Run(arm: arm)
        let agent = try ServedAgent(profile: schedule.application.profile, base: nil, seed: seed)
        try agent.promote(first, to: .online, held: true)
        func examine() {
            let policy = agent.policy ?? first
            run.exams.append(exam.map { Specialist.serve(policy, $0) }.total.r)
            run.seconds.append(agent.seconds)
            run.policies.append(policy)
        }
        examine()
        for number in 0..<budget {
            run.live.append(try agent.live(schedule.episode(number)))
            if (number + 1) % checkEvery == 0 { examine() }
        }
        return run
    }

    /// The first `horizon` episodes of an arm that stops learning once it is adapted.
    private static func results(
        _ run: Run, goal: Double, _ schedule: EpisodeSchedule, horizon: Int
    ) -> [TrialResult] {
        let check = run.reached(goal) ?? run.exams.count
        return (0..<min(horizon, run.live.count)).map { number in
            number < check * checkEvery
                ? run.live[number] : Specialist.serve(run.policies[check], schedule.episode(number))
        }
    }
}

extension ExperimentContext {
    /// The first `count` of two policies across applications, equally long trained: without a memory (what features and
    /// actions alone achieve), and with one.
    func acrossApplications(_ count: Int) throws -> [Policy] {
        try map("rq1: policies across applications", count) { index in
            var curriculum = ClusterCurriculum(
                applications: ClusterCurriculum.applications(
                    count: 2000, seed: 1000 &+ seed, excluding: SyntheticApplication.split(seed: 1).test))
            curriculum.traces = traces
            var options = ClusterTrainer.Options()
            if index == 0 { options.recurrentSize = 0 }
            options.episodes = 12 * sizes.specialistEpisodes
            var trainer = ClusterTrainer(curriculum: curriculum, options: options, seed: seed)
            trainer.run()
            return trainer.policy
        }
    }

    /// An application's embedding from five episodes in which the rules acted; empty without an encoder.
    func embedding(_ schedule: EpisodeSchedule) -> [Float] {
        guard let encoder else { return [] }
        return encoder.embed((0..<5).map { schedule.episode(2_000_000 + $0).taughtByRules().episode })
    }
}

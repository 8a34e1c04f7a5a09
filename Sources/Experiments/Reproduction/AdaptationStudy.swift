// The runs behind rq1: from an application that is known to one that is not, by every kind of start.

import ClusterModel
import Deciding
import Learning

/// What each arm did on each application that it had never seen.
struct AdaptationStudy: Sendable {
    /// Arms in the order of the table. `base` and its relatives come last.
    static let scratch = "scratch"
    static let transfer = "TL"
    static let transferPlus = "TL+"
    static let withoutMemory = "many-app, no memory, no context"
    static let withoutContext = "many-app, no context"
    static let withContext = "many-app with embedding"
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
        var embedding: [Float] = []

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
    /// Whether there is an encoder, and so an arm with embeddings.
    let hasContext: Bool

    init(_ laboratory: Laboratory) {
        let sizes = laboratory.sizes
        let applications = Array(laboratory.unseen.prefix(sizes.pairs))
        let courses = applications.map { laboratory.course($0) }
        let count = sizes.specialistEpisodes
        let specialists = laboratory.map("rq1: specialists", 2 * courses.count) { index in
            Apprentice.specialist(
                courses[index / 2], episodes: count, isExtended: index % 2 == 1, seed: laboratory.seed)
        }
        let hasContext = laboratory.encoder != nil
        self.hasContext = hasContext
        let across = laboratory.acrossApplications(hasContext ? 3 : 2)
        units = laboratory.map("rq1: adaptation", courses.count) { index in
            let source = (index + courses.count - 1) % courses.count
            var starts: [(String, Policy, [Float])] = [
                (Self.scratch, Policy(shape: .cluster(), seed: laboratory.seed &+ 77), []),
                (Self.transfer, specialists[2 * source], []), (Self.transferPlus, specialists[2 * source + 1], []),
                (Self.withoutMemory, across[0], []), (Self.withoutContext, across[1], []),
            ]
            if hasContext { starts.append((Self.withContext, across[2], laboratory.context(courses[index]))) }
            starts.append((Self.base, laboratory.base, laboratory.embedding(courses[index])))
            return Self.unit(
                laboratory, courses[index], from: courses[source], starts: starts,
                own: specialists[2 * index], foreign: specialists[2 * source])
        }
    }

    private static func unit(
        _ laboratory: Laboratory, _ course: Course, from source: Course,
        starts: [(arm: String, policy: Policy, embedding: [Float])], own: Policy, foreign: Policy
    ) -> Unit {
        let sizes = laboratory.sizes
        let exam = course.exam(sizes.exam)
        let specialist = exam.map { Apprentice.serve(own, $0) }.total.r
        let runs = starts.map { start in
            run(
                start.arm, Apprentice(adapting: start.policy, embedding: start.embedding, seed: laboratory.seed),
                course, exam: exam, budget: sizes.budget)
        }
        let transfer = runs.first { $0.arm == Self.transfer }
        let horizon = max(1, transfer?.reached(specialist) ?? (sizes.budget / checkEvery)) * checkEvery
        let converged = (0..<horizon).map { Apprentice.serve(own, course.episode($0)) }
        let switched = (0..<min(20, horizon)).map { Apprentice.serve(foreign, course.episode($0)) }
        return Unit(
            source: source.application.name, target: course.application.name, specialist: specialist,
            switched: (switched.total.r, converged.prefix(switched.count).total.r), runs: runs, horizon: horizon,
            horizonResults: runs.map { results($0, goal: specialist, course, horizon: horizon) },
            converged: converged)
    }

    private static func run(
        _ arm: String, _ first: Apprentice, _ course: Course, exam: [Trial], budget: Int
    ) -> Run {
        var run = Run(arm: arm)
        var apprentice = first
        run.embedding = first.embedding
        func examine() {
            run.exams.append(exam.map { apprentice.serve($0) }.total.r)
            run.seconds.append(apprentice.seconds)
            run.policies.append(apprentice.policy)
        }
        examine()
        for number in 0..<budget {
            run.live.append(apprentice.learn(course.episode(number)))
            if (number + 1) % checkEvery == 0 { examine() }
        }
        return run
    }

    /// The first `horizon` episodes of an arm that stops learning once it is adapted.
    private static func results(_ run: Run, goal: Double, _ course: Course, horizon: Int) -> [TrialResult] {
        let check = run.reached(goal) ?? run.exams.count
        return (0..<min(horizon, run.live.count)).map { number in
            number < check * checkEvery
                ? run.live[number]
                : Apprentice.serve(run.policies[check], course.episode(number), embedding: run.embedding)
        }
    }
}

extension Laboratory {
    /// The first `count` of three policies across applications, equally long trained: one with neither memory nor
    /// embedding (what features and actions alone achieve), one with a memory, one with a memory and embeddings.
    func acrossApplications(_ count: Int) -> [Policy] {
        map("rq1: policies across applications", count) { index in
            var curriculum = ClusterCurriculum(
                applications: ClusterCurriculum.applications(
                    count: 2000, seed: 1000 &+ seed, excluding: SyntheticApplication.split(seed: 1).test))
            curriculum.traces = traces
            var options = ClusterTrainer.Options()
            if index == 0 { options.recurrentSize = 0 }
            if index == 2 { options.encoder = encoder }
            options.episodes = 12 * sizes.specialistEpisodes
            var trainer = ClusterTrainer(curriculum: curriculum, options: options, seed: seed)
            trainer.run()
            return trainer.policy
        }
    }

    /// What the base policy reads of an application; empty for a policy without embeddings.
    func embedding(_ course: Course) -> [Float] { base.shape.embeddingSize > 0 ? context(course) : [] }

    /// An application's embedding from five episodes in which the rules acted; empty without an encoder.
    func context(_ course: Course) -> [Float] {
        guard let encoder else { return [] }
        return encoder.embed((0..<5).map { course.episode(2_000_000 + $0).taughtByRules().episode })
    }
}

// rq1: how fast an unseen application is adapted to (the paper's Figure 8).

import Base

/// Episodes, CPU time, deficits and violations of every arm relative to transfer from a single application.
enum AdaptationExperiment: Experiment {
    static let id = "rq1"

    private typealias Study = AdaptationStudy

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let study = try context.adaptationStudy()
        let sizes = context.sizes
        let arms = study.units.first?.runs.map(\.arm) ?? []
        var findings: [Finding] = []
        for (index, arm) in arms.enumerated() {
            let published = Self.published[arm]
            func episodes(_ goal: (Study.Unit) -> Double, _ run: (Study.Unit) -> Study.Run) -> [Double] {
                study.units.map { Double(run($0).reached(goal($0)).map { $0 * Study.checkEvery } ?? sizes.budget) }
            }
            func compare(_ name: String, _ value: (Study.Unit, Int) -> Double, paper: Double?) {
                findings.append(
                    Finding(
                        name, arm,
                        Bootstrap.ratio(
                            of: study.units.map { value($0, index) },
                            to: study.units.map { value($0, Self.transferIndex(arms)) }, seed: context.seed),
                        paper: paper))
            }
            let own = episodes(\.specialist) { $0.runs[index] }
            findings.append(
                Finding("episodes to the specialist's level", arm, Bootstrap.mean(of: own.map { [$0] }, seed: 1)))
            compare(
                "the same relative to TL",
                { unit, run in
                    Double(unit.runs[run].reached(unit.specialist).map { $0 * Study.checkEvery } ?? sizes.budget)
                }, paper: published?.episodes)
            findings.append(
                Finding(
                    "share that never got there", arm,
                    Bootstrap.mean(
                        of: study.units.map { [$0.runs[index].reached($0.specialist) == nil ? 1 : 0] }, seed: 1)))
            let best = episodes(\.best) { $0.runs[index] }
            findings.append(
                Finding("episodes to the best arm's level", arm, Bootstrap.mean(of: best.map { [$0] }, seed: 1)))
            compare("cpu time relative to TL", Self.seconds, paper: published?.cpuTime)
            compare(
                "cpu-utilisation deficit relative to TL", { Self.deficit($0, $1, \.cpu) }, paper: published?.cpu)
            compare(
                "memory-utilisation deficit relative to TL", { Self.deficit($0, $1, \.memory) },
                paper: published?.memory)
            compare(
                "violations over TL's retraining relative to TL", { $0.horizonResults[$1].total.violations },
                paper: published?.violations)
            compare("violations until adapted relative to TL", Self.violations, paper: nil)
            findings.append(
                Finding(
                    "R before adaptation", arm,
                    Bootstrap.mean(of: study.units.map { [$0.runs[index].exams[0]] }, seed: 1)))
            findings.append(
                Finding(
                    "R after \(sizes.budget) episodes", arm,
                    Bootstrap.mean(of: study.units.map { [Array($0.runs[index].exams.suffix(3)).mean] }, seed: 1)))
        }
        return ExperimentReport(
            id: id, title: "Adaptation to unseen applications", definitions: definitions(study, sizes),
            findings: findings, plots: [("rq1-adaptation", plot(study, arms))])
    }

    private static func transferIndex(_ arms: [String]) -> Int { arms.firstIndex(of: Study.transfer) ?? 0 }

    private static func seconds(_ unit: Study.Unit, _ run: Int) -> Double {
        let run = unit.runs[run]
        return run.seconds[run.reached(unit.specialist) ?? run.seconds.count - 1]
    }

    /// Steps over the objective in the episodes that the arm itself needs.
    private static func violations(_ unit: Study.Unit, _ run: Int) -> Double {
        let run = unit.runs[run]
        return run.live.prefix((run.reached(unit.specialist) ?? run.exams.count) * Study.checkEvery).total.violations
    }

    /// Sum over the horizon of what the specialist uses more.
    private static func deficit(_ unit: Study.Unit, _ run: Int, _ use: (TrialResult) -> Double) -> Double {
        zip(unit.horizonResults[run], unit.converged).reduce(0) { $0 + max(0, use($1.1) - use($1.0)) }
    }

    /// The paper's, as read from the figure.
    private static let published:
        [String: (episodes: Double, cpuTime: Double, cpu: Double, memory: Double, violations: Double)] = [
            Study.transfer: (1, 1, 1, 1, 1),
            Study.base: (0.183, 0.286, 0.198, 0.135, 0.126),
        ]

    private static func definitions(_ study: Study, _ sizes: ExperimentContext.Sizes) -> [String] {
        [
            "\(study.units.count) pairs of unseen applications. Every arm is the served agent, held in the stage that explores and "
                + "learns, with another policy on duty at the start; TL begins with one trained for "
                + "\(sizes.specialistEpisodes) episodes on the other application. \(sizes.budget) episodes at most, which count "
                + "when it is never reached.",
            "The paper's TL+ (more features) is no arm: the served agent has one state for all policies.",
            "Adapted: within \(Study.tolerance) R, in the mean of three examinations in a row (one every "
                + "\(Study.checkEvery) episodes, \(sizes.exam) held-out windows, greedy), of the application's own "
                + "specialist (trained on it alone for \(sizes.specialistEpisodes) episodes); second criterion: of "
                + "the best that any arm ends with.",
            "Deficits (sum of what the specialist uses more) and violations (steps over the objective) are counted "
                + "over the episodes that TL needs; an arm that is adapted earlier serves greedily from then on.",
            "CPU time is measured, so it is the one figure here that differs from run to run.",
            "The many-app arms were trained for \(12 * sizes.specialistEpisodes) episodes across 2,000 applications; the base "
                + "policy for more. Neither reads an embedding: what they know of an application is what their memory "
                + "(GRU) holds.",
        ]
    }

    private static func plot(_ study: Study, _ arms: [String]) -> Plot {
        Plot(
            title: "Greedy R on an unseen application", xLabel: "episodes of adaptation", yLabel: "R",
            lines: arms.enumerated().map { index, arm in
                let runs = study.units.map { $0.runs[index].exams }
                let points = (runs.first ?? []).indices.map { check in
                    (x: Double(check * Study.checkEvery), y: runs.map { $0[check] }.mean)
                }
                return Plot.Line(name: arm, points: points)
            }, levels: [("the specialists", study.units.map(\.specialist).mean)])
    }
}

// rq2: serving through changes of the workload, with and without retraining (the paper's Figure 9).

import Base
import ClusterModel

/// Reward, utilisations and violations relative to the rules.
enum ServingExperiment: Experiment {
    static let id = "rq2"

    private typealias Study = ServingStudy

    /// The paper's figures, relative to the rule-based baseline.
    private static let published: [String: [Double]] = [
        Study.rulesDefault: [1, 1, 1, 1], Study.specialist: [1.320, 1.497, 1.080, 3.18],
        Study.baseRetrained: [1.430, 1.640, 1.190, 1.06], Study.converged: [1.485, 1.720, 1.240, 0.60],
    ]

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let units = try context.servingStudy().units
        // Changes of one application are not independent of each other.
        let groups = Dictionary(grouping: units, by: \.application).sorted { $0.key < $1.key }.map(\.value)
        let rules = [(Study.rulesDefault, "default rules"), (Study.rulesCalibrated, "calibrated rules")]
        let measures: [(String, (TrialResult) -> Double)] = [
            ("reward", \.r), ("cpu utilisation", \.cpu), ("memory utilisation", \.memory),
            ("violations", \.violationRate),
        ]
        var findings: [Finding] = []
        for (index, arm) in Study.arms.enumerated() {
            func values(_ index: Int, _ measure: (TrialResult) -> Double) -> [Double] {
                groups.map { group in group.map { measure($0.after[index].total) }.mean }
            }
            func ratio(to other: String, _ measure: (TrialResult) -> Double) -> Estimate? {
                guard let reference = Study.arms.firstIndex(of: other) else { return nil }
                return Bootstrap.ratio(
                    of: values(index, measure), to: values(reference, measure), seed: context.seed)
            }
            findings.append(
                Finding("R", arm, Bootstrap.mean(of: values(index, \.r).map { [$0] }, seed: context.seed)))
            for (other, name) in rules {
                for (position, (label, measure)) in measures.enumerated() {
                    findings.append(
                        Finding(
                            "\(label) relative to the \(name)", arm, ratio(to: other, measure),
                            paper: other == Study.rulesDefault ? published[arm]?[position] : nil))
                }
            }
            findings.append(
                Finding(
                    "reward relative to converged", arm, ratio(to: Study.converged, \.r),
                    paper: [Study.baseRetrained: 0.964, Study.specialist: 0.889, Study.converged: 1][arm]))
        }
        if let frozen = Study.arms.firstIndex(of: Study.specialist),
            let retrained = Study.arms.firstIndex(of: Study.specialistRetrained)
        {
            for change in WorkloadUpdate.all.prefix(8) {
                let gains = units.filter { $0.change == change.name }.map {
                    [$0.after[retrained].total.r - $0.after[frozen].total.r]
                }
                findings.append(
                    Finding(
                        "\(change.name): R with retraining less R without", Study.specialist,
                        Bootstrap.mean(of: gains, seed: context.seed)))
            }
        }
        return ExperimentReport(
            id: id, title: "Serving through changes of the workload", definitions: definitions(context.sizes),
            findings: findings, plots: [("rq2-after-change", plot(units))])
    }

    private static func definitions(_ sizes: ExperimentContext.Sizes) -> [String] {
        [
            "\(sizes.served) unseen applications x the eight changes of the paper's Figure 3, as factors on work, I/O, "
                + "memory and load; means over the \(sizes.afterChange) episodes after the change.",
            "Loads before the change peak at \(Study.levels.lowerBound) to \(Study.levels.upperBound) of capacity. The "
                + "specialist was trained on the application alone, before the change, for "
                + "\(sizes.specialistEpisodes) episodes; converged: then for \(sizes.specialistEpisodes / 3) more on "
                + "the changed application, serving greedily.",
            "The retraining arms are the served agent with that policy promoted, \(Study.before) episodes before the change: its "
                + "own lifecycle decides when it leaves serving, its judge which update acts.",
            "A violation is a step whose p99 is over the objective. The default rules are HPA at 0.8 and VPA on both "
                + "resources; the calibrated ones HPA and VPA on memory, swept before the change.",
        ]
    }

    /// Mean R over ten episodes, mean over everything.
    private static func plot(_ units: [Study.Unit]) -> Plot {
        Plot(
            title: "After a change of the workload", xLabel: "episodes after the change", yLabel: "R, mean of ten",
            lines: Study.arms.enumerated().map { index, arm in
                let curves = units.map { $0.after[index].map(\.r) }
                return Plot.Line(name: arm, points: Curve.smoothed(Curve.mean(curves), window: 10))
            })
    }
}

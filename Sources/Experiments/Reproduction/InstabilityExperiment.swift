// instability: what changes and switches do to a specialist (the paper's Figures 3 and 4 and its characterisation).

import ClusterModel

/// Reward drops and retraining times of specialists, and how early training compares with the rules.
enum InstabilityExperiment: Experiment {
    static let id = "instability"

    /// The paper's: reward drop in percent, and retraining episodes, by change.
    private static let published: [String: (drop: Double, episodes: Double)] = [
        "file-size": (12.8, 60), "table-size": (15.6, 55), "ml-model": (19.1, 64), "fp-operations": (19.6, 76),
        "image-size": (18.7, 72), "text-size": (17.2, 65), "load-high-to-low": (19.9, 88),
        "load-low-to-high": (21.8, 97),
    ]
    /// Early training relative to the rules, by hundreds of episodes: cpu, memory (percent), violations (factor).
    private static let early: [(cpu: Double, memory: Double, violations: Double)] = [
        (-32.3, -28.8, 56.1), (-42.9, -30.5, 22.2), (-22.1, -26.5, 12.7), (-10.0, -7.8, 10.1),
    ]

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let serving = try context.servingStudy().units
        let adaptation = try context.adaptationStudy().units
        let first = try context.earlyStudy().units
        let seed = context.seed
        var findings: [Finding] = []
        guard let specialist = ServingStudy.arms.firstIndex(of: ServingStudy.specialist) else {
            preconditionFailure("the study has a specialist")
        }
        for change in WorkloadUpdate.all.prefix(8) {
            let units = serving.filter { $0.change == change.name }
            let paper = published[change.name]
            findings.append(
                Finding(
                    "\(change.name): reward drop, %", "specialist",
                    Bootstrap.mean(
                        of: units.map { unit in
                            let after = Array(unit.after[specialist].prefix(20)).total.r
                            return [100 * (1 - after / unit.unchanged.r)]
                        }, seed: seed), paper: paper?.drop))
            findings.append(
                Finding(
                    "\(change.name): retraining episodes", "specialist",
                    Bootstrap.mean(of: units.map { [Double($0.retrained ?? 0)] }, seed: seed), paper: paper?.episodes))
        }
        findings.append(
            Finding(
                "other application: reward drop, %", "specialist",
                Bootstrap.mean(
                    of: adaptation.map { [100 * (1 - $0.switched.foreign / $0.switched.own)] }, seed: seed),
                paper: 45.6))
        findings.append(
            Finding(
                "other application: retraining episodes", "specialist (TL)",
                Bootstrap.mean(of: adaptation.map { [Double($0.horizon)] }, seed: seed), paper: 230))
        findings += earlyFindings(first, seed: seed)
        return ExperimentReport(
            id: id, title: "Instability of specialists", definitions: definitions(context.sizes),
            findings: findings, plots: [])
    }

    private static func earlyFindings(_ units: [EarlyStudy.Unit], seed: UInt64) -> [Finding] {
        let (none, rules) = (EarlyStudy.index(EarlyStudy.none), EarlyStudy.index(EarlyStudy.rulesDefault))
        let length = units.first?.results[none].count ?? 0
        return early.enumerated().flatMap { hundred, paper -> [Finding] in
            let range = hundred * length / 4..<(hundred + 1) * length / 4
            let name = "episodes \(range.lowerBound + 1) to \(range.upperBound), against default rules: "
            func ratio(_ measure: (TrialResult) -> Double) -> Estimate? {
                Bootstrap.ratio(
                    of: units.map { measure(Array($0.results[none][range]).total) },
                    to: units.map { measure(Array($0.results[rules][range]).total) }, seed: seed)
            }
            func percent(_ estimate: Estimate?) -> Estimate? {
                estimate.map {
                    Estimate(mean: 100 * ($0.mean - 1), low: 100 * ($0.low - 1), high: 100 * ($0.high - 1))
                }
            }
            let isWhole = length == 400
            return [
                Finding(name + "cpu, %", "no bootstrapping", percent(ratio(\.cpu)), paper: isWhole ? paper.cpu : nil),
                Finding(
                    name + "memory, %", "no bootstrapping", percent(ratio(\.memory)),
                    paper: isWhole ? paper.memory : nil),
                Finding(
                    name + "violations, factor", "no bootstrapping", ratio(\.violationRate),
                    paper: isWhole ? paper.violations : nil),
            ]
        }
    }

    private static func definitions(_ sizes: ExperimentContext.Sizes) -> [String] {
        [
            "Drop: mean R of the 20 episodes after the change against the same loads without it, greedy and without "
                + "retraining. Retraining episodes: from the change to the last episode of retraining, 0 where the "
                + "detector found nothing to retrain; at most \(sizes.afterChange). The runs are those of rq2.",
            "Other application: a specialist serves an application that it was not trained on, against that "
                + "application's own (20 episodes); retraining as TL in rq1.",
            "Early training: PPO from random weights in rq3, against default HPA and VPA on the same episodes. The "
                + "paper's rules violate in 5 of 100 episodes; ours, in share of steps, are in rq3.",
        ]
    }
}

// rq3: the first episodes, with and without bootstrapping (the paper's Figure 10 and its characterisation).

import Base

/// Means over the first episodes relative to the rules, and the worst stretch of fifty.
enum BootstrappingExperiment: Experiment {
    static let id = "rq3"

    private typealias Study = EarlyStudy

    /// The paper's figures, relative to the rule-based baseline: reward, cpu, memory, violations.
    private static let published: [String: [Double]] = [
        Study.rulesDefault: [1, 1, 1, 1], Study.none: [0.868, 0.994, 0.719, 17.2],
        Study.aware: [1.281, 1.471, 1.060, 1.02], Study.converged: [1.485, 1.720, 1.240, 0.60],
    ]
    /// Episodes of the stretch that must not be below the rules.
    static let stretch = 50

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let units = try context.earlyStudy().units
        let seed = context.seed
        let measures: [(String, (TrialResult) -> Double)] = [
            ("reward", \.r), ("cpu utilisation", \.cpu), ("memory utilisation", \.memory),
            ("violations", \.violationRate),
        ]
        let rules = [(Study.rulesDefault, "default rules"), (Study.rulesCalibrated, "calibrated rules")]
        var findings: [Finding] = []
        for (index, arm) in Study.arms.enumerated() {
            findings.append(
                Finding("R", arm, Bootstrap.mean(of: units.map { [$0.results[index].total.r] }, seed: seed)))
            for (other, name) in rules {
                for (position, (label, measure)) in measures.enumerated() {
                    findings.append(
                        Finding(
                            "\(label) relative to the \(name)", arm,
                            Bootstrap.ratio(
                                of: units.map { measure($0.results[index].total) },
                                to: units.map { measure($0.results[Study.index(other)].total) }, seed: seed),
                            paper: other == Study.rulesDefault ? published[arm]?[position] : nil))
                }
            }
            for (other, name) in rules + [(Study.fallback, "fallback rules")] where other != arm {
                let differences = units.map { lowest($0, index, Study.index(other)) }
                findings.append(
                    Finding(
                        "lowest \(stretch)-episode mean less the \(name)', R", arm,
                        Bootstrap.mean(of: differences.map { [$0] }, seed: seed)))
                let least = differences.min() ?? 0
                findings.append(
                    Finding(
                        "the same less the \(name)', worst application", arm,
                        Estimate(mean: least, low: least, high: least)))
            }
        }
        return ExperimentReport(
            id: id, title: "Early training with and without bootstrapping",
            definitions: definitions(units, context.sizes), findings: findings,
            plots: [("rq3-first-episodes", plot(units))])
    }

    /// The smallest mean difference to other rules on the same `stretch` episodes.
    private static func lowest(_ unit: Study.Unit, _ arm: Int, _ rules: Int) -> Double {
        let differences = zip(unit.results[arm], unit.results[rules]).map { $0.r - $1.r }
        return Curve.windows(differences, stretch).min() ?? 0
    }

    private static func definitions(_ units: [Study.Unit], _ sizes: ExperimentContext.Sizes) -> [String] {
        let acted = units.compactMap(\.firstActed).map(Double.init)
        let served = units.compactMap(\.firstServed).map(Double.init)
        return [
            "\(units.count) unseen applications, their first \(sizes.budget) episodes of 100 steps, exploration "
                + "included; every arm under the same loads and noise, behind the guards.",
            "AWARE: the served agent. The fallback (HPA at 0.7, VPA on memory) acts until the judge finds the base policy not "
                + "below it; it first acted in episode \(format(acted.mean)), first served in episode "
                + "\(format(served.mean)) (\(served.count) of \(units.count) applications), counted from 0.",
            "Cloned: the served agent without a base policy, whose first candidate is cloned from the rules' episodes. No "
                + "bootstrapping: the served agent without a base policy and with `bootstrap: false`, held in the stage in which "
                + "it explores, from random weights: left alone the lifecycle would soon give the rules their duty back.",
            "Converged: trained on the application alone for \(sizes.specialistEpisodes) episodes, then greedy.",
            "The paper's rule-based arm is HPA at 0.8 and VPA on both resources by default. A violation is a step whose "
                + "p99 is over the objective.",
        ]
    }

    private static func format(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    private static func plot(_ units: [Study.Unit]) -> Plot {
        Plot(
            title: "The first episodes", xLabel: "episode", yLabel: "R, mean of ten",
            lines: Study.arms.enumerated().map { index, arm in
                let curves = units.map { $0.results[index].map(\.r) }
                return Plot.Line(name: arm, points: Curve.smoothed(Curve.mean(curves), window: 10))
            })
    }
}

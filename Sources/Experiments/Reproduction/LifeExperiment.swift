// lives: what learning in service is worth over days, and what changes of the workload cost; not an experiment of the paper.

import Base
import ClusterModel
import Scaling

enum LifeExperiment: Experiment {
    static let id = "lives"

    private typealias Study = LifeStudy
    /// The last 1,000 steps.
    private static let last = 10

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let study = try Study(context)
        return ExperimentReport(
            id: id, title: "Whole lives: learning in service, and changes", definitions: definitions(study, context.sizes),
            findings: ends(study, context.seed) + learners(study, context.seed) + changes(study, context.seed),
            plots: [("lives-learners", plot(study)), ("lives-changes", changePlot(study))])
    }

    // MARK: Undisturbed

    private static func ends(_ study: Study, _ seed: UInt64) -> [Finding] {
        var findings: [Finding] = []
        func add(_ arm: String, _ name: String, _ value: (Study.Unit) -> Double) {
            findings.append(Finding(name, arm, Bootstrap.mean(of: study.units.map { [value($0)] }, seed: seed)))
        }
        let arms: [(String, (Study.Unit) -> [ServedLife.Means])] = [
            ("service", { $0.served.suffix(last).map(\.agent) }), ("from scratch", { $0.scratch.suffix(last).map(\.agent) }),
            ("base policy, held", { $0.served.suffix(last).map { $0.played[2] } }), ("calibrated rules", { $0.served.suffix(last).map(\.rules) }),
        ]
        for (arm, means) in arms {
            add(arm, "R") { means($0).map(\.reward).mean * 100 }
            add(arm, "value") { means($0).map(\.value).mean }
            add(arm, "missed objectives, %") { means($0).map(\.violations).mean * 100 }
            add(arm, "bill, of the base policy's") { unit in
                means(unit).reduce(0) { $0 + $1.bill } / arms[2].1(unit).reduce(0) { $0 + $1.bill }
            }
            add(arm, "OOM kills in all") { means($0).reduce(0) { $0 + $1.kills } * 100 }
        }
        for (name, measure) in [("R", { $0.reward * 100 }), ("value", \.value)] as [(String, (ServedLife.Means) -> Double)] {
            func gains(_ unit: Study.Unit, _ means: (Study.Unit) -> [ServedLife.Means]) -> [Double] {
                zip(means(unit), arms[2].1(unit)).map { measure($0) - measure($1) }
            }
            for (arm, means) in arms.prefix(2) {
                add(arm, "\(name) less the base policy's") { gains($0, means).mean }
                add(arm, "\(name): share better") { gains($0, means).mean > 0 ? 1 : 0 }
                add(arm, "\(name): share worse beyond noise") { unit in
                    let gains = gains(unit, means)
                    return gains.mean + 2 * gains.deviation / Double(gains.count).squareRoot() < 0 ? 1 : 0
                }
            }
        }
        return findings
    }

    // MARK: Learners

    private static func learners(_ study: Study, _ seed: UInt64) -> [Finding] {
        Study.algorithms.flatMap { algorithm in
            let curves = study.learners.filter { $0.algorithm == algorithm }
            return [
                Finding(
                    "value less the rules', last 1,000 steps, without a base policy", algorithm.rawValue,
                    Bootstrap.mean(of: curves.map { $0.episodes.suffix(last).map(\.gain) }, seed: seed)),
                Finding(
                    "R, last 1,000 steps, without a base policy", algorithm.rawValue,
                    Bootstrap.mean(of: curves.map { $0.episodes.suffix(last).map { $0.agent.reward * 100 } }, seed: seed)),
            ]
        }
    }

    private static func plot(_ study: Study) -> Plot {
        func smoothed(_ curves: [Study.Learner]) -> [(x: Double, y: Double)] {
            Curve.smoothed(Curve.mean(curves.map { $0.episodes.map(\.gain) }), window: 10)
        }
        let seeds = Set(study.learners.map(\.seed)).sorted()
        return Plot(
            title: "Every learner without a base policy", xLabel: "episodes of 100 steps",
            yLabel: "value of a step less the rules', mean of ten episodes",
            lines: Study.algorithms.map { algorithm in
                Plot.Line(name: algorithm.rawValue, points: smoothed(study.learners.filter { $0.algorithm == algorithm }))
            }
                + Study.algorithms.flatMap { algorithm in
                    seeds.map { seed in
                        Plot.Line(
                            name: "\(algorithm.rawValue), seed \(seed + 1)",
                            points: smoothed(study.learners.filter { $0.algorithm == algorithm && $0.seed == seed }), isFaint: true)
                    }
                }, levels: [("calibrated rules", 0)])
    }

    // MARK: Changes

    private static func changes(_ study: Study, _ seed: UInt64) -> [Finding] {
        var findings: [Finding] = []
        let names = Study.changes.map(\.name)
        for name in names + ["all changes"] {
            let lives = study.changed.filter { names.contains(name) ? $0.name == name : $0.name != names[0] }
            let harmed = lives.filter(\.isHarmed)
            func add(_ label: String, _ values: [Double]) {
                findings.append(Finding(label, name, Bootstrap.mean(of: values.map { [$0] }, seed: seed)))
            }
            add("share with a policy on duty", lives.map { $0.wasServing ? 1 : 0 })
            add("R lost against the rules until the worst was over", lives.map(\.cost))
            add("share recovered", lives.map { $0.isRecovered ? 1 : 0 })
            add("of those on duty, share that the change made worse than the rules", lives.filter(\.wasServing).map { $0.isHarmed ? 1 : 0 })
            add("of these, episodes until the policy was relieved", harmed.compactMap { $0.relieved.map(Double.init) })
            add("of these, share never relieved", harmed.map { $0.relieved == nil ? 1 : 0 })
        }
        return findings
    }

    private static func changePlot(_ study: Study) -> Plot {
        Plot(
            title: "After a change", xLabel: "episodes after the change", yLabel: "value of a step less the rules', mean of five episodes",
            lines: Study.changes.map { change in
                let lives = study.changed.filter { $0.name == change.name }
                return Plot.Line(name: change.name, points: Curve.smoothed(Curve.mean(lives.map { $0.after.map(\.gain) }), window: 5))
            }, levels: [("calibrated rules", 0)])
    }

    private static func definitions(_ study: Study, _ sizes: ExperimentContext.Sizes) -> [String] {
        let sources = Set(study.units.map(\.source)).sorted().joined(separator: ", ")
        return [
            "\(study.units.count) unseen applications, \(sizes.lifeEpisodes * 100) steps each without a break, with the default profile, under "
                + "\(sources). Service: with the base policy as first candidate; from scratch: without one. Both are compared, over the "
                + "last \(last * 100) steps, with the base policy that acts from the first step on and never learns, and with the rules "
                + "as they are calibrated in the same life, all under the same load.",
            "Value: what a step costs by the objective, negative; 0.04 is a tenth of the bill. Worse beyond noise: by more than twice the "
                + "standard error of the last \(last) episodes' differences.",
            "Learners: \(sizes.learners) applications x \(sizes.learnerSeeds) seeds, generated loads, no base policy.",
            "Changes: each application through \(Study.changes.count - 1) changes, and none, after \(sizes.lifeEpisodes / 2) episodes of service. Harmed: more than "
                + "\(Study.margin) of value below the rules in the first \(Study.noticing) episodes after it; recovered: less than that "
                + "below them in the last \(Study.settled). R is per 100 steps.",
        ]
    }
}

// The plots of `aware evaluate`: learning curves, and every workload's rewards against the reference's.

import Foundation
import ClusterModel
import Experiments

struct EvaluationPlots {
    let report: EvaluationReport
    let curves: [LearningCurve]

    /// Writes `workloads.svg`, and `learning.svg` when something was trained. The folder is made if needed.
    func write(to folder: String) throws {
        let base = URL(fileURLWithPath: folder)
        try Data(workloads().svg.utf8).write(to: base.appendingPathComponent("workloads.svg"))
        if !curves.isEmpty { try Data(learning().svg.utf8).write(to: base.appendingPathComponent("learning.svg")) }
    }

    /// One point a workload and arm: above the diagonal the arm was better than the reference. The ceiling and the
    /// best other arms are shown, not all: twelve clouds would hide each other.
    func workloads() -> Plot {
        let others = report.arms.filter { $0.name != report.reference }.sorted { $0.reward.mean > $1.reward.mean }
        let shown = Array(others.prefix(4).map(\.name))
        let references = report.workloads.compactMap { $0.rewards[report.reference] }
        let ends = [references.min() ?? 0, references.max() ?? 1]
        var lines = shown.map { arm in
            Plot.Line(
                name: arm,
                points: report.workloads.compactMap { workload in
                    guard let x = workload.rewards[report.reference], let y = workload.rewards[arm] else { return nil }
                    return (x: x, y: y)
                }, isScatter: true)
        }
        lines.append(Plot.Line(name: "equal", points: ends.map { (x: $0, y: $0) }, isFaint: true))
        return Plot(
            title: "Reward of each workload", xLabel: "mean step reward of \(report.reference)",
            yLabel: "mean step reward", lines: lines)
    }

    /// Reward while exploring, with the reference's as a level.
    func learning() -> Plot {
        let reference = report.arms.first { $0.name == report.reference }.map { ($0.name, $0.reward.mean) }
        return Plot(
            title: "Training across applications", xLabel: "episodes", yLabel: "mean step reward",
            lines: curves.map { curve in
                Plot.Line(name: curve.arm, points: zip(curve.episodes, curve.reward).map { (x: Double($0), y: $1) })
            }, levels: reference.map { [(name: $0.0, y: $0.1)] } ?? [])
    }
}

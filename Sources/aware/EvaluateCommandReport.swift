// What `aware evaluate` prints: a table for people, one JSON document for programs.

import Foundation
import Scaling
import ClusterModel
import Experiments

/// The table. Rewards and shares are in percent, which makes a mean step reward the R of an episode of 100 steps.
struct EvaluationTable {
    private let report: EvaluationReport
    private let scenario: Scenario
    private let arms: [Arm]
    private let isComplete: Bool

    init(_ report: EvaluationReport, scenario: Scenario, arms: [Arm], isComplete: Bool) {
        self.report = report
        self.scenario = scenario
        self.arms = arms
        self.isComplete = isComplete
    }

    private static let columns = [
        "arm", "R", "95 % interval", "- reference", "95 % interval", "cpu", "mem", "viol %", "SP", "OOM/h", "rest/h",
        "chg/h", "rev/h", "core-h", "GiB-h", "wins", "gap %",
    ]

    func text() -> String {
        var rows = [Self.columns]
        for arm in report.arms {
            rows.append([
                arm.name, f(arm.reward.mean * 100), range(arm.reward), signed(arm.difference.mean * 100),
                range(arm.difference), f(arm.cpuUtilization * 100, 1), f(arm.memoryUtilization * 100, 1),
                f(arm.sloViolationRate * 100), f(arm.sloPreservation * 100), f(arm.oomKills), f(arm.restarts, 1),
                f(arm.changes, 1), f(arm.reversals, 1), f(arm.coreHours, 0), f(arm.gibHours, 0),
                "\(arm.wins)/\(report.applications.count)", arm.gapClosed.map { f($0 * 100, 0) } ?? "-",
            ])
        }
        var lines = [TextTable.text(rows)]
        lines.append("")
        lines += notes()
        return lines.joined(separator: "\n")
    }

    private func notes() -> [String] {
        var lines = [
            "reference: \(report.reference). \(report.applications.count) applications x "
                + "\(scenario.sources.count) loads x \(scenario.windows) windows of \(scenario.steps) steps, "
                + "resize \(scenario.dynamics.resize.rawValue), level "
                + (scenario.fixedLevel.map { "\($0)" } ?? "log-uniform 0.15...0.9") + " of capacity"
                + (scenario.dynamics.metricsLagSteps > 1 ? ", metrics two steps behind" : "")
                + (scenario.missing.map { ", without \($0.rawValue)" } ?? "")
                + (scenario.update.map { ", \($0.name) after a third" } ?? "")
                + (scenario.outagesPerHour > 0 ? ", \(scenario.outagesPerHour) outages of metrics an hour." : "."),
            "calibration swept \(CalibrationGrid.summary), on training windows.",
        ]
        if !isComplete { lines.append("stopped early: only applications that every arm has played are counted.") }
        let beaten = report.workloads.filter { !$0.beatCeiling.isEmpty }
        if !beaten.isEmpty {
            lines.append("better than the ceiling on \(beaten.count) of \(report.workloads.count) workloads:")
            for workload in beaten.prefix(10) {
                lines.append(
                    "  \(workload.application) under \(workload.source): \(workload.beatCeiling.joined(separator: ", "))"
                )
            }
        }
        let played = Set(report.arms.map(\.name))
        return lines + arms.filter { played.contains($0.name) }.map { "\($0.name): \($0.summary)." }
    }

    private func f(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
    private func signed(_ value: Double) -> String { String(format: "%+.2f", value) }
    private func range(_ estimate: Estimate) -> String {
        String(format: "%.2f...%.2f", estimate.low * 100, estimate.high * 100)
    }
}

/// The JSON document of `--json`. Rates are per hour of simulated time, rewards and shares 0..1.
struct EvaluationJSON: Encodable {
    struct Item: Encodable {
        let name: String
        let reward: Double
        let rewardInterval: [Double]
        let difference: Double
        let differenceInterval: [Double]
        let sloPreservation: Double
        let cpuUtilization: Double
        let memoryUtilization: Double
        let sloViolationRate: Double
        let oomKills: Double
        let restarts: Double
        let changes: Double
        let reversals: Double
        let resizes: Double
        let coreHours: Double
        let gibHours: Double
        let bill: Double
        /// Over the rules' bill at the same violations, with the default trade-off; only for policies of the frontier.
        let billAtEqualViolations: Double?
        let oomKillsPerHour: Double
        /// Changes of replicas and of sizes together.
        let changesPerHour: Double
        let stepsAtMaximum: Double
        let wins: Int
        let gapClosed: Double?
    }
    struct Workload: Encodable {
        let application: String
        let load: String
        let rewards: [String: Double]
        let beatCeiling: [String]
    }
    struct Calibration: Encodable {
        let application: String
        let arm: String
        let setting: String
    }

    let reference: String
    let arms: [Item]
    let workloads: [Workload]
    let calibration: [Calibration]
    let calibrationGrid = CalibrationGrid.summary
    let applications: [String]
    let windows: Int
    let steps: Int
    let seed: UInt64
    let resize: String
    let curves: [LearningCurve]
    let frontier: [BillTable.Entry]

    init(
        _ report: EvaluationReport, scenario: Scenario, cells: [CellResult], curves: [LearningCurve],
        frontier: [BillTable.Entry]
    ) {
        self.frontier = frontier
        reference = report.reference
        arms = report.arms.map { arm in
            Item(
                name: arm.name, reward: arm.reward.mean, rewardInterval: [arm.reward.low, arm.reward.high],
                difference: arm.difference.mean, differenceInterval: [arm.difference.low, arm.difference.high],
                sloPreservation: arm.sloPreservation, cpuUtilization: arm.cpuUtilization,
                memoryUtilization: arm.memoryUtilization, sloViolationRate: arm.sloViolationRate,
                oomKills: arm.oomKills, restarts: arm.restarts, changes: arm.changes, reversals: arm.reversals,
                resizes: arm.resizes, coreHours: arm.coreHours, gibHours: arm.gibHours, bill: arm.bill,
                billAtEqualViolations: frontier.first {
                    $0.arm == arm.name && $0.load == nil && $0.setting == BillObjective().savings
                }?.billAtEqualViolations, oomKillsPerHour: arm.oomKills,
                changesPerHour: arm.changes + arm.resizes, stepsAtMaximum: arm.stepsAtMaximum, wins: arm.wins,
                gapClosed: arm.gapClosed)
        }
        workloads = report.workloads.map {
            Workload(application: $0.application, load: $0.source, rewards: $0.rewards, beatCeiling: $0.beatCeiling)
        }
        calibration = cells.filter { !$0.setting.isEmpty }
            .map { Calibration(application: $0.application, arm: $0.arm, setting: $0.setting) }
            .sorted { ($0.application, $0.arm) < ($1.application, $1.arm) }
        applications = report.applications
        windows = scenario.windows
        steps = scenario.steps
        seed = scenario.seed
        resize = scenario.dynamics.resize.rawValue
        self.curves = curves
    }

    func text() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

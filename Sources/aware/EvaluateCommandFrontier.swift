// The bill at equal violations, as a table and as JSON: each policy with each trade-off, over all loads and by load.

import Experiments
import Foundation

enum BillTable {
    /// One point of a frontier.
    struct Entry: Encodable {
        let arm: String
        /// Name of the load; absent for all of them together.
        let load: String?
        /// The owner's savings of a policy; the violation budget that rules were calibrated to.
        let setting: Double
        /// Mean over windows of the bill over what the load needed.
        let billOverNeed: Double
        /// Money in all, large applications weighing more.
        let bill: Double
        let sloViolationRate: Double
        let billAtEqualViolations: Double
        let billAtEqualViolationsInterval: [Double]
        let oomKillsPerHour: Double
        let changesPerHour: Double
        let replicaChangesPerHour: Double
        let stepsAtMaximum: Double
        let coreHours: Double
        let gibHours: Double

        init(_ line: BillStudy.Line, arm: String, load: String?) {
            let point = line.point
            let hours = max(point.hours, 1e-9)
            self.arm = arm
            self.load = load
            setting = line.setting
            billOverNeed = point.billOverNeed
            bill = point.bill
            sloViolationRate = point.violationRate
            billAtEqualViolations = line.billAtEqualViolations.mean
            billAtEqualViolationsInterval = [line.billAtEqualViolations.low, line.billAtEqualViolations.high]
            oomKillsPerHour = point.kills / hours
            changesPerHour = (point.changes + point.resizes) / hours
            replicaChangesPerHour = point.changes / hours
            stepsAtMaximum = point.atMaximum / max(point.steps, 1)
            coreHours = point.coreHours
            gibHours = point.gibHours
        }
    }

    /// Rules and policies, all loads first.
    static func entries(_ result: BillStudy.Result, names: [String]) -> [Entry] {
        ([nil] + result.sources.map(Optional.some)).flatMap { source -> [Entry] in
            result.rules(source: source).map { Entry($0, arm: "rules", load: source) }
                + names.enumerated().flatMap { index, name in
                    result.lines(policy: index, source: source).map { Entry($0, arm: name, load: source) }
                }
        }
    }

    static func text(_ entries: [Entry]) -> String {
        var lines = [
            "",
            "Bill over need, and over the rules' bill at the same violations (HPA alone and HPA + VPA, swept over target, "
                + "size and memory, calibrated on training windows to ten violation budgets):",
            "arm                     load                      setting  bill/need  violations  x rules (95 %)        OOM/h"
                + "  changes/h  at max",
        ]
        for entry in entries {
            lines.append(
                entry.arm.padding(toLength: 22, withPad: " ", startingAt: 0) + "  "
                    + (entry.load ?? "all").padding(toLength: 24, withPad: " ", startingAt: 0)
                    + String(
                        format: "  %7.3f  %9.3f  %8.2f %%  %5.3f (%5.3f...%5.3f)  %6.3f  %9.2f  %4.1f %%", entry.setting,
                        entry.billOverNeed, entry.sloViolationRate * 100, entry.billAtEqualViolations,
                        entry.billAtEqualViolationsInterval[0], entry.billAtEqualViolationsInterval[1],
                        entry.oomKillsPerHour, entry.changesPerHour, entry.stepsAtMaximum * 100))
        }
        return lines.joined(separator: "\n")
    }
}

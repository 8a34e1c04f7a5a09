// Plays arms on a scenario's test windows, and makes of the results what an evaluation reports.

import ClusterModel
import Scaling

/// What one arm did on all test windows of one application: the unit of work, and of what is stored to be resumed.
public struct CellResult: Sendable, Equatable, Codable {
    public var arm: String
    public var application: String
    /// The calibrated setting; empty for an arm without any.
    public var setting: String
    /// One result a test window, in the scenario's order.
    public var windows: [TrialResult]
    /// Name of each window's load.
    public var sources: [String]

    public init(arm: String, application: String, setting: String, windows: [TrialResult], sources: [String]) {
        self.arm = arm
        self.application = application
        self.setting = setting
        self.windows = windows
        self.sources = sources
    }

    public var total: TrialResult { windows.reduce(into: TrialResult()) { $0 += $1 } }
}

extension Scenario {
    /// Calibrates `arm` on the application's training windows and plays its test windows.
    public func play(_ arm: Arm, application index: Int) -> CellResult {
        let application = applications[index]
        let training = arm.needsCalibration ? trials(application: index, part: .training) : []
        let setting = arm.calibrated(for: application, on: training).setting
        let test = trials(application: index, part: .test)
        return CellResult(
            arm: arm.name, application: application.name, setting: setting.label,
            windows: test.map { Arm.play(setting, $0) }, sources: test.map(\.source))
    }
}

/// One line of the table.
public struct ArmReport: Sendable {
    public let name: String
    /// Mean step reward, 0..1, over all windows.
    public let reward: Estimate
    /// Against the reference, window by window.
    public let difference: Estimate
    public let sloPreservation: Double
    public let cpuUtilization: Double
    public let memoryUtilization: Double
    /// Share of steps that missed the objective.
    public let sloViolationRate: Double
    /// An hour of simulated time.
    public let oomKills: Double
    public let restarts: Double
    public let changes: Double
    public let reversals: Double
    public let resizes: Double
    /// In all windows together.
    public let coreHours: Double
    public let gibHours: Double
    /// Money for both at the default prices.
    public let bill: Double
    /// Share of steps with as many replicas as the profile allows.
    public let stepsAtMaximum: Double
    /// Applications on which its mean reward was above the reference's.
    public let wins: Int
    /// Share of the distance from the reference to the ceiling; `nil` without a ceiling.
    public let gapClosed: Double?
}

/// One application under one load: a point of the scatter.
public struct WorkloadReport: Sendable {
    public let application: String
    public let source: String
    /// Mean step reward by arm name.
    public let rewards: [String: Double]
    /// Arms that were better than the ceiling here.
    public let beatCeiling: [String]
}

/// The table of an evaluation.
public struct EvaluationReport: Sendable {
    /// The best calibrated rule-based arm, or the first arm when none was played.
    public let reference: String
    public let arms: [ArmReport]
    public let workloads: [WorkloadReport]
    /// Applications that every arm has played; others are left out, so that all arms are judged on the same.
    public let applications: [String]

    /// The arm that is shown the future.
    public static let ceiling = "planner"
    /// Arms that may be the reference: calibrated per application, floors at the profile's minimum.
    public static let calibratedRules = ["hpa-vpa-memory", "hpa", "hpa-vpa", "hpa-target"]

    /// Makes the report of all cells. `nil` when no application was played by every arm.
    public init?(cells: [CellResult], arms order: [String], seed: UInt64) {
        var byArm: [String: [String: CellResult]] = [:]
        for cell in cells { byArm[cell.arm, default: [:]][cell.application] = cell }
        let arms = order.filter { byArm[$0] != nil }
        guard let first = arms.first, let all = byArm[first] else { return nil }
        let shared = all.keys.filter { name in
            arms.allSatisfy { byArm[$0]?[name]?.windows.count == all[name]?.windows.count }
        }.sorted()
        guard !shared.isEmpty else { return nil }
        applications = shared

        func total(_ arm: String) -> TrialResult {
            shared.reduce(into: TrialResult()) { sum, name in if let cell = byArm[arm]?[name] { sum += cell.total } }
        }
        let rules = arms.filter(Self.calibratedRules.contains)
        let reference = rules.max { total($0).r < total($1).r } ?? first
        self.reference = reference
        let referenceR = total(reference).r
        let ceilingR = arms.contains(Self.ceiling) ? total(Self.ceiling).r : nil

        self.arms = arms.compactMap { arm in
            let cells = shared.compactMap { byArm[arm]?[$0] }
            let references = shared.compactMap { byArm[reference]?[$0] }
            let sum = total(arm)
            let rewards = cells.map { $0.windows.map { $0.r / 100 } }
            let differences = zip(cells, references).map { cell, reference in
                zip(cell.windows, reference.windows).map { ($0.r - $1.r) / 100 }
            }
            guard sum.steps > 0, let reward = Bootstrap.mean(of: rewards, seed: seed),
                let difference = Bootstrap.mean(of: differences, seed: seed)
            else { return nil }
            let room = ceilingR.map { $0 - referenceR } ?? 0
            return ArmReport(
                name: arm, reward: reward, difference: difference, sloPreservation: sum.sloPreservation / sum.steps,
                cpuUtilization: sum.cpuUtilization / sum.steps, memoryUtilization: sum.memoryUtilization / sum.steps,
                sloViolationRate: sum.violationRate, oomKills: sum.oomKills / sum.hours,
                restarts: sum.restarts / sum.hours, changes: sum.changes / sum.hours,
                reversals: sum.reversals / sum.hours, resizes: sum.resizes / sum.hours, coreHours: sum.coreHours,
                gibHours: sum.gibHours,
                bill: BillObjective().bill(cores: sum.coreHours, gibibytes: sum.gibHours),
                stepsAtMaximum: sum.atMaximum / sum.steps, wins: zip(cells, references).count { $0.total.r > $1.total.r },
                gapClosed: room > 0 ? (sum.r - referenceR) / room : nil)
        }
        workloads = Self.workloads(byArm, arms: arms, applications: shared)
    }

    private static func workloads(
        _ byArm: [String: [String: CellResult]], arms: [String], applications: [String]
    ) -> [WorkloadReport] {
        applications.flatMap { name -> [WorkloadReport] in
            guard let sources = arms.first.flatMap({ byArm[$0]?[name]?.sources }) else { return [] }
            var unique: [String] = []
            for source in sources where !unique.contains(source) { unique.append(source) }
            return unique.map { source in
                var rewards: [String: Double] = [:]
                for arm in arms {
                    guard let cell = byArm[arm]?[name] else { continue }
                    var sum = TrialResult()
                    for (window, own) in zip(cell.windows, cell.sources) where own == source { sum += window }
                    rewards[arm] = sum.r / 100
                }
                let ceiling = rewards[ceiling] ?? .infinity
                return WorkloadReport(
                    application: name, source: source, rewards: rewards,
                    beatCeiling: arms.filter { (rewards[$0] ?? 0) > ceiling })
            }
        }
    }
}

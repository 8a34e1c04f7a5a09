// The bill at equal violations: a policy's trade-offs against the frontier of rules that were calibrated per application.

import Base
import ClusterModel
import Deciding
import Learning
import Scaling

/// What one controller cost and did on all windows of a cell, in sums.
public struct BillPoint: Sendable, Codable, Equatable {
    public var steps = 0.0
    public var violations = 0.0
    public var kills = 0.0
    public var changes = 0.0
    public var resizes = 0.0
    public var atMaximum = 0.0
    public var coreHours = 0.0
    public var gibHours = 0.0
    public var hours = 0.0
    /// Sum over windows of bill over need, and the windows.
    public var relative = 0.0
    public var windows = 0.0
    public var bill = 0.0

    public init() {}

    public static func += (left: inout BillPoint, right: BillPoint) {
        left.steps += right.steps
        left.violations += right.violations
        left.kills += right.kills
        left.changes += right.changes
        left.resizes += right.resizes
        left.atMaximum += right.atMaximum
        left.coreHours += right.coreHours
        left.gibHours += right.gibHours
        left.hours += right.hours
        left.relative += right.relative
        left.windows += right.windows
        left.bill += right.bill
    }

    public var violationRate: Double { steps > 0 ? violations / steps : 0 }
    /// Mean over windows of the bill over what the load needed.
    public var billOverNeed: Double { windows > 0 ? relative / windows : 0 }
}

/// The plan: applications x loads, rules swept over everything that an operator can set.
public struct BillStudy: Sendable {
    public var scenario: Scenario
    /// Violation budgets that the rules are calibrated to on training windows.
    public static let budgets = [0.001, 0.003, 0.006, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2]
    /// The owner's trade-offs that a policy is played at.
    public static let savings = [0, 0.25, 0.5, 0.75, 1]
    public static let targets = [0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]
    public static let cpu = [512, 1024, 2048]
    /// Memory of HPA alone, over the default size.
    public static let memory = [0.5, 0.7, 0.9]

    public init(_ scenario: Scenario) { self.scenario = scenario }

    /// Both kinds of rules in all settings.
    static func settings(_ application: SyntheticApplication) -> [Rules.Options] {
        targets.flatMap { target in
            cpu.flatMap { cpu -> [Rules.Options] in
                let fixed = memory.map { factor in
                    Rules.Options(
                        mode: .replicas, cpuTarget: target, fixedCpu: cpu,
                        fixedMemory: max(
                            application.profile.memory.min,
                            Int((Double(application.defaultSize.memoryBytes) * factor / 1_048_576).rounded()) << 20))
                }
                return fixed + [
                    Rules.Options(mode: .replicasAndMemory, cpuTarget: target, memoryMargin: 0.15, fixedCpu: cpu)
                ]
            }
        }
    }

    /// Plays one controller on one trial.
    /// - Parameter observer: is shown every counted step, in order.
    public static func play(
        _ controller: some Controller, _ trial: Trial, observer: (StepOutcome) -> Void = { _ in }
    ) -> BillPoint {
        var controller = controller
        var point = BillPoint()
        let bill = trial.profile.bill
        let steps = trial.subStepsPerStep
        var need = 0.0
        let counted = trial.load.dropFirst(trial.warmUpSteps * steps)
        for rate in counted { need += ClusterEnvironment.need(rate, trial.application.service, bill) }
        need /= Double(max(counted.count, 1))
        let result = trial.run(&controller, observer: observer)
        point.atMaximum = result.atMaximum
        point.steps = result.steps
        point.violations = result.violations
        point.kills = result.oomKills
        point.changes = result.changes
        point.resizes = result.resizes
        point.coreHours = result.coreHours
        point.gibHours = result.gibHours
        point.hours = result.hours
        point.bill = bill.bill(cores: result.coreHours, gibibytes: result.gibHours)
        point.relative = result.hours > 0 ? point.bill / result.hours / need : 0
        point.windows = 1
        return point
    }

    /// One application's results: by trace, the rules' points (one a budget) and each policy's (one a trade-off).
    public struct Cell: Sendable, Codable {
        public var application = ""
        public var sources: [String] = []
        /// [source][budget].
        public var rules: [[BillPoint]] = []
        /// [policy][source][savings].
        public var policies: [[[BillPoint]]] = []

        public init() {}
    }

    /// Calibrates the rules on the application's training windows, then plays everything on `part`.
    public func cell(_ index: Int, policies: [Policy], part: Scenario.Part) -> Cell {
        let application = scenario.applications[index]
        let settings = Self.settings(application)
        var cell = Cell()
        cell.application = application.name
        let training = scenario.trials(application: index, part: .training)
        var sums = [BillPoint](repeating: BillPoint(), count: settings.count)
        for (number, setting) in settings.enumerated() {
            for trial in training {
                sums[number] += Self.play(DecisionController(rulesOf: trial.profile, options: setting), trial)
            }
        }
        let chosen = Self.budgets.map { budget -> Int in
            let fitting = sums.indices.filter { sums[$0].violationRate <= budget }
            return fitting.min { sums[$0].relative < sums[$1].relative }
                ?? sums.indices.min { sums[$0].violations < sums[$1].violations }!
        }
        // Windows that are judged come from the other half, or, to choose among candidates, from another seed.
        var judged = scenario
        if part == .training { judged.seed = scenario.seed &+ 1 }
        let trials = judged.trials(application: index, part: part)
        for source in scenario.sources.map(\.name) {
            let own = trials.filter { $0.source == source }
            guard !own.isEmpty else { continue }
            cell.sources.append(source)
            var played: [Int: BillPoint] = [:]
            cell.rules.append(
                chosen.map { number in
                    if let known = played[number] { return known }
                    let sum = own.reduce(into: BillPoint()) {
                        $0 += Self.play(DecisionController(rulesOf: $1.profile, options: settings[number]), $1)
                    }
                    played[number] = sum
                    return sum
                })
        }
        cell.policies = policies.map { policy in
            cell.sources.map { source in
                Self.savings.map { savings in
                    trials.filter { $0.source == source }.reduce(into: BillPoint()) { sum, trial in
                        var profile = trial.profile
                        profile.bill.savings = savings
                        sum += Self.play(DecisionController(policy: policy, profile: profile), trial)
                    }
                }
            }
        }
        return cell
    }
}

extension BillStudy {
    /// All cells, application by application.
    public func run(
        policies: [Policy], part: Scenario.Part, parallelFor: ParallelFor = sequentially
    ) -> Result {
        var cells = [Cell](repeating: Cell(), count: scenario.applications.count)
        cells.withUnsafeMutableBufferPointer { cells in
            parallelFor(cells.count) { cells[$0] = cell($0, policies: policies, part: part) }
        }
        return Result(cells: cells, seed: scenario.seed)
    }
}

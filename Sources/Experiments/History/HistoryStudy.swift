// A history replayed: the rules calibrated on its first part, then everybody on the rest.

import Base
import ClusterModel
import Deciding
import Learning
import Scaling

/// What one controller cost and did in the judged part; means over the applications that it was played on.
public struct ReplayRow: Sendable, Codable, Equatable {
    public var name: String
    /// The calibration that was chosen, or what the row is.
    public var setting: String
    /// Money, core-hours and GiB-hours a day.
    public var billPerDay = 0.0
    public var coreHoursPerDay = 0.0
    public var gibHoursPerDay = 0.0
    /// Over the calibrated HPA and VPA's.
    public var billOverRules = 0.0
    /// Share of minutes that missed the objective; `nil` where latency was not measured.
    public var violationRate: Double?
    public var oomKills: Double?
    public var changesPerHour = 0.0
    public var shareAtMaximum = 0.0

    /// Names of the rows of what ran: by the history alone, and played by the model.
    public static let measured = "yours, as measured"
    public static let modelled = "yours, in the model"
}

/// How many cores one controller had, by minute of the judged part.
public struct ReplayLine: Sendable, Codable, Equatable {
    public var name: String
    public var cores: [Double]
}

public struct ReplayResult: Sendable, Codable, Equatable {
    public var calibratedMinutes = 0
    public var judgedMinutes = 0
    public var rows: [ReplayRow] = []
    public var lines: [ReplayLine] = []
}

public struct HistoryStudy: Sendable {
    private let model: HistoryModel
    private let options: ReplayOptions
    private let policy: Policy
    private let judged: Range<Int>
    private let training: Range<Int>

    static let warmUp = 30
    private static let trainingShare = 0.55
    private static let trainingMinutesMax = 7 * 1440

    public init(_ model: HistoryModel, minutes: Int, policy: Policy, options: ReplayOptions) {
        self.model = model
        self.options = options
        self.policy = policy
        let cut = Int(Double(minutes) * Self.trainingShare)
        training = max(0, cut - Self.trainingMinutesMax)..<cut
        judged = cut..<minutes
    }

    /// How many trials `run` plays.
    public var trials: Int {
        model.parts.reduce(0) { $0 + BillStudy.settings($1.application).count }
            + model.parts.count * (4 + options.savings.count + (model.recorded == nil ? 0 : 1))
    }

    /// - Parameter progress: is told of every trial that ended.
    public func run(
        _ history: History, parallelFor: ParallelFor = sequentially, progress: @escaping @Sendable () -> Void = {}
    ) -> ReplayResult {
        var result = ReplayResult(calibratedMinutes: training.count, judgedMinutes: judged.count)
        let settings = model.parts.map { BillStudy.settings($0.application) }
        let jobs = model.parts.indices.flatMap { part in settings[part].indices.map { (part, $0) } }
        var sums = [BillPoint](repeating: BillPoint(), count: jobs.count)
        sums.withUnsafeMutableBufferPointer { sums in
            parallelFor(jobs.count) { index in
                let (part, setting) = jobs[index]
                let trial = trial(part, training)
                sums[index] = BillStudy.play(
                    DecisionController(rulesOf: trial.profile, options: settings[part][setting]), trial)
                progress()
            }
        }
        let count = settings.first?.count ?? 0
        let calibrated = model.parts.indices.map { Array(sums[$0 * count..<($0 + 1) * count]) }
        func chosen(_ mode: Rules.Mode) -> [Rules.Options] {
            model.parts.indices.map { part in settings[part][choose(settings[part], calibrated[part], mode)] }
        }
        let (horizontal, both) = (chosen(.replicas), chosen(.replicasAndMemory))
        let arms = arms(horizontal, both)
        var played = [[(BillPoint, [Double])]](repeating: [], count: arms.count)
        played.withUnsafeMutableBufferPointer { played in
            parallelFor(arms.count) { index in
                played[index] = model.parts.indices.map { part in
                    defer { progress() }
                    return arms[index].play(trial(part, judged), part)
                }
            }
        }
        result.rows = zip(arms, played).map { row($0.name, $0.setting, $1.map(\.0)) }
        if let measured = measured(history) { result.rows.insert(measured, at: 0) }
        let reference = result.rows.first { $0.name == "hpa-vpa calibrated" }?.billPerDay ?? 0
        for index in result.rows.indices where reference > 0 {
            result.rows[index].billOverRules = result.rows[index].billPerDay / reference
        }
        if model.parts.count == 1 {
            result.lines = zip(arms, played).compactMap { arm, played in
                played.first.map { ReplayLine(name: arm.name == "aware" ? "aware, \(arm.setting)" : arm.name, cores: $0.1) }
            }
        }
        return result
    }

    /// The cheapest that keeps the objective in enough minutes and kills nothing; else the one with the fewest violations.
    private func choose(_ settings: [Rules.Options], _ points: [BillPoint], _ mode: Rules.Mode) -> Int {
        let own = settings.indices.filter { settings[$0].mode == mode }
        let fitting = own.filter { points[$0].violationRate <= options.bill.maxViolations && points[$0].kills == 0 }
        return fitting.min { points[$0].bill < points[$1].bill }
            ?? own.min { (points[$0].violations + points[$0].kills) < (points[$1].violations + points[$1].kills) }!
    }

    private func trial(_ part: Int, _ minutes: Range<Int>) -> Trial {
        let own = model.parts[part]
        let begin = max(0, minutes.lowerBound - Self.warmUp)
        return Trial(
            application: own.application, profile: own.profile,
            load: Array(own.load[begin * History.subSteps..<minutes.upperBound * History.subSteps]),
            warmUpSteps: minutes.lowerBound - begin > 0 ? minutes.lowerBound - begin : Self.warmUp,
            seed: options.seed &+ UInt64(part))
    }

    // MARK: Who plays

    private struct ReplayArm: Sendable {
        var name: String
        var setting: String
        var play: @Sendable (Trial, Int) -> (BillPoint, [Double])
    }

    private static func arm<C: Controller & SendableMetatype>(
        _ name: String, _ setting: String, _ make: @escaping @Sendable (Trial, Int) -> C
    ) -> ReplayArm {
        ReplayArm(name: name, setting: setting) { trial, part in
            var cores: [Double] = []
            let point = BillStudy.play(make(trial, part), trial) { cores.append($0.coreSeconds / Double(trial.profile.stepSeconds)) }
            return (point, cores)
        }
    }

    private func arms(_ horizontal: [Rules.Options], _ both: [Rules.Options]) -> [ReplayArm] {
        var arms: [ReplayArm] = []
        if let recorded = model.recorded {
            let first = max(0, judged.lowerBound - Self.warmUp)
            arms.append(
                Self.arm(ReplayRow.modelled, "what ran, minute by minute") { _, _ in
                    RecordedController(Array(recorded[first...]))
                })
        }
        arms.append(
            Self.arm("hpa default", "target 0.8, your size") { trial, _ in
                let size = trial.application.defaultSize
                return RulesController(
                    profile: trial.profile,
                    options: Rules.Options(
                        mode: .replicas, cpuTarget: 0.8, fixedCpu: size.cpuMillicores, fixedMemory: size.memoryBytes))
            })
        arms.append(
            Self.arm("hpa-vpa default", "target 0.8, VPA on both") { trial, _ in
                RulesController(profile: trial.profile, options: .kubernetesDefault)
            })
        for (name, options) in [("hpa calibrated", horizontal), ("hpa-vpa calibrated", both)] {
            arms.append(
                Self.arm(name, options.count == 1 ? Self.label(options[0]) : "each stand-in its own") { trial, part in
                    DecisionController(rulesOf: trial.profile, options: options[part])
                })
        }
        for savings in options.savings {
            arms.append(
                Self.arm("aware", "savings \(savings)") { [policy] trial, _ in
                    var profile = trial.profile
                    profile.bill.savings = savings
                    return DecisionController(policy: policy, profile: profile)
                })
        }
        return arms
    }

    private static func label(_ options: Rules.Options) -> String {
        var parts = ["target \(options.cpuTarget)"]
        if let cpu = options.fixedCpu { parts.append("\(cpu)m") }
        parts.append(options.fixedMemory.map { "\($0 >> 20)Mi" } ?? "VPA on memory")
        return parts.joined(separator: ", ")
    }

    // MARK: Rows

    private func row(_ name: String, _ setting: String, _ points: [BillPoint]) -> ReplayRow {
        var row = ReplayRow(name: name, setting: setting)
        let sum = points.reduce(into: BillPoint()) { $0 += $1 }
        let days = max(sum.hours / 24, 1e-9)
        row.billPerDay = sum.bill / days
        row.coreHoursPerDay = sum.coreHours / days
        row.gibHoursPerDay = sum.gibHours / days
        row.violationRate = sum.violationRate
        row.oomKills = sum.kills
        row.changesPerHour = (sum.changes + sum.resizes) / max(sum.hours, 1e-9)
        row.shareAtMaximum = sum.atMaximum / max(sum.steps, 1)
        return row
    }

    /// What the history itself says of its judged part, without any model.
    private func measured(_ history: History) -> ReplayRow? {
        guard let recorded = model.recorded, let part = model.parts.first else { return nil }
        var row = ReplayRow(name: ReplayRow.measured, setting: "your history")
        let days = Double(judged.count) / 1440
        for allocation in recorded[judged] {
            let replicas = Double(allocation.replicas)
            row.coreHoursPerDay += replicas * Double(allocation.cpuMillicores) / 1000 / 60 / days
            row.gibHoursPerDay += replicas * Double(allocation.memoryBytes) / 1_073_741_824 / 60 / days
        }
        row.billPerDay = options.bill.bill(cores: row.coreHoursPerDay, gibibytes: row.gibHoursPerDay)
        let changes = zip(recorded[judged].dropFirst(), recorded[judged]).count { $0 != $1 }
        row.changesPerHour = Double(changes) / (Double(judged.count) / 60)
        row.shareAtMaximum = Double(recorded[judged].count { $0.replicas >= part.profile.maxReplicas }) / Double(judged.count)
        let latencies = (history.minutes[.latencySeconds].map { Array($0[judged]) } ?? []).compactMap { $0 }
        if !latencies.isEmpty {
            row.violationRate = Double(latencies.count { $0 > part.application.sloSeconds }) / Double(latencies.count)
        }
        row.oomKills = history.minutes[.oomKills].map { $0[judged].reduce(0) { $0 + ($1 ?? 0) } }
        return row
    }
}

/// Does what was done.
struct RecordedController: Controller {
    private let allocations: [Allocation]
    private var minute = 0

    init(_ allocations: [Allocation]) { self.allocations = allocations }

    mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        minute += 1
        return allocations[min(minute, allocations.count - 1)]
    }
}

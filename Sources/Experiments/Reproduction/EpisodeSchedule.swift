// The episodes that one application lives through, numbered, the same for every arm.

import Base
import ClusterModel
import Scaling

/// Loads for one application without end. An episode is 100 counted steps after a warm-up.
struct EpisodeSchedule: Sendable {
    var application: SyntheticApplication
    let sources: [LoadSource]
    /// Share of capacity that an episode's peak has, log-uniform.
    let levels: ClosedRange<Double>
    let seed: UInt64
    /// What happened to the application before the first episode.
    var change: WorkloadUpdate?

    static let steps = 100
    static let warmUpSteps = 20

    init(application: SyntheticApplication, sources: [LoadSource], levels: ClosedRange<Double>, seed: UInt64) {
        self.application = application
        self.sources = sources
        self.levels = levels
        self.seed = seed
    }

    /// The same episodes after a change.
    func changed(by change: WorkloadUpdate) -> EpisodeSchedule {
        var schedule = self
        schedule.change = change
        return schedule
    }

    /// Episode `number`, from the part of the loads that training may see.
    func episode(_ number: Int) -> Trial { trial(number, part: .training) }

    /// Windows that nobody learns from.
    func exam(_ count: Int) -> [Trial] { (0..<count).map { trial($0, part: .test) } }

    private func trial(_ number: Int, part: Scenario.Part) -> Trial {
        // The name tells applications apart; an episode's load and noise follow from its number.
        let own = application.name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        var random = SimulationRandom(seed: own, index: number * 2 + part.rawValue)
        let total = Self.steps + Self.warmUpSteps
        let source = sources[Int(random.next() % UInt64(sources.count))]
        var shape: [Double]?
        if case .trace(let trace) = source {
            shape = trace.windows(count: 1, steps: total, seed: random.next(), part: part.range).first
        }
        let window = shape ?? LoadGenerator.window(steps: total, seed: random.next())
        let level = exponential(random.uniform(logarithm(levels.lowerBound)...logarithm(levels.upperBound)))
        let profile = application.profile
        let load = LoadLevel.scale(window, to: level, of: application.capacity(profile: profile))
        let trial = Trial(
            application: application, profile: profile, load: load, warmUpSteps: Self.warmUpSteps, seed: random.next(),
            source: source.name)
        return change.map { trial.changing($0, at: 0) } ?? trial
    }
}

extension TrialResult {
    /// Mean of both utilisations, each capped at 1.
    var cpu: Double { steps > 0 ? cpuUtilization / steps : 0 }
    var memory: Double { steps > 0 ? memoryUtilization / steps : 0 }
}

extension Sequence where Element == TrialResult {
    /// All of them as one.
    var total: TrialResult { reduce(into: TrialResult()) { $0 += $1 } }
}

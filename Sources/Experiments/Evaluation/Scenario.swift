// The plan of an evaluation: which applications under which loads, with training and test windows kept apart.

import Base
import ClusterModel
import Scaling

/// Where load comes from.
public enum LoadSource: Sendable {
    case trace(LoadTrace)
    /// Generated, with ingredients drawn for every window.
    case generated(LoadGenerator.Bursts)

    public var name: String {
        switch self {
        case .trace(let trace): trace.name
        case .generated(.drawn): "generated"
        case .generated(.none): "generated without bursts"
        case .generated(.always): "generated with bursts"
        }
    }
}

/// Applications x loads x windows. Everything follows from the seed.
public struct Scenario: Sendable {
    /// The half of a trace that windows are drawn from. They do not overlap; generated loads differ by seed.
    public enum Part: Int, Sendable {
        case training, test

        var range: Range<Double> { self == .training ? 0..<0.55 : 0.55..<1 }
    }

    public var applications: [SyntheticApplication]
    public var sources: [LoadSource]
    public var windows = 3
    public var steps = 100
    public var warmUpSteps = 30
    public var dynamics = ClusterDynamics()
    /// Every window at this share of the capacity instead of one drawn for each, log-uniform from 0.15 to 0.9.
    public var fixedLevel: Double?
    /// A change of the workload after a third of the counted steps of every test window.
    public var update: WorkloadUpdate?
    /// Outages of metrics an hour in test windows; each lasts five minutes on average.
    public var outagesPerHour = 0.0
    /// What no controller is told, in training windows and in test windows.
    public var missing: MissingFields?
    public var seed: UInt64

    public init(applications: [SyntheticApplication], sources: [LoadSource], seed: UInt64) {
        self.applications = applications
        self.sources = sources
        self.seed = seed
    }

    /// Traces without a usable window of this length in their training or their test part.
    public var unplayableTraces: [LoadTrace] {
        sources.compactMap { source in
            guard case .trace(let trace) = source else { return nil }
            let isPlayable = [Part.training, .test].allSatisfy { part in
                !trace.windows(count: 1, steps: steps + warmUpSteps, seed: seed, part: part.range).isEmpty
            }
            return isPlayable ? nil : trace
        }
    }

    /// The trials of one application, source by source. A source without a usable window of this length has none.
    public func trials(application index: Int, part: Part) -> [Trial] {
        let application = applications[index]
        var profile = application.profile
        profile.resize = dynamics.resize
        let capacity = application.capacity(profile: profile)
        var result: [Trial] = []
        for (number, source) in sources.enumerated() {
            let key = (index * 1000 + number) * 2 + part.rawValue
            var random = SimulationRandom(seed: seed, index: key)
            for shape in shapes(of: source, part: part, random: &random) {
                let level = LoadLevel.draw(using: &random)
                var trial = Trial(
                    application: application, profile: profile, dynamics: dynamics,
                    load: LoadLevel.scale(shape, to: fixedLevel ?? level, of: capacity),
                    warmUpSteps: warmUpSteps, seed: random.next(), source: source.name)
                trial.missing = missing
                if part == .test {
                    if let update { trial = trial.changing(update, at: warmUpSteps + steps / 3) }
                    trial.silentSteps = outages(of: trial)
                }
                result.append(trial)
            }
        }
        return result
    }

    /// Steps without metrics: begun at random, of exponential length, drawn apart from everything else.
    private func outages(of trial: Trial) -> Set<Int> {
        guard outagesPerHour > 0 else { return [] }
        var random = SimulationRandom(seed: trial.seed, index: 5)
        let minutes = Double(trial.profile.stepSeconds) / 60
        var silent = Set<Int>()
        var left = 0.0
        for step in 0..<trial.steps {
            if left <= 0, random.uniform() < outagesPerHour * minutes / 60 { left = 5 * random.exponential() }
            if left > 0 { silent.insert(step) }
            left -= minutes
        }
        return silent
    }

    private func shapes(of source: LoadSource, part: Part, random: inout SimulationRandom) -> [[Double]] {
        let total = steps + warmUpSteps
        switch source {
        case .trace(let trace):
            return trace.windows(count: windows, steps: total, seed: random.next(), part: part.range)
        case .generated(let bursts):
            return (0..<windows).map { _ in LoadGenerator.window(steps: total, seed: random.next(), bursts: bursts) }
        }
    }
}

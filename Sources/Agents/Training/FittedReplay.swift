// What the rules and candidates would earn on the load that was recorded, in a cluster fitted to the application.

import ClusterModel
import Deciding
import Learning
import Scaling

/// A replay of recorded load. Every controller meets the same load and the same noise, so that differences between
/// them are far better known than what each earns.
public struct FittedReplay: Sendable {
    /// Decision steps at the beginning that do not count: histories fill.
    public let warmUpSteps: Int
    /// Decision steps of a window.
    public let windowSteps: Int
    public let application: FittedApplication
    let profile: Profile
    let initial: Allocation
    /// What is known of the application at the beginning of a run.
    private let coreAtStart: DecisionCore
    /// Requests per second in each sub-step.
    let load: [Double]
    let subSteps: Int
    private let seed: UInt64

    /// - Parameters:
    ///   - steps: consecutive, oldest first.
    ///   - fixedCpu: the CPU limit that the owner configured; the rules do not size CPU.
    ///   - calibration: how its rules are set; `nil` as the profile's `fallback` says.
    /// - Returns: `nil` when the application cannot be identified from the steps.
    public init?(
        _ steps: [RecordedStep], profile: Profile, fixedCpu: Int?, calibration: Calibration? = nil, warmUpSteps: Int,
        windowSteps: Int, seed: UInt64
    ) {
        guard let first = steps.first, let rates = Self.rates(steps),
            let fitted = SystemIdentification.fit(steps, profile: profile)
        else { return nil }
        application = fitted
        self.profile = profile
        var core = DecisionCore(profile, fixedCpu: fixedCpu)
        core.calibrate(calibration)
        core.remember(steps.map { ($0.observation, $0.allocation) })
        coreAtStart = core
        self.warmUpSteps = warmUpSteps
        self.windowSteps = max(1, windowSteps)
        self.seed = seed
        initial = first.allocation
        subSteps = max(1, Int(Double(profile.stepSeconds) / Cluster.subStepSeconds))
        let explained = Self.withBursts(
            Self.interpolated(rates, subSteps: subSteps), behind: steps, of: fitted.service,
            profile: profile, subSteps: subSteps)
        guard Double(explained.unmet) <= Self.unmetMax * Double(steps.count) + Double(explained.missed) / 2 else { return nil }
        load = explained.load
    }

    /// Share of the recorded steps, beside half of those that missed the objective, that the fitted application may miss clearly
    /// although the real one kept it: beyond it the fit tells of misses that never were, and whoever believed it would pay for
    /// their cure.
    private static let unmetMax = 0.03
    /// Clearly: by a quarter.
    private static let unmetFrom = 1.25

    /// Recorded steps.
    public var steps: Int { load.count / subSteps }

    /// Windows that a run gives.
    public var windows: Int { max(0, load.count / subSteps - warmUpSteps) / windowSteps }

    /// The rate of every step; one that was not measured is taken to be its predecessor's. `nil` when too many are
    /// unknown: load that was not measured cannot be replayed.
    private static func rates(_ steps: [RecordedStep]) -> [Double]? {
        guard steps.count(where: { $0.isRateKnown }) * 5 >= steps.count * 4 else { return nil }
        var last = steps.first { $0.isRateKnown }?.rate ?? 0
        return steps.map { step in
            if step.isRateKnown { last = step.rate ?? 0 }
            return last
        }
    }

    /// Rates of steps as rates of sub-steps, linear between the middles of steps.
    private static func interpolated(_ rates: [Double], subSteps: Int) -> [Double] {
        var result: [Double] = []
        result.reserveCapacity(rates.count * subSteps)
        for index in 0..<rates.count * subSteps {
            let position = (Double(index) + 0.5) / Double(subSteps) - 0.5
            let left = min(max(Int(position.rounded(.down)), 0), rates.count - 1)
            let right = min(left + 1, rates.count - 1)
            result.append(rates[left] + (rates[right] - rates[left]) * min(max(position - Double(left), 0), 1))
        }
        return result
    }

    /// Adds to the load of each step the burst that explains its latency and its OOM kills.
    ///
    /// A minute's mean rate hides what happens within it. Where the measured latency is clearly above what an even load
    /// would have given in the allocation that ran, or where replicas were killed that would not have been, the same
    /// requests are assumed to have come in a burst of a few sub-steps, as high as needed. So a controller that keeps
    /// more in reserve is credited with what it would have saved, and the recorded one gets what it got.
    private static func withBursts(
        _ load: [Double], behind steps: [RecordedStep], of service: ServiceModel, profile: Profile, subSteps: Int
    ) -> (load: [Double], missed: Int, unmet: Int) {
        guard let first = steps.first, subSteps >= burst.count else { return (load, 0, 0) }
        var load = load
        var (missed, unmet) = (0, 0)
        var dynamics = ClusterDynamics()
        dynamics.resize = profile.resize
        dynamics.workDeviation = 0
        var cluster = Cluster(
            service: service, profile: profile, initial: first.allocation, seed: 0, dynamics: dynamics)
        for (index, step) in steps.enumerated() {
            let range = index * subSteps..<(index + 1) * subSteps
            let even = load[range]
            func outcome(_ load: ArraySlice<Double>) -> StepOutcome {
                var copy = cluster
                return copy.step(desired: step.allocation, load: load)
            }
            let calm = outcome(even)
            if case .latency(let seconds, _) = profile.objective, let measured = step.observation.latencySeconds {
                if measured > seconds { missed += 1 } else if calm.latencySeconds > unmetFrom * seconds { unmet += 1 }
            }
            let slow = step.positive(step.observation.latencySeconds).flatMap {
                $0 > burstFrom * calm.latencySeconds ? $0 : nil
            }
            let isKilled = (step.observation.oomKills ?? 0) > 0
            if slow != nil || (isKilled && calm.oomKills == 0) {
                let place = index * 5 % (subSteps - burst.count + 1)
                var (low, high) = (0.0, burstMax)
                for _ in 0..<7 {
                    let middle = (low + high) / 2
                    let found = outcome(bursting(even, by: middle, at: place))
                    let explains = found.latencySeconds >= slow ?? 0 && (found.oomKills > 0 || !isKilled)
                    if explains { high = middle } else { low = middle }
                }
                load.replaceSubrange(range, with: bursting(even, by: high, at: place))
            }
            _ = cluster.step(desired: step.allocation, load: load[range])
        }
        return (load, missed, unmet)
    }

    /// A latency this much above the even load's is more than noise.
    private static let burstFrom = 1.15
    /// Highest burst, as a multiple of the even load.
    private static let burstMax = 8.0
    /// The form of a burst: it rises at once and decays.
    private static let burst = [1.0, 0.6, 0.3]

    /// The same number of requests, some of them in a burst.
    private static func bursting(_ load: ArraySlice<Double>, by height: Double, at place: Int) -> ArraySlice<Double> {
        var result = load
        let total = load.reduce(0, +)
        for (offset, share) in burst.enumerated() { result[load.startIndex + place + offset] *= 1 + height * share }
        let factor = total / max(result.reduce(0, +), 1e-9)
        for index in result.indices { result[index] *= factor }
        return result
    }

    /// What each window brought under the rules, and what the load needs on average, in money an hour.
    public func rules() -> (windows: [ReplayWindow], need: Double) {
        var controller = DecisionController(rules: coreAtStart)
        let steps = play { controller.decide($0, current: $1) }
        let counted = steps.dropFirst(warmUpSteps)
        let need = counted.reduce(0) { $0 + $1.hourlyNeed(profile) } / Double(max(1, counted.count))
        return (windows(steps, need: need), need)
    }

    /// The same under rules that are set otherwise.
    func rules(_ calibration: Calibration, need: Double) -> [ReplayWindow] {
        var core = coreAtStart
        core.calibrate(calibration)
        var controller = DecisionController(rules: core)
        return windows(play { controller.decide($0, current: $1) }, need: need)
    }

    /// The same under a policy, greedy and behind the guards, as served.
    ///
    /// - Parameter thrift: what it is told in place of the owner's (`Calibration.thrift`).
    public func policy(_ policy: Policy, thrift: Double? = nil, need: Double) -> [ReplayWindow] {
        var core = coreAtStart
        var calibration = core.calibration ?? Calibration(profile)
        calibration.thrift = thrift
        core.calibrate(calibration)
        var controller = DecisionController(policy: policy, profile: profile, knowing: core)
        return windows(play { controller.decide($0, current: $1) }, need: need)
    }

    private func play(_ decide: (Observation, Allocation) -> Allocation) -> [StepOutcome] {
        var dynamics = ClusterDynamics()
        dynamics.resize = profile.resize
        var cluster = Cluster(
            service: application.service, profile: profile, initial: initial, seed: seed, dynamics: dynamics)
        var outcomes: [StepOutcome] = []
        for step in 0..<warmUpSteps + windows * windowSteps {
            let desired = outcomes.last.map { decide($0.observation, cluster.allocation) } ?? cluster.allocation
            outcomes.append(cluster.step(desired: desired, load: load[step * subSteps..<(step + 1) * subSteps]))
        }
        return outcomes
    }

    private func windows(_ outcomes: [StepOutcome], need: Double) -> [ReplayWindow] {
        var result = [ReplayWindow](repeating: ReplayWindow(), count: windows)
        let share = 1 / Double(windowSteps)
        for (index, outcome) in outcomes.dropFirst(warmUpSteps).enumerated() {
            let step = outcome.objective(profile, need: need)
            let window = index / windowSteps
            result[window].value -= profile.bill.cost(step) * share
            result[window].reward += outcome.reward * share
            result[window].relativeBill += step.relativeBill * share
            result[window].violations += outcome.violated ? share : 0
            result[window].oomKills += Double(outcome.oomKills)
            result[window].changes += (outcome.replicasChanged ? 1 : 0) + (outcome.resized ? 1 : 0)
        }
        return result
    }
}

/// What one window of a replay brought.
public struct ReplayWindow: Sendable, Equatable {
    /// The mean step's cost by the profile's objective, negative: what counts.
    public var value = 0.0
    /// Mean step reward as it is reported (alpha form, 0...1).
    public var reward = 0.0
    /// Mean bill over what the load needs.
    public var relativeBill = 0.0
    /// Share of steps that missed the objective.
    public var violations = 0.0
    public var oomKills = 0.0
    /// Changes of the number of replicas or of their size.
    public var changes = 0.0

    public init() {}
}

// One controller, one application, one window of load: the unit that evaluations and calibrations are made of.

import ClusterModel
import Scaling

/// What a trial is played on. The same trial is the same world for every controller, noise included.
public struct Trial: Sendable {
    public let application: SyntheticApplication
    public let profile: Profile
    public let dynamics: ClusterDynamics
    /// Requests per second in each sub-step, warm-up included.
    public private(set) var load: [Double]
    /// Decision steps at the beginning that are played but not counted: histories fill, the start is forgotten.
    public let warmUpSteps: Int
    public let seed: UInt64
    /// Name of the load.
    public let source: String
    /// What happens to the application itself, and in which decision step; `nil` for nothing.
    public private(set) var update: (change: WorkloadUpdate, step: Int)?
    /// Decision steps whose metrics do not reach the controller.
    public var silentSteps: Set<Int> = []
    /// What the controller is never told.
    public var missing: MissingFields?

    public init(
        application: SyntheticApplication, profile: Profile? = nil, dynamics: ClusterDynamics = ClusterDynamics(),
        load: [Double], warmUpSteps: Int, seed: UInt64, source: String = ""
    ) {
        self.application = application
        self.profile = profile ?? application.profile
        self.dynamics = dynamics
        self.load = load
        self.warmUpSteps = warmUpSteps
        self.seed = seed
        self.source = source
    }

    /// The same trial with a change of the workload at decision step `step` (warm-up included). What it does to the load
    /// stands in `load` at once, so that a clairvoyant arm sees it coming.
    public func changing(_ change: WorkloadUpdate, at step: Int) -> Trial {
        var trial = self
        trial.update = (change, step)
        for index in trial.load.indices where index >= step * subStepsPerStep { trial.load[index] *= change.load }
        return trial
    }

    var subStepsPerStep: Int { max(1, Int(Double(profile.stepSeconds) / Cluster.subStepSeconds)) }
    /// Decision steps, warm-up included.
    public var steps: Int { load.count / subStepsPerStep }

    /// Where every controller starts: the default size, and replicas for the first minute at 60 % of their capacity.
    public var initial: Allocation {
        let first = load.prefix(subStepsPerStep)
        let rate = first.isEmpty ? 0 : first.reduce(0, +) / Double(first.count)
        let each = application.service.capacity(cores: Double(application.defaultSize.cpuMillicores) / 1000)
        var allocation = application.defaultSize
        allocation.replicas = Int((rate / (0.6 * each)).rounded(.up))
        return profile.clamp(allocation)
    }

    /// Plays the trial.
    /// - Parameter observer: is shown every counted step, in order.
    public func run(
        _ controller: inout some Controller, observer: (StepOutcome) -> Void = { _ in }
    ) -> TrialResult {
        var cluster = Cluster(
            application: application, profile: profile, initial: initial, seed: seed, dynamics: dynamics)
        var result = TrialResult()
        var outcome: StepOutcome?
        var direction = 0
        for step in 0..<steps {
            if let update, update.step == step { cluster.service = application.service.applying(update.change) }
            cluster.metricsAvailable = !silentSteps.contains(step)
            let future = load[(step * subStepsPerStep)...]
            var desired = cluster.allocation
            if var clairvoyant = controller as? any Clairvoyant {
                desired = clairvoyant.decide(cluster: cluster, future: future)
            } else if let outcome {
                desired = controller.decide(missing?.absent(from: outcome.observation) ?? outcome.observation, current: cluster.allocation)
            }
            let before = cluster.allocation.replicas
            let new = cluster.step(desired: desired, load: future.prefix(subStepsPerStep))
            outcome = new
            let change = (cluster.allocation.replicas - before).signum()
            let reverses = change != 0 && change == -direction
            if change != 0 { direction = change }
            if step >= warmUpSteps {
                result.add(
                    new, reverses: reverses, isAtMaximum: cluster.allocation.replicas >= profile.maxReplicas,
                    seconds: Double(profile.stepSeconds))
                observer(new)
            }
        }
        if let outcome { controller.finish(outcome.observation, current: cluster.allocation) }
        return result
    }
}

/// Fields that a team does not send: nobody measures them, or they cannot be had.
public enum MissingFields: String, Sendable, CaseIterable {
    /// The percentile of the latency.
    case latency
    case kills
    /// All that only the application itself can tell: what is left is what cAdvisor and kube-state-metrics give.
    case requests

    public func absent(from observation: Observation) -> Observation {
        var observation = observation
        switch self {
        case .latency: observation.latencySeconds = nil
        case .kills: observation.oomKills = nil
        case .requests:
            (observation.latencySeconds, observation.requestRate, observation.throughput, observation.sloPreservation) = (nil, nil, nil, nil)
        }
        return observation
    }
}

/// Sums over the counted steps of one trial or of several.
public struct TrialResult: Sendable, Equatable, Codable {
    public var steps = 0.0
    public var reward = 0.0
    public var sloPreservation = 0.0
    public var cpuUtilization = 0.0
    public var memoryUtilization = 0.0
    public var violations = 0.0
    public var oomKills = 0.0
    public var restarts = 0.0
    /// Steps that changed the number of replicas, and those that changed it the other way than the change before.
    public var changes = 0.0
    public var reversals = 0.0
    public var resizes = 0.0
    /// Steps with as many replicas as the profile allows.
    public var atMaximum = 0.0
    public var coreHours = 0.0
    public var gibHours = 0.0
    public var hours = 0.0
    public var requests = 0.0
    public var dropped = 0.0

    public init() {}

    mutating func add(_ outcome: StepOutcome, reverses: Bool, isAtMaximum: Bool, seconds: Double) {
        atMaximum += isAtMaximum ? 1 : 0
        steps += 1
        reward += outcome.reward
        sloPreservation += outcome.sloPreservation
        cpuUtilization += min(1, outcome.cpuUtilization)
        memoryUtilization += min(1, outcome.memoryUtilization)
        violations += outcome.violated ? 1 : 0
        oomKills += Double(outcome.oomKills)
        restarts += Double(outcome.restarts)
        changes += outcome.replicasChanged ? 1 : 0
        reversals += reverses ? 1 : 0
        resizes += outcome.resized ? 1 : 0
        coreHours += outcome.coreSeconds / 3600
        gibHours += outcome.byteSeconds / 3600 / 1_073_741_824
        hours += seconds / 3600
        requests += outcome.arrived
        dropped += outcome.dropped
    }

    public static func += (left: inout TrialResult, right: TrialResult) {
        left.steps += right.steps
        left.reward += right.reward
        left.sloPreservation += right.sloPreservation
        left.cpuUtilization += right.cpuUtilization
        left.memoryUtilization += right.memoryUtilization
        left.violations += right.violations
        left.oomKills += right.oomKills
        left.restarts += right.restarts
        left.changes += right.changes
        left.reversals += right.reversals
        left.resizes += right.resizes
        left.atMaximum += right.atMaximum
        left.coreHours += right.coreHours
        left.gibHours += right.gibHours
        left.hours += right.hours
        left.requests += right.requests
        left.dropped += right.dropped
    }

    /// R: mean step reward x 100, the total of an episode of 100 steps; at most 100.
    public var r: Double { steps > 0 ? reward / steps * 100 : 0 }
    /// Share of counted steps that missed the objective.
    public var violationRate: Double { steps > 0 ? violations / steps : 0 }
}

// The model cluster: one application's replicas under load, advanced one decision at a time.

import Base
import Scaling

/// A simulated application in its cluster. A plain value: copying it copies the future, which is what planners need.
///
/// A decision step consists of 5 s sub-steps. In each, arrivals are split evenly over the replicas that are ready,
/// what they cannot serve waits, and memory above the limit kills a replica.
public struct Cluster: Sendable {
    /// Length of a sub-step in seconds.
    public static let subStepSeconds = 5.0
    /// Sub-steps ahead that a start can be scheduled: 32 slots of 5 s.
    private static let slotMask = 31
    /// A replica that is replaced is away for so many sub-steps; the size changes in the middle.
    private static let rolloutSubSteps = 12

    /// What the application costs; assign to it to simulate an update of the workload.
    public var service: ServiceModel
    public var profile: Profile
    public var dynamics: ClusterDynamics
    /// Whether metrics reach the recommender. Without them an observation has replicas, limits and OOM kills only.
    public var metricsAvailable = true
    /// Replicas that exist and the size they have or are being given.
    public private(set) var allocation: Allocation
    /// Seconds since the start of the simulation, added to `startTime` in observations.
    public private(set) var elapsedSeconds = 0.0
    public let startTime: Double

    public private(set) var ready: Int
    public private(set) var backlog = 0.0
    private var size: Allocation
    private var starting = SIMD32<UInt16>(repeating: 0)
    private var slot = 0
    private var rollout = 0
    /// Work per request over its nominal value.
    public private(set) var workFactor = 1.0
    private var recentKills = 0.0
    private var earlier: Metrics?
    private var random: SimulationRandom

    /// - Parameters:
    ///   - initial: What runs, ready, at the beginning; clamped to the profile's limits.
    ///   - startTime: Time of the first step, in seconds since 1970.
    public init(
        application: SyntheticApplication, profile: Profile? = nil, initial: Allocation? = nil, seed: UInt64,
        dynamics: ClusterDynamics = ClusterDynamics(), startTime: Double = 0
    ) {
        self.init(
            service: application.service, profile: profile ?? application.profile,
            initial: initial ?? application.defaultSize, seed: seed, dynamics: dynamics, startTime: startTime)
    }

    /// The same for costs that were not generated but identified.
    public init(
        service: ServiceModel, profile: Profile, initial: Allocation, seed: UInt64,
        dynamics: ClusterDynamics = ClusterDynamics(), startTime: Double = 0
    ) {
        self.service = service
        self.profile = profile
        self.dynamics = dynamics
        self.startTime = startTime
        allocation = profile.clamp(initial)
        size = allocation
        ready = allocation.replicas
        random = SimulationRandom(seed: seed)
    }

    /// Replicas that take requests.
    public var readyReplicas: Int { max(0, ready - (rollout > 0 ? 1 : 0)) }

    /// Carries out `desired` (clamped to the profile's limits) and lives through one decision step.
    /// - Parameter load: Requests per second that arrive in each sub-step; its count is the length of the step.
    public mutating func step(desired: Allocation, load: [Double]) -> StepOutcome {
        load.withUnsafeBufferPointer { step(desired: desired, load: $0) }
    }

    /// The same for a part of a longer series.
    public mutating func step(desired: Allocation, load: ArraySlice<Double>) -> StepOutcome {
        load.withUnsafeBufferPointer { step(desired: desired, load: $0) }
    }

    private mutating func step(desired: Allocation, load: UnsafeBufferPointer<Double>) -> StepOutcome {
        var outcome = StepOutcome()
        actuate(profile.clamp(desired), into: &outcome)
        // A slow wander: CPU work per request is never quite what it was (inputs differ).
        let innovation = dynamics.workDeviation * (1 - dynamics.workPersistence * dynamics.workPersistence).squareRoot()
        workFactor = 1 + (workFactor - 1) * dynamics.workPersistence + innovation * random.normal()
        var usage = Usage()
        recentKills *= exponential(-Double(load.count) * Self.subStepSeconds / 600)
        withUnsafeTemporaryAllocation(of: LatencyMixture.Part.self, capacity: load.count) { parts in
            for (index, rate) in load.enumerated() {
                advance()
                let part = serve(max(0, rate), into: &outcome, usage: &usage)
                parts.initializeElement(at: index, to: part)
            }
            outcome.latencySeconds = LatencyMixture.quantile(of: UnsafeBufferPointer(parts), tail: tail)
        }
        let seconds = Double(load.count) * Self.subStepSeconds
        elapsedSeconds += seconds
        finish(&outcome, usage: usage, seconds: seconds)
        return outcome
    }

    /// Share of requests that may be slower than the objective's percentile.
    private var tail: Double {
        if case .latency(_, let percentile) = profile.objective { return max(1e-4, 1 - percentile / 100) }
        return 0.01
    }

    /// Orders replicas and sizes. New replicas start; superfluous ones go at once, those not yet ready first.
    private mutating func actuate(_ desired: Allocation, into outcome: inout StepOutcome) {
        let added = desired.replicas - allocation.replicas
        outcome.replicasChanged = added != 0
        if added > 0 { start(added, after: service.startupSeconds * dynamics.startupFactor) }
        if added < 0 { stop(-added) }
        outcome.resized =
            desired.cpuMillicores != allocation.cpuMillicores || desired.memoryBytes != allocation.memoryBytes
        if outcome.resized {
            switch dynamics.resize {
            case .inPlace: size = desired
            case .restart:
                // One pod after the other is replaced while a step lasts: one is always missing.
                rollout = Self.rolloutSubSteps
                outcome.restarts += desired.replicas
            }
        }
        allocation = desired
    }

    private mutating func start(_ count: Int, after seconds: Double) {
        let delay = min(max(Int((seconds / Self.subStepSeconds).rounded()), 1), Self.slotMask)
        starting[(slot + delay) & Self.slotMask] += UInt16(truncatingIfNeeded: count)
    }

    /// The kubelet's crash-loop back-off for one more kill: none at first, then 10 s, doubled with every further kill of
    /// the same container (here of a replica on average) and forgotten over ten minutes.
    private mutating func backOff() -> Double {
        recentKills += 1
        let each = recentKills / Double(max(1, allocation.replicas))
        return each <= 1 ? 0 : 10 * power(2, min(each - 1, 5) - 1)
    }

    private mutating func stop(_ count: Int) {
        var left = count
        // Latest start first: it is the farthest from being of use.
        for ahead in stride(from: Self.slotMask, through: 1, by: -1) where left > 0 {
            let index = (slot + ahead) & Self.slotMask
            let taken = min(left, Int(starting[index]))
            starting[index] -= UInt16(truncatingIfNeeded: taken)
            left -= taken
        }
        ready -= left
    }

    /// Lets time pass by one sub-step: starts complete, a rollout goes on.
    private mutating func advance() {
        slot = (slot + 1) & Self.slotMask
        ready += Int(starting[slot])
        starting[slot] = 0
        if rollout > 0 {
            rollout -= 1
            if rollout == Self.rolloutSubSteps / 2 || rollout == 0 { size = allocation }
        }
    }

    /// One sub-step of requests: fluid queue in front of M/M/1-PS replicas, memory by Little's law.
    private mutating func serve(
        _ rate: Double, into outcome: inout StepOutcome, usage: inout Usage
    ) -> LatencyMixture.Part {
        let cores = Double(size.cpuMillicores) / 1000 / workFactor  // more work per request is less CPU for each
        let each = service.capacity(cores: cores)
        let serving = Double(readyReplicas)
        let limit = serving * each
        let before = backlog
        let offered = before / Self.subStepSeconds + rate
        let throughput = min(offered, limit)
        let mean = service.meanLatency(cores: cores, load: limit > 0 ? throughput / limit : 1)
        // What the replicas that exist could not work off within the clients' timeout is given up.
        let left = max(0, (offered - throughput) * Self.subStepSeconds)
        let patience = Double(allocation.replicas) * each * dynamics.timeoutSeconds
        backlog = min(left, patience)
        outcome.arrived += rate * Self.subStepSeconds
        outcome.served += throughput * Self.subStepSeconds
        outcome.dropped += left - backlog

        let inFlight = serving > 0 ? min(ServiceModel.requestsInFlightMax, throughput / serving * mean) : 0
        let bytes = service.baseBytes + service.bytesPerRequest * inFlight
        let replicas = Double(allocation.replicas)
        usage.cores += throughput * service.cpuSeconds * workFactor
        usage.readyCores += serving * Double(size.cpuMillicores) / 1000
        usage.allCores += replicas * Double(size.cpuMillicores) / 1000
        usage.bytes += replicas * service.baseBytes + serving * service.bytesPerRequest * inFlight
        usage.readyBytesUsed += serving * bytes
        usage.readyBytes += serving * Double(size.memoryBytes)
        let hottest =
            service.baseBytes
            + service.bytesPerRequest * min(ServiceModel.requestsInFlightMax, inFlight * (1 + dynamics.skew))
        if serving > 0 { usage.peak = max(usage.peak, hottest / Double(size.memoryBytes)) }
        usage.allBytes += replicas * Double(size.memoryBytes)
        if hottest > Double(size.memoryBytes), ready > 0 {
            // The kernel kills one container at a time; the others then share its load.
            ready -= 1
            start(1, after: service.startupSeconds * dynamics.startupFactor + backOff())
            outcome.oomKills += 1
            outcome.restarts += 1
        }
        let wait = limit > 0 ? min(dynamics.timeoutSeconds, (before + backlog) / 2 / limit) : dynamics.timeoutSeconds
        return LatencyMixture.Part(weight: rate + before / Self.subStepSeconds, wait: wait, mean: mean)
    }

    /// Sums over the sub-steps of a step: what was used, and what there was, in all replicas and in the ready ones.
    private struct Usage {
        var cores = 0.0
        var readyCores = 0.0
        var allCores = 0.0
        var bytes = 0.0
        var readyBytesUsed = 0.0
        var readyBytes = 0.0
        var allBytes = 0.0
        /// The hottest replica's memory over its limit.
        var peak = 0.0
    }

    private mutating func finish(_ outcome: inout StepOutcome, usage: Usage, seconds: Double) {
        outcome.backlog = backlog
        outcome.coreSeconds = usage.allCores * Self.subStepSeconds
        outcome.byteSeconds = usage.allBytes * Self.subStepSeconds
        outcome.cpuUtilization = usage.allCores > 0 ? usage.cores / usage.allCores : 0
        outcome.memoryUtilization = usage.allBytes > 0 ? usage.bytes / usage.allBytes : 0
        switch profile.objective {
        case .latency(let objective, _):
            outcome.violated = outcome.latencySeconds > objective
            outcome.sloPreservation = outcome.violated ? objective / outcome.latencySeconds : 1
        case .throughput(let perSecond):
            // No more can be served than arrives: a quiet minute is not a violation.
            let wanted = min(perSecond, outcome.arrived / seconds)
            outcome.violated = outcome.served / seconds < wanted * 0.999
            outcome.sloPreservation = outcome.violated ? outcome.served / seconds / wanted : 1
        case .none: break
        }
        let utilization = (min(1, outcome.cpuUtilization) + min(1, outcome.memoryUtilization)) / 2
        outcome.reward = profile.reward.alpha * outcome.sloPreservation + (1 - profile.reward.alpha) * utilization
        observe(&outcome, usage: usage, seconds: seconds)
    }

    // MARK: What a recommender is told

    /// Exact metrics of one step, before noise.
    private struct Metrics: Sendable {
        var cpu: Double
        var memory: Double
        var peak: Double
        var latency: Double
        var arrived: Double
        var served: Double
    }

    /// A recommender's utilisations are means over replicas that are ready: a pod that starts has no metrics yet.
    private mutating func observe(_ outcome: inout StepOutcome, usage: Usage, seconds: Double) {
        let current = Metrics(
            cpu: usage.readyCores > 0 ? usage.cores / usage.readyCores : 0,
            memory: usage.readyBytes > 0 ? usage.readyBytesUsed / usage.readyBytes : 0, peak: usage.peak,
            latency: outcome.latencySeconds, arrived: outcome.arrived / seconds, served: outcome.served / seconds)
        let seen = dynamics.metricsLagSteps > 1 ? earlier ?? current : current
        earlier = current
        var observation = Observation(replicas: allocation.replicas)
        observation.cpuMillicores = allocation.cpuMillicores
        observation.memoryBytes = allocation.memoryBytes
        observation.readyReplicas = readyReplicas
        observation.oomKills = outcome.oomKills
        observation.time = startTime + elapsedSeconds
        // The noise is drawn in any case, so an outage of metrics does not change what happens afterwards.
        let cpu = noisy(seen.cpu)
        let memory = noisy(seen.memory)
        let latency = noisy(seen.latency)
        let arrived = noisy(seen.arrived)
        let served = noisy(seen.served)
        if metricsAvailable {
            observation.cpuUtilization = cpu
            observation.memoryUtilization = memory
            if dynamics.reportsPeaks { observation.memoryPeakUtilization = seen.peak }
            observation.latencySeconds = latency
            observation.requestRate = arrived
            observation.throughput = served
        }
        outcome.observation = observation
    }

    private mutating func noisy(_ value: Double) -> Double {
        max(0, value * (1 + dynamics.metricNoise * random.normal()))
    }
}

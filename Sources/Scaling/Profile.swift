// What the owner of an application wants: its objective, its limits, and how much freedom a policy has.

/// The declarative profile of one application. Every field has the documented default.
public struct Profile: Sendable, Equatable {
    /// The service-level objective that the reward's SP term measures.
    public enum Objective: Sendable, Equatable {
        /// The latency at `percentile` (0..100) shall stay at or below `seconds`.
        case latency(seconds: Double, percentile: Double)
        /// At least this many requests per second shall be served.
        case throughput(perSecond: Double)
        /// No objective: SP is always 1 (AWARE, USENIX ATC 2023).
        case none
    }

    /// Limits of one resource of one replica and the grid it is changed on: millicores or bytes.
    public struct Bounds: Sendable, Equatable {
        public var min: Int
        public var max: Int
        public var step: Int

        public init(min: Int, max: Int, step: Int) {
            self.min = min
            self.max = max
            self.step = step
        }
    }

    /// Weights of the step reward and of what training subtracts from it (reported rewards use `alpha` alone).
    public struct RewardWeights: Sendable, Equatable {
        /// Share of SLO preservation; the rest goes to utilisation.
        public var alpha = 0.7
        /// Per step that violates the objective.
        public var violation = 0.045
        /// Per OOM kill.
        public var oom = 0.27
        /// Per step that changes the number of replicas.
        public var replicaChange = 0.006
        /// Per step that changes a replica's size.
        public var resize = 0.012
        /// Per unit (0..1) of CPU that is allocated and not used.
        public var unusedCpu = 0.075

        public init() {}
    }

    /// How a change of limits is carried out.
    public enum Resize: String, Sendable, CaseIterable { case inPlace, restart }

    public enum Algorithm: String, Sendable, CaseIterable { case ppo, ddpg, dqn, reinforce, rules }

    /// Who carries out a decision: the caller at once, the caller after an approval, or nobody (shadow).
    public enum Actuation: String, Sendable, CaseIterable { case auto, approve, observe }

    /// Rewards that move the lifecycle. `nil` is derived from the application's own rule-based reward.
    public struct Thresholds: Sendable, Equatable {
        public var online: Double?
        public var serving: Double?
        public var deviation: Double?
        /// Episodes in the window of the detector.
        public var window = 10

        public init() {}
    }

    /// Limits on what one decision, and a series of them, may change.
    public struct GuardLimits: Sendable, Equatable {
        /// Replicas that one decision may add.
        public var maxStepUp = 4
        /// Replicas that one decision may remove.
        public var maxStepDown = 2
        /// A scale-down waits until no higher count was asked for in so many seconds.
        public var stabilizationDownSeconds = 0
        /// Changes of direction in an hour after which the application holds.
        public var reversalsPerHour = 12
        /// An observation older than this is not acted on.
        public var staleSeconds = 120

        public init() {}
    }

    /// Targets of the rules: HPA's CPU utilisation and VPA's margin over the memory estimate; and whether and how far they may
    /// be fitted to the application's own record.
    public struct Fallback: Sendable, Equatable {
        public var cpuTarget = 0.7
        /// The least that a calibration may choose.
        public var memoryMargin = 0.15
        public var calibrate = true
        /// What a calibration may choose as `cpuTarget`.
        public var cpuTargetMin = 0.3
        public var cpuTargetMax = 0.9

        public init() {}
    }

    public var objective: Objective = .latency(seconds: 0.5, percentile: 99)
    public var minReplicas = 1
    public var maxReplicas = 20
    public var cpu = Bounds(min: 128, max: 2048, step: 128)
    public var memory = Bounds(min: 128 << 20, max: 3072 << 20, step: 128 << 20)
    public var reward = RewardWeights()
    /// What the application may cost, and at how many violations.
    public var bill = BillObjective()
    public var resize: Resize = .inPlace
    public var algorithm: Algorithm = .ppo
    public var episodeSteps = 100
    public var stepSeconds = 60
    public var bootstrap = true
    public var meta = true
    /// While a policy acts, one episode in ten is left to the rules, to measure what they earn. Without these their
    /// reward is what the judge's fitted simulator says.
    public var controlEpisodes = true
    public var thresholds = Thresholds()
    /// An owner who gave thresholds speaks in rewards as they are reported, not in the bill.
    public var goesByReward: Bool { thresholds.online != nil || thresholds.serving != nil || thresholds.deviation != nil }
    public var actuation: Actuation = .auto
    public var guards = GuardLimits()
    public var fallback = Fallback()
    /// Containers that the recommendation names; `*` stands for all.
    public var containers = ["*"]

    public init() {}

    /// The profile of an application that nobody described: the defaults, widened so that what runs may go on and grow.
    public static func holding(_ observation: Observation) -> Profile {
        var profile = Profile()
        let (observation, _) = observation.readable()
        let replicas = Swift.min(Swift.max(observation.replicas, observation.existingReplicas ?? 0), 1_000_000)
        profile.maxReplicas = Swift.max(profile.maxReplicas, 2 * replicas)
        if let cpu = observation.cpuMillicores {
            profile.cpu.min = Swift.min(profile.cpu.min, cpu)
            profile.cpu.max = Swift.max(profile.cpu.max, cpu)
        }
        if let memory = observation.memoryBytes, memory < 1 << 50 {
            profile.memory.min = Swift.min(profile.memory.min, memory)
            profile.memory.max = Swift.max(profile.memory.max, 2 * memory)
        }
        return profile
    }

    /// The nearest allocation inside the limits. Replicas and sizes are clamped, not moved to the grid.
    public func clamp(_ allocation: Allocation) -> Allocation {
        Allocation(
            replicas: Swift.min(Swift.max(allocation.replicas, minReplicas), maxReplicas),
            cpuMillicores: Swift.min(Swift.max(allocation.cpuMillicores, cpu.min), cpu.max),
            memoryBytes: Swift.min(Swift.max(allocation.memoryBytes, memory.min), memory.max))
    }
}

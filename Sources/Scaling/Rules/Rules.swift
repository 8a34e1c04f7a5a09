// The rules that act when no policy may: HPA on replicas, VPA on a replica's size. Also what policies are measured by.

import Base

/// The fallback controller of one application, with its whole history (about 2 KB).
public struct Rules: Sendable {
    /// Which dimensions the rules change; the others keep their current size.
    public enum Mode: UInt8, Sendable, CaseIterable {
        /// HPA on CPU, VPA on memory: the two do not work against each other. The default.
        case replicasAndMemory
        /// HPA alone.
        case replicas
        /// HPA and VPA on CPU and memory, as the paper's baseline (AWARE, USENIX ATC 2023).
        case all
        /// VPA on CPU and memory, a fixed number of replicas.
        case vertical
    }

    /// The calibration of the rules.
    public struct Options: Sendable, Equatable {
        public var mode: Mode
        /// HPA's target for CPU utilisation, 0..1.
        public var cpuTarget: Double
        /// VPA's margin over the estimated use of CPU.
        public var cpuMargin: Double
        /// VPA's margin over the estimated use of memory.
        public var memoryMargin: Double
        /// VPA recommends at least this; `nil` stands for the profile's minimum.
        public var cpuFloor: Int?
        public var memoryFloor: Int?
        /// When set, the size is always this: HPA with a calibrated size.
        public var fixedCpu: Int?
        /// The owner's size, which takes the place of a smaller `fixedCpu` where the largest number of replicas is too few of that.
        public var configuredCpu: Int?
        public var fixedMemory: Int?
        /// Sizes follow the recommender's target with every observation, without an updater: a baseline that has it
        /// easier than Kubernetes'.
        public var actsAtOnce = false

        public init(
            mode: Mode = .replicasAndMemory, cpuTarget: Double = 0.7, cpuMargin: Double = VPA.margin,
            memoryMargin: Double = VPA.margin, cpuFloor: Int? = nil, memoryFloor: Int? = nil, fixedCpu: Int? = nil,
            fixedMemory: Int? = nil
        ) {
            self.mode = mode
            self.cpuTarget = cpuTarget
            self.cpuMargin = cpuMargin
            self.memoryMargin = memoryMargin
            self.cpuFloor = cpuFloor
            self.memoryFloor = memoryFloor
            self.fixedCpu = fixedCpu
            self.fixedMemory = fixedMemory
        }

        /// As the profile's `fallback` says.
        public init(_ profile: Profile) {
            self.init(cpuTarget: profile.fallback.cpuTarget, memoryMargin: profile.fallback.memoryMargin)
        }

        /// Kubernetes as it comes: both resources, both floors.
        public static let kubernetesDefault = Options(
            mode: .all, cpuTarget: 0.8, cpuFloor: VPA.kubernetesFloor.cpuMillicores,
            memoryFloor: VPA.kubernetesFloor.memoryBytes)
    }

    /// VPA's status shape for one resource, in millicores or bytes: within the profile's limits but for
    /// `uncappedTarget`.
    public struct Recommendation: Sendable, Equatable {
        public var target: Int
        public var lowerBound: Int
        public var upperBound: Int
        public var uncappedTarget: Int
    }

    /// May be changed at any time; the history stays.
    public var options: Options
    public var profile: Profile
    private var hpa = HPA()
    private var vpa = VPA()
    private var updater = VPAUpdater()

    public init(_ profile: Profile, options: Options? = nil) {
        self.profile = profile
        self.options = options ?? Options(profile)
    }

    /// Takes in an observation and says what the rules would do now. Whatever was not measured is left as it is.
    ///
    /// Sizes follow VPA's target when its updater would act on it (`VPAUpdater`), or at once if the options say so.
    ///
    /// - Parameters:
    ///   - current: the allocation that was observed.
    ///   - killedMax: bytes that a kill may raise the estimate to at most; `nil` for no bound.
    ///   - isOwners: the size is what its owner just set.
    ///   - time: seconds; the clock that also orders the history.
    /// - Returns: an allocation within the profile's limits.
    public mutating func recommend(
        _ observation: Observation, current: Allocation, killedMax: Double? = nil, isOwners: Bool = false, time: Double
    ) -> Allocation {
        let cpuLimit = Double(current.cpuMillicores) / 1000
        let memoryLimit = Double(current.memoryBytes)
        let memoryShare = observation.memoryUtilization.map { max($0, observation.memoryPeakUtilization ?? 0) }
        let isKilled = (observation.oomKills ?? 0) > 0
        vpa.observe(
            cpuCores: observation.cpuUtilization.map { $0 * cpuLimit }, cpuLimit: cpuLimit,
            memoryBytes: memoryShare.map { $0 * memoryLimit }, memoryLimit: memoryLimit,
            isOom: isKilled && isOwn(memoryLimit: current.memoryBytes), killedMax: killedMax, time: time)
        updater.observe(current, isOwners: isOwners, time: time)
        let memoryEstimate = memoryEstimate
        memoryTarget = memoryEstimate?.target
        var next = current
        let fixedCpu = options.fixedCpu.map { size($0, observation, current) }
        if options.mode != .vertical {
            next.replicas = hpa.recommend(
                utilization: observation.cpuUtilization.map { $0 * sizeRatio(current, fixedCpu) }, target: options.cpuTarget,
                replicas: current.replicas,
                readyReplicas: observation.readyReplicas, profile: profile, time: time)
        }
        if let fixedCpu {
            next.cpuMillicores = fixedCpu
        } else if options.mode == .all || options.mode == .vertical, let estimate = cpuEstimate {
            let target = Self.whole(estimate.target * 1000, unit: 1)
            if !options.actsAtOnce, !updater.acts(on: estimate, limit: cpuLimit, since: updater.cpuSince, time: time) {
                next.cpuMillicores = current.cpuMillicores
            } else {
                next.cpuMillicores = target
            }
        }
        if let fixed = options.fixedMemory {
            next.memoryBytes = fixed
        } else if options.mode != .replicas, let estimate = memoryEstimate,
            options.actsAtOnce || isKilled
                || updater.acts(on: estimate, limit: memoryLimit, since: updater.memorySince, time: time)
        {
            next.memoryBytes = Self.whole(estimate.target, unit: 1 << 20)
        }
        return profile.clamp(next)
    }

    /// Share of the largest count of calibrated replicas that the load must fit into before they take the place of the owner's again.
    private static let outgrownUntil = 0.7

    /// `fixed`, or the owner's size while the load wants more replicas of `fixed` than there may be. A load that has outgrown the record
    /// that the size was calibrated on would otherwise be missed until it is calibrated anew.
    private func size(_ fixed: Int, _ observation: Observation, _ current: Allocation) -> Int {
        guard let configured = options.configuredCpu, configured > fixed, fixed > 0, options.cpuTarget > 0 else { return fixed }
        let isOwners = current.cpuMillicores >= configured
        guard let use = observation.cpuUtilization, use.isFinite else { return isOwners ? configured : fixed }
        let ready = Double(min(observation.readyReplicas ?? current.replicas, current.replicas))
        let wanted = use * ready * Double(current.cpuMillicores) / (Double(fixed) * options.cpuTarget)
        return wanted > Double(profile.maxReplicas) * (isOwners ? Self.outgrownUntil : 1) ? configured : fixed
    }

    /// What a use of the present size is of the size that the count comes with. Where the rules take over from somebody who
    /// sized replicas otherwise, a count for the present size would be too few of the smaller one.
    private func sizeRatio(_ current: Allocation, _ fixed: Int?) -> Double {
        guard let fixed, current.cpuMillicores > 0 else { return 1 }
        let given = min(max(fixed, profile.cpu.min), profile.cpu.max)
        return given > 0 ? Double(current.cpuMillicores) / Double(given) : 1
    }

    /// Whether a kill at this limit speaks against the rules' own target. Who gave less than that (a policy, a person)
    /// was killed for it; VPA's 100 MiB on top of such a limit would make the rules pay for what was not their doing.
    private func isOwn(memoryLimit: Int) -> Bool {
        guard let target = memoryEstimate?.target else { return true }
        return memoryLimit >= min(Self.whole(target, unit: 1 << 20), profile.memory.max)
    }

    /// VPA's target for memory in bytes as of the last observation, floored but not limited; `nil` before the first sample.
    /// The policies' state has it as a hint.
    public private(set) var memoryTarget: Double?

    /// VPA's status for CPU in millicores; `nil` before the first sample.
    public var cpuRecommendation: Recommendation? {
        cpuEstimate.map {
            Self.recommendation($0, scale: 1000, unit: 1, bounds: profile.cpu)
        }
    }

    /// VPA's status for memory in bytes, in whole MiB; `nil` before the first sample.
    public var memoryRecommendation: Recommendation? {
        memoryEstimate.map { Self.recommendation($0, scale: 1, unit: 1 << 20, bounds: profile.memory) }
    }

    private var cpuEstimate: VPA.Estimate? {
        vpa.cpuEstimate(margin: options.cpuMargin).map {
            Self.floored($0, at: Double(options.cpuFloor ?? profile.cpu.min) / 1000)
        }
    }

    private var memoryEstimate: VPA.Estimate? {
        vpa.memoryEstimate(margin: options.memoryMargin).map {
            Self.floored($0, at: Double(options.memoryFloor ?? profile.memory.min))
        }
    }

    private static func floored(_ estimate: VPA.Estimate, at floor: Double) -> VPA.Estimate {
        VPA.Estimate(
            target: max(estimate.target, floor), lower: max(estimate.lower, floor), upper: max(estimate.upper, floor))
    }

    private static func recommendation(
        _ estimate: VPA.Estimate, scale: Double, unit: Int, bounds: Profile.Bounds
    ) -> Recommendation {
        func capped(_ value: Double) -> Int { min(max(whole(value * scale, unit: unit), bounds.min), bounds.max) }
        return Recommendation(
            target: capped(estimate.target), lowerBound: capped(estimate.lower), upperBound: capped(estimate.upper),
            uncappedTarget: whole(estimate.target * scale, unit: unit))
    }

    /// Rounded up to whole units; infinity to a value above every limit.
    private static func whole(_ value: Double, unit: Int) -> Int {
        let units = (value / Double(unit) * (1 - 1e-12)).rounded(.up)
        return Int(min(units, 1e15 / Double(unit))) * unit
    }

    private static let version: UInt8 = 2

    /// The history (not the profile and the options).
    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        hpa.encode(into: &writer)
        vpa.encode(into: &writer)
        updater.encode(into: &writer)
    }

    /// Reads what `encode` wrote; throws on anything else.
    public init(
        _ profile: Profile, options: Options? = nil, from reader: inout ByteReader
    ) throws(ByteReader.Failure) {
        self.init(profile, options: options)
        let version = try reader.integer(UInt8.self)
        guard version == 1 || version == Self.version else { throw .malformed }
        hpa = try HPA(from: &reader)
        vpa = try VPA(from: &reader)
        if version > 1 { updater = try VPAUpdater(from: &reader) }
    }
}

// Whether an observation can be trusted: what is wrong with it, judged by itself and against its predecessor.

import Base

/// What was noticed about one observation. Some of it forbids to act, some forbids to scale down, some is only told.
public struct ObservationQuality: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Neither CPU, memory, latency, SLO preservation nor request rate was measured.
    public static let missingMetrics = Self(rawValue: 1 << 0)
    public static let missingCpu = Self(rawValue: 1 << 1)
    public static let missingMemory = Self(rawValue: 1 << 2)
    /// The objective's measure was there before and is gone, although requests arrive or may arrive.
    public static let missingObjective = Self(rawValue: 1 << 3)
    public static let notFinite = Self(rawValue: 1 << 4)
    public static let negative = Self(rawValue: 1 << 5)
    /// Measured longer ago than `guards.staleSeconds`.
    public static let stale = Self(rawValue: 1 << 6)
    /// Measured in the future by more than `guards.staleSeconds`, or our own clock went back.
    public static let clockJump = Self(rawValue: 1 << 7)
    /// Measured before its predecessor.
    public static let outOfOrder = Self(rawValue: 1 << 8)
    /// Measured at the very time of its predecessor: sent twice, or by two recommenders.
    public static let duplicate = Self(rawValue: 1 << 9)
    /// Exact zeros where zero is not possible, or all at once after a time of load.
    public static let zeroed = Self(rawValue: 1 << 10)
    /// All metrics equal, to the last bit, to those of the observations before.
    public static let frozen = Self(rawValue: 1 << 11)
    /// No replica exists although the profile wants some: the count is not believed.
    public static let noReplicas = Self(rawValue: 1 << 12)
    /// The first observation after a long silence: what is known of the past is out of date.
    public static let gap = Self(rawValue: 1 << 13)
    /// The replicas are neither what they were nor what was answered: someone else changed them.
    public static let replicasChanged = Self(rawValue: 1 << 14)
    /// The same for a replica's limits.
    public static let limitsChanged = Self(rawValue: 1 << 15)
    /// The caller says that the previous decision was not carried out.
    public static let notApplied = Self(rawValue: 1 << 16)
    /// OOM kills were reported: memory may rise whatever else is unknown.
    public static let oomKilled = Self(rawValue: 1 << 17)

    /// Nothing may be changed on this observation.
    static let holding: Self = [
        .missingMetrics, .notFinite, .negative, .stale, .clockJump, .outOfOrder, .duplicate, .frozen, .noReplicas,
    ]
    /// More may be given, less may not.
    static let notDown: Self = [.missingCpu, .missingObjective, .zeroed, .gap]

    /// The application keeps what it has.
    public var holds: Bool { !isDisjoint(with: Self.holding) }
    /// Neither replicas, CPU nor memory may be taken away.
    public var forbidsDown: Bool { !isDisjoint(with: Self.holding.union(Self.notDown)) }
    /// Memory may not be taken away.
    public var forbidsMemoryDown: Bool { forbidsDown || contains(.missingMemory) }
    /// Nothing limits what may be done. What is only told (changes by others, not applied) does not count.
    public var isGood: Bool { !forbidsMemoryDown }

    private static let names: [(Self, String)] = [
        (.missingMetrics, "missingMetrics"), (.missingCpu, "missingCpu"), (.missingMemory, "missingMemory"),
        (.missingObjective, "missingObjective"), (.notFinite, "notFinite"), (.negative, "negative"),
        (.stale, "stale"), (.clockJump, "clockJump"), (.outOfOrder, "outOfOrder"), (.duplicate, "duplicate"),
        (.zeroed, "zeroed"), (.frozen, "frozen"), (.noReplicas, "noReplicas"), (.gap, "gap"),
        (.replicasChanged, "replicasChanged"), (.limitsChanged, "limitsChanged"), (.notApplied, "notApplied"),
        (.oomKilled, "oomKilled"),
    ]

    /// The names of all that was noticed, in the order of declaration.
    public var reasons: [String] { Self.names.filter { contains($0.0) }.map(\.1) }
}

extension Profile {
    /// After a silence of so many seconds (ten steps, at least ten minutes) histories begin anew.
    public var gapSeconds: Double { max(10 * Double(stepSeconds), 600) }
}

/// Classifies the observations of one application, one after another.
public struct ObservationChecker: Sendable {
    /// Repetitions of bit-identical metrics from which on they count as frozen.
    public static let frozenRepetitions = 5
    /// Observations without any load for which zeros after a time of load are doubted.
    public static let doubtedZeros = 5

    /// The metrics of the previous observation, NaN where missing, compared bit by bit.
    private var metrics = InlineArray<6, UInt64>(repeating: Double.nan.bitPattern)
    private var repetitions: UInt8 = 0
    private var zeros: UInt8 = 0
    private var hadLoad = false
    private var hadObjective = false
    private var lastTime: Double?
    private var lastNow: Double?
    private var lastReplicas: Int32 = -1
    private var lastCpu: Int32 = -1
    private var lastMemory: Int64 = -1

    public init() {}

    /// What is to be said of `observation`, which arrives at `now` (seconds, the server's clock).
    ///
    /// - Parameter answered: what the previous decision asked for, if there was one.
    public mutating func check(
        _ observation: Observation, answered: Allocation?, profile: Profile, now: Double
    ) -> ObservationQuality {
        var quality = checkValues(observation, profile)
        quality.formUnion(checkClocks(observation, profile, now: now))
        quality.formUnion(checkAllocation(observation, answered: answered, profile))
        quality.formUnion(checkRepetition(observation))
        return quality
    }

    private mutating func checkValues(_ observation: Observation, _ profile: Profile) -> ObservationQuality {
        var quality: ObservationQuality = []
        func look(_ value: Double?) {
            guard let value else { return }
            if !value.isFinite { quality.insert(.notFinite) } else if value < 0 { quality.insert(.negative) }
        }
        look(observation.cpuUtilization)
        look(observation.memoryUtilization)
        look(observation.latencySeconds)
        look(observation.sloPreservation)
        look(observation.requestRate)
        look(observation.throughput)
        look(observation.networkUtilization)
        look(observation.ioUtilization)
        look(observation.throttledRatio)
        look(observation.time)
        if let reward = observation.reward, !reward.isFinite { quality.insert(.notFinite) }
        if (observation.oomKills ?? 0) < 0 || (observation.readyReplicas ?? 0) < 0 || observation.replicas < 0
            || (observation.cpuMillicores ?? 0) < 0 || (observation.memoryBytes ?? 0) < 0
        {
            quality.insert(.negative)
        }
        if (observation.oomKills ?? 0) > 0 { quality.insert(.oomKilled) }
        if !observation.applied { quality.insert(.notApplied) }

        let objective: Double? =
            switch profile.objective {
            case .latency: observation.sloPreservation ?? observation.latencySeconds
            case .throughput: observation.sloPreservation ?? observation.throughput
            case .none: 1
            }
        let isIdle = observation.requestRate == 0
        if objective == nil, hadObjective, !isIdle { quality.insert(.missingObjective) }
        if objective != nil { hadObjective = true }
        if observation.cpuUtilization == nil { quality.insert(.missingCpu) }
        if observation.memoryUtilization == nil { quality.insert(.missingMemory) }
        if observation.cpuUtilization == nil, observation.memoryUtilization == nil, observation.latencySeconds == nil,
            observation.sloPreservation == nil, observation.requestRate == nil
        {
            quality.insert(.missingMetrics)
        }
        quality.formUnion(checkZeros(observation))
        return quality
    }

    /// A running container uses memory, and requests take CPU and time: zero there is a broken metric. When instead
    /// all load vanishes between two observations, the source of the metrics is doubted for a few of them.
    private mutating func checkZeros(_ observation: Observation) -> ObservationQuality {
        let arrives = (observation.requestRate ?? 0) > 0
        if observation.memoryUtilization == 0 { return .zeroed }
        if arrives, observation.cpuUtilization == 0 || observation.latencySeconds == 0 { return .zeroed }
        let hasLoad = arrives || (observation.cpuUtilization ?? 0) > 0
        let isMeasured = observation.requestRate != nil || observation.cpuUtilization != nil
        if hasLoad {
            hadLoad = true
            zeros = 0
        } else if isMeasured, hadLoad {
            zeros += 1
            if Int(zeros) <= Self.doubtedZeros { return .zeroed }
            hadLoad = false
        }
        return []
    }

    private mutating func checkClocks(
        _ observation: Observation, _ profile: Profile, now: Double
    ) -> ObservationQuality {
        var quality: ObservationQuality = []
        let allowance = Double(profile.guards.staleSeconds)
        if let time = observation.time, time.isFinite {
            if now - time > allowance { quality.insert(.stale) }
            if time - now > allowance { quality.insert(.clockJump) }
            if let lastTime, time < lastTime { quality.insert(.outOfOrder) }
            if let lastTime, time == lastTime { quality.insert(.duplicate) }
            // Also when it went back: after one observation a clock that was set is followed again.
            lastTime = time
        }
        if let lastNow {
            if now < lastNow - 1 { quality.insert(.clockJump) }
            if now - lastNow > profile.gapSeconds { quality.insert(.gap) }
        }
        lastNow = now
        return quality
    }

    private mutating func checkAllocation(
        _ observation: Observation, answered: Allocation?, _ profile: Profile
    ) -> ObservationQuality {
        var quality: ObservationQuality = []
        if observation.replicas == 0, profile.minReplicas > 0 { quality.insert(.noReplicas) }
        let replicas = Int32(clamping: observation.replicas)
        if lastReplicas >= 0, replicas != lastReplicas, let answered, observation.replicas != answered.replicas {
            quality.insert(.replicasChanged)
        }
        lastReplicas = replicas
        if let cpu = observation.cpuMillicores {
            if lastCpu >= 0, Int32(clamping: cpu) != lastCpu, let answered, cpu != answered.cpuMillicores {
                quality.insert(.limitsChanged)
            }
            lastCpu = Int32(clamping: cpu)
        }
        if let memory = observation.memoryBytes {
            if lastMemory >= 0, Int64(memory) != lastMemory, let answered, memory != answered.memoryBytes {
                quality.insert(.limitsChanged)
            }
            lastMemory = Int64(memory)
        }
        return quality
    }

    /// Two metrics at least must repeat: a single coarse one may do so by itself. An idle application may as well.
    private mutating func checkRepetition(_ observation: Observation) -> ObservationQuality {
        let new: [6 of UInt64] = [
            (observation.cpuUtilization ?? .nan).bitPattern, (observation.memoryUtilization ?? .nan).bitPattern,
            (observation.latencySeconds ?? .nan).bitPattern, (observation.sloPreservation ?? .nan).bitPattern,
            (observation.requestRate ?? .nan).bitPattern, (observation.throughput ?? .nan).bitPattern,
        ]
        var known = 0
        var same = true
        for index in new.indices {
            if !Double(bitPattern: new[index]).isNaN { known += 1 }
            if new[index] != metrics[index] { same = false }
        }
        metrics = new
        let isIdle = observation.requestRate == 0 || (observation.cpuUtilization ?? 0) < 0.01
        guard same, known >= 2, !isIdle else {
            repetitions = 0
            return []
        }
        if Int(repetitions) < Self.frozenRepetitions { repetitions += 1 }
        return Int(repetitions) >= Self.frozenRepetitions ? .frozen : []
    }

    private static let version: UInt8 = 1

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        for index in metrics.indices { writer.write(metrics[index]) }
        writer.write(repetitions)
        writer.write(zeros)
        writer.write(hadLoad)
        writer.write(hadObjective)
        writer.write(lastTime)
        writer.write(lastNow)
        writer.write(lastReplicas)
        writer.write(lastCpu)
        writer.write(lastMemory)
    }

    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        guard try reader.integer(UInt8.self) == Self.version else { throw .malformed }
        for index in metrics.indices { metrics[index] = try reader.integer() }
        repetitions = try reader.integer()
        zeros = min(try reader.integer(), UInt8(Self.doubtedZeros))
        hadLoad = try reader.bool()
        hadObjective = try reader.bool()
        lastTime = try reader.optionalDouble()
        lastNow = try reader.optionalDouble()
        lastReplicas = try reader.integer()
        lastCpu = try reader.integer()
        lastMemory = try reader.integer()
    }
}

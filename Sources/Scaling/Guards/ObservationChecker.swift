// Reads the observations of one application one after another: what can be believed of each, and what cannot.

import Base

extension Profile {
    /// After a silence of so many seconds (ten steps, at least ten minutes) histories begin anew.
    public var gapSeconds: Double { max(10 * Double(stepSeconds), 600) }
}

/// An observation of which only what can be believed is left.
public struct CheckedObservation: Sendable {
    public var observation: Observation
    public var quality: ObservationQuality
    public var unreadable: UnreadableMetrics
    /// When it counts as made, in seconds: what every history goes by. See `ObservationChecker.follow`.
    public var time: Double

    /// What is to be told to the client.
    public var warnings: [String] {
        if quality.isEmpty { return [] }
        let told = quality.subtracting(unreadable.quality).reasons
        return unreadable.isEmpty ? told : told + unreadable.warnings
    }
}

/// Classifies the observations of one application.
public struct ObservationChecker: Sendable {
    /// Repetitions of bit-identical metrics from which on they count as frozen.
    public static let frozenRepetitions = 5
    /// Observations without any load for which zeros after a time of load are doubted.
    public static let doubtedZeros = 5
    /// Observations without any sign of load after which a missing latency is no reason to keep what there is.
    public static let idleFrom = 3
    /// Observations that are older than the newest one after which the clients' clock is taken to have been set back.
    public static let outOfOrderMax = 3
    /// Observations for which more replicas than were answered are put down to a rolling update.
    public static let surgeMax = 10
    /// CPU use below which an application without any request is idle.
    public static let idleBelow = 0.03
    /// Our own clock was set when it goes back by more, or ahead by more than any history remembers.
    public static let setBackSeconds = 86_400.0
    public static let setAheadSeconds = 35 * 86_400.0
    private static let weekSeconds = 7 * 86_400.0

    /// The metrics of the previous observation, NaN where missing, compared bit by bit.
    private var metrics = InlineArray<6, UInt64>(repeating: Double.nan.bitPattern)
    private var repetitions: UInt8 = 0
    private var zeros: UInt8 = 0
    private var idle: UInt8 = 0
    private var older: UInt8 = 0
    private var earlier: UInt8 = 0
    private var surge: UInt8 = 0
    private var hadLoad = false
    private var hadObjective = false
    private var lastTime: Double?
    private var lastNow: Double?
    /// The time that histories go by, and how far it is ahead of our own clock.
    public private(set) var historyTime: Double?
    private var ahead = 0.0
    private var lastReplicas: Int32 = -1
    private var lastCpu: Int32 = -1
    private var lastMemory: Int64 = -1
    /// What was measured last of CPU and memory use and of the request rate, believed or not.
    private var measured = InlineArray<3, Double>(repeating: .nan)
    /// The same, as far as it was believed.
    private var believed = InlineArray<3, Double>(repeating: .nan)

    public init() {}

    /// What can be believed of `observation`, which arrives at `now` (seconds, the clock that decisions go by).
    ///
    /// - Parameter answered: what the previous decision asked for, if there was one.
    public mutating func check(
        _ observation: Observation, answered: Allocation?, profile: Profile, now: Double
    ) -> CheckedObservation {
        let time = follow(now)
        var (observation, unreadable) = observation.readable()
        var quality = unreadable.quality
        if observation.replicas < 0 {
            quality.insert(.negative)
            observation.replicas = answered?.replicas ?? profile.minReplicas
        }
        quality.formUnion(checkClocks(observation, profile, now: now))
        quality.formUnion(checkRepetition(observation, quality, profile))
        // What comes from another time, or again, says nothing: not even what runs.
        let isOld = !quality.isDisjoint(with: .fromAnotherTime)
        if !isOld {
            quality.formUnion(checkZeros(&observation))
            quality.formUnion(checkJumps(&observation))
            quality.formUnion(checkPresence(observation, profile))
            quality.formUnion(checkAllocation(&observation, answered: answered))
        }
        if !observation.applied { quality.insert(.notApplied) }
        return CheckedObservation(observation: observation, quality: quality, unreadable: unreadable, time: time)
    }

    // MARK: What is there

    private mutating func checkPresence(_ observation: Observation, _ profile: Profile) -> ObservationQuality {
        var quality: ObservationQuality = []
        let hasKills = (observation.oomKills ?? 0) > 0
        if hasKills { quality.insert(.oomKilled) }
        let objective: Double? =
            switch profile.objective {
            case .latency: observation.sloPreservation ?? observation.latencySeconds
            case .throughput: observation.sloPreservation ?? observation.throughput
            case .none: 1
            }
        let isIdle = isIdle(observation)
        idle = isIdle ? min(idle + 1, UInt8(Self.idleFrom)) : 0
        if objective == nil, hadObjective, observation.requestRate != 0, Int(idle) < Self.idleFrom {
            quality.insert(.missingObjective)
        }
        if objective != nil { hadObjective = true }
        if observation.cpuUtilization == nil { quality.insert(.missingCpu) }
        if observation.memoryUtilization == nil { quality.insert(.missingMemory) }
        // After OOM kills the metrics of the killed replicas are missing: memory may rise all the same.
        if !hasKills, observation.cpuUtilization == nil, observation.memoryUtilization == nil,
            observation.latencySeconds == nil, observation.sloPreservation == nil, observation.requestRate == nil
        {
            quality.insert(.missingMetrics)
        }
        return quality
    }

    /// No request arrives, or, where requests are not counted, none has a latency and the CPU rests.
    private func isIdle(_ observation: Observation) -> Bool {
        if let rate = observation.requestRate { return rate == 0 }
        return observation.latencySeconds == nil && (observation.throughput ?? 0) == 0
            && (observation.cpuUtilization ?? 1) < Self.idleBelow
    }

    /// A running container uses memory, and requests take CPU and time: zero there is a broken metric. When instead
    /// all load vanishes between two observations, the source of the metrics is doubted for a few of them.
    private mutating func checkZeros(_ observation: inout Observation) -> ObservationQuality {
        var isBroken = false
        let arrives = (observation.requestRate ?? 0) > 0
        if observation.memoryUtilization == 0 {
            observation.memoryUtilization = nil
            isBroken = true
        }
        if arrives, observation.cpuUtilization == 0 {
            observation.cpuUtilization = nil
            isBroken = true
        }
        if arrives, observation.latencySeconds == 0 {
            observation.latencySeconds = nil
            isBroken = true
        }
        let hasLoad = arrives || (observation.cpuUtilization ?? 0) > 0
        let isMeasured = observation.requestRate != nil || observation.cpuUtilization != nil
        if hasLoad {
            hadLoad = true
            zeros = 0
        } else if isMeasured, hadLoad {
            zeros += 1
            if Int(zeros) <= Self.doubtedZeros {
                if observation.cpuUtilization == 0 { observation.cpuUtilization = nil }
                if observation.latencySeconds == 0 { observation.latencySeconds = nil }
                observation.requestRate = nil
                isBroken = true
            } else {
                hadLoad = false
            }
        }
        return isBroken ? .zeroed : []
    }

    // MARK: Jumps

    /// Use above the limit, and a request rate ten times as high as before, are believed once a second observation says
    /// the same. Until then use counts as twice what it was, and the rate as missing.
    private mutating func checkJumps(_ observation: inout Observation) -> ObservationQuality {
        var quality: ObservationQuality = []
        func bounded(_ value: inout Double?, _ index: Int) {
            guard let found = value else { return }
            let isConfirmed = measured[index] >= 0.7 * found
            let bound = max(1.5, believed[index].isNaN ? 1.5 : 2 * believed[index])
            if found > bound, !isConfirmed {
                value = bound
                quality.insert(.unconfirmed)
            }
            measured[index] = found
            believed[index] = value ?? .nan
        }
        bounded(&observation.cpuUtilization, 0)
        bounded(&observation.memoryUtilization, 1)
        if let peak = observation.memoryPeakUtilization, quality.contains(.unconfirmed), peak > 1.5 {
            observation.memoryPeakUtilization = max(observation.memoryUtilization ?? 1.5, 1.5)
        }
        if let rate = observation.requestRate {
            let isJump = !believed[2].isNaN && rate > 10 * believed[2] + 10 && !(measured[2] >= 0.5 * rate)
            measured[2] = rate
            if isJump {
                observation.requestRate = nil
                quality.insert(.unconfirmed)
            } else {
                believed[2] = rate
            }
        }
        return quality
    }

    // MARK: Clocks

    /// The time of histories when our own clock says `now`.
    ///
    /// A clock that is set by years, and perhaps set right again, must neither wipe out what is known of an application nor
    /// keep out what is measured next. Such a jump counts as going on at the same minute of the week, within a week.
    private mutating func follow(_ now: Double) -> Double {
        guard now.isFinite else { return historyTime ?? 0 }
        if let last = historyTime {
            let passed = now + ahead - last
            if passed < -Self.setBackSeconds || passed > Self.setAheadSeconds {
                ahead -= (passed / Self.weekSeconds).rounded(.down) * Self.weekSeconds
            }
        }
        historyTime = now + ahead
        return now + ahead
    }

    private mutating func checkClocks(
        _ observation: Observation, _ profile: Profile, now: Double
    ) -> ObservationQuality {
        var quality: ObservationQuality = []
        let allowance = Double(profile.guards.staleSeconds)
        if let time = observation.time {
            if now - time > allowance { quality.insert(.stale) }
            if time - now > allowance { quality.insert(.clockJump) }
            if let lastTime, time < lastTime { quality.insert(.outOfOrder) }
            if let lastTime, time == lastTime { quality.insert(.duplicate) }
            older = quality.contains(.outOfOrder) ? older + 1 : 0
            // A clock that was set back is followed after a while; a cached observation is not.
            if quality.isEmpty || Int(older) >= Self.outOfOrderMax {
                lastTime = time
                older = 0
            }
        }
        if let lastNow {
            if now < lastNow - 1 { quality.insert(.clockJump) }
            if now - lastNow > profile.gapSeconds { quality.insert(.gap) }
        }
        // Our own clock went back: it is followed after a while, too.
        earlier = now < (lastNow ?? now) - 1 ? earlier + 1 : 0
        if earlier == 0 || Int(earlier) >= Self.outOfOrderMax {
            lastNow = now
            earlier = 0
        }
        return quality
    }

    // MARK: Repetition

    /// Two metrics at least must repeat: a single coarse one may do so by itself. An idle application may as well, and
    /// one at its ceiling does: CPU at 1, latency at a timeout.
    private mutating func checkRepetition(
        _ observation: Observation, _ clocks: ObservationQuality, _ profile: Profile
    ) -> ObservationQuality {
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
        if same, clocks.contains(.duplicate), Int32(clamping: observation.replicas) == lastReplicas { return .resent }
        if !clocks.isDisjoint(with: [.stale, .clockJump, .outOfOrder, .duplicate]) { return [] }
        metrics = new
        let cpu = observation.cpuUtilization ?? 0
        let isSaturated = cpu >= 0.95 || (cpu >= profile.fallback.cpuTarget && Reward.step(observation, profile).violated)
        guard same, known >= 2, !isIdle(observation), cpu >= 0.01 || observation.cpuUtilization == nil, !isSaturated
        else {
            repetitions = 0
            return []
        }
        if Int(repetitions) < Self.frozenRepetitions { repetitions += 1 }
        return Int(repetitions) >= Self.frozenRepetitions ? .frozen : []
    }

    // MARK: What runs

    private mutating func checkAllocation(
        _ observation: inout Observation, answered: Allocation?
    ) -> ObservationQuality {
        var quality: ObservationQuality = []
        if observation.replicas == 0 { quality.insert(.noReplicas) }
        let replicas = Int32(clamping: observation.replicas)
        if let answered, isSurge(observation, answered.replicas) {
            quality.insert(.rollout)
            surge += 1
            observation.replicas = answered.replicas
            observation.readyReplicas = observation.readyReplicas.map { min($0, answered.replicas) }
        } else {
            surge = 0
            if lastReplicas >= 0, replicas != lastReplicas, let answered, observation.replicas != answered.replicas {
                quality.insert(.replicasChanged)
            }
            lastReplicas = replicas
        }
        if observation.rolloutInProgress { quality.insert(.rollout) }
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

    /// A rolling update adds up to a quarter (Deployment `maxSurge`) to what was asked for. Clients that report what exists
    /// instead of what is asked for show it; to go by it would ratchet upwards with every update
    /// (kubernetes/kubernetes#72775). When it lasts, somebody else wants as many.
    private func isSurge(_ observation: Observation, _ answered: Int) -> Bool {
        guard observation.existingReplicas == nil, answered > 0, observation.replicas > answered,
            Int(surge) < Self.surgeMax, observation.replicas <= answered + (answered + 3) / 4
        else { return false }
        return surge > 0 || Int32(clamping: observation.replicas) > lastReplicas && lastReplicas >= 0
    }

    // MARK: Stored form

    private static let version: UInt8 = 3

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
        for value in [idle, older, earlier, surge] { writer.write(value) }
        for index in measured.indices { writer.write(measured[index]) }
        for index in believed.indices { writer.write(believed[index]) }
        writer.write(historyTime)
        writer.write(ahead)
    }

    /// Reads what `encode` wrote, in this version or an older one.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let version = try reader.integer(UInt8.self)
        guard (1...Self.version).contains(version) else { throw .malformed }
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
        guard version > 1 else { return }
        idle = min(try reader.integer(), UInt8(Self.idleFrom))
        older = min(try reader.integer(), UInt8(Self.outOfOrderMax))
        earlier = min(try reader.integer(), UInt8(Self.outOfOrderMax))
        surge = min(try reader.integer(), UInt8(Self.surgeMax))
        for index in measured.indices { measured[index] = try reader.double() }
        for index in believed.indices { believed[index] = try reader.double() }
        guard version > 2 else { return }
        historyTime = try reader.optionalDouble()
        ahead = try reader.double()
        guard ahead.isFinite, historyTime?.isFinite ?? true else { throw .malformed }
    }
}

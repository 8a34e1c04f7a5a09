// Turns the observations of one application into the state vector that its policy sees, and remembers what that needs.

import Base
import Glibc
import Scaling

/// The state of one application as 82 normalised numbers, with about 3 KB of history.
///
/// Everything is relative to the profile's limits and objective or to the present allocation, so that one policy serves
/// every application. `Feature.swift` has the table.
public struct StateEncoder: Sendable {
    /// HPA target of the feature `hpa.step`: fixed, so that the feature means the same for every application.
    static let referenceTarget = 0.55
    /// Half-life of the OOM floor.
    static let oomHalfLifeSeconds = 21_600.0

    /// May be changed at any time; the history stays.
    public var profile: Profile
    /// In place of the profile's (`Calibration`); `nil` for the profile's.
    public var thrift: Double?
    /// The last observation began a history: the first ever, or the first after a gap. A recurrent policy's hidden
    /// state begins anew then.
    public internal(set) var isFresh = false

    var history = LoadHistory()
    var season = SeasonHistory()
    var model = WorkloadModel()
    var service = ServiceFit()
    /// Bytes of the memory floor (`MemoryNeed.keep`).
    var memoryFloor = 0
    var last = Snapshot()
    var lastTime: Double?
    var allocation: Allocation?
    var lastUp = -Double.infinity
    var lastDown = -Double.infinity
    var lastResize = -Double.infinity
    var lastCpuChange = -Double.infinity
    var lastOom = -Double.infinity
    /// MiB.
    var oomFloor = 0.0
    /// One bit per step, the latest lowest: whether it violated the objective.
    var violations: UInt32 = 0
    var latencies = InlineArray<10, Float>(repeating: -1)
    var latencyHead = 0

    /// What the present observation contributes directly.
    struct Snapshot {
        var cpu: Float = 0
        var memory: Float = 0
        var preservation: Float = 1
        var latency: Float = 0
        var pending: Float = 0
        var oom: Float = 0
        var throttled: Float = 0
        var hpaStep: Float = 0
        var hpaRatio: Float = 0
        var hasLatency: Float = 0
        var reward: Float = 0
        var backlog: Float = 0
        var io: Float = 0
        var known: Float = 0
        /// Bytes.
        var vpa: Double = 0
    }

    public init(_ profile: Profile) { self.profile = profile }

    /// Takes in one observation.
    ///
    /// - Parameters:
    ///   - allocation: the observed allocation.
    ///   - parts: what `Reward.step` made of the observation; its value is the reward of the previous decision.
    ///   - memoryTarget: VPA's target in bytes (`Rules.memoryTarget`, after the rules saw this observation).
    ///   - memoryFloor: bytes that nobody may go below (`MemoryNeed.keep`).
    ///   - time: seconds. Going back is taken as standing still, by more than a gap as a new beginning.
    public mutating func observe(
        _ observation: Observation, allocation: Allocation, parts: RewardParts, memoryTarget: Double?,
        memoryFloor: Int = 0, time: Double
    ) {
        let now = begin(at: time)
        noteChanges(to: allocation, at: now)
        let cpu = known(observation.cpuUtilization)
        let memory = known(observation.memoryUtilization)
        let rate = known(observation.requestRate)
        let served = known(observation.throughput)
        let replicas = max(1, allocation.replicas)
        let ready = min(max(observation.readyReplicas ?? replicas, 0), replicas)

        // Demand and memory.
        let usage = cpu.map { $0 * Double(max(ready, 1)) * Double(allocation.cpuMillicores) / 1000 }
        if let usage, let cpu { model.observeCpu(usage: usage, utilization: cpu, served: served, arrived: rate) }
        let demand: Double? = if let rate, let cost = model.cost { rate * cost } else { usage }
        let mebibytes = memory.map { $0 * Double(allocation.memoryBytes) / 1_048_576 }
        model.observeMemory(
            mebibytes, ratePerReplica: rate.map { $0 / Double(max(ready, 1)) },
            latency: known(observation.latencySeconds))
        history.add(
            load: demand.map { Float(min($0, 1e9)) }, memory: mebibytes.map { Float(min($0, 1e9)) }, time: now,
            slotSeconds: max(60, Double(profile.stepSeconds)))

        if let demand { season.add(Float(min(demand, 1e9)), time: now) }
        service.observe(
            utilization: cpu, ratio: parts.sloPreservation == nil ? nil : ratio(observation, parts),
            need: profile.bill.hourlyNeed(observation, allocation))
        self.memoryFloor = memoryFloor

        // OOM kills.
        let kills = max(0, observation.oomKills ?? 0)
        if kills > 0 {
            oomFloor = max(decayedOomFloor(at: now), Double(allocation.memoryBytes) / 1_048_576)
            lastOom = now
        }

        // The objective.
        let latency = logRatio(observation, parts)
        violations = violations << 1 | (parts.violated ? 1 : 0)
        latencyHead = (latencyHead + 1) % 10
        latencies[latencyHead] = latency ?? -1

        last.cpu = clip(cpu ?? 0, 0, 2)
        last.memory = clip(memory ?? 0, 0, 2)
        last.preservation = clip(parts.sloPreservation ?? 1, 0, 1)
        last.latency = latency ?? 0
        last.pending = Float(replicas - ready) / Float(replicas)
        last.oom = kills == 0 ? 0 : clip(max(0.25, Double(kills) / Double(replicas)), 0, 1)
        last.throttled = clip(known(observation.throttledRatio) ?? 0, 0, 1)
        let desired = HPA.desired(
            utilization: cpu, target: Self.referenceTarget, replicas: replicas, ready: observation.readyReplicas)
        last.hpaStep = clip(Double((desired ?? replicas) - replicas) / 4, -1, 4)
        last.hpaRatio = clip(log(Double(max(desired ?? replicas, 1)) / Double(replicas)), -1, 2)
        last.hasLatency = latency == nil ? 0 : 1
        last.reward = clip(parts.value ?? 0, -1, 1)
        if let rate, let served, rate > 0 { last.backlog = clip(1 - served / rate, 0, 1) } else { last.backlog = 0 }
        last.io = clip(max(known(observation.networkUtilization) ?? 0, known(observation.ioUtilization) ?? 0), 0, 2)
        last.known = 0
        if cpu != nil { last.known += 0.25 }
        if memory != nil { last.known += 0.25 }
        if parts.sloPreservation != nil { last.known += 0.25 }
        if rate != nil { last.known += 0.25 }
        last.vpa = known(memoryTarget) ?? 0
    }

    /// Resets after a gap; returns the time to go by, which never goes back.
    private mutating func begin(at time: Double) -> Double {
        let time = time.isFinite ? time : lastTime ?? 0
        guard let previous = lastTime, abs(time - previous) <= profile.gapSeconds else {
            // What is known of the application itself stays: the model, OOM kills, the times of the last changes.
            isFresh = true
            history.reset()
            violations = 0
            latencies = InlineArray<10, Float>(repeating: -1)
            if let previous = lastTime, time < previous {
                lastUp = min(lastUp, time)
                lastDown = min(lastDown, time)
                lastResize = min(lastResize, time)
                lastCpuChange = min(lastCpuChange, time)
                lastOom = min(lastOom, time)
            }
            lastTime = time
            return time
        }
        isFresh = false
        let now = max(time, previous)
        lastTime = now
        return now
    }

    private mutating func noteChanges(to next: Allocation, at now: Double) {
        defer { allocation = next }
        guard let previous = allocation else { return }
        if next.replicas > previous.replicas { lastUp = now }
        if next.replicas < previous.replicas { lastDown = now }
        if next.cpuMillicores != previous.cpuMillicores { lastCpuChange = now }
        if next.cpuMillicores != previous.cpuMillicores || next.memoryBytes != previous.memoryBytes { lastResize = now }
    }

    /// How many of the last steps missed the objective, one after the other.
    public var missesInRow: Int { (~violations).trailingZeroBitCount }

    /// Whether one of the last thirty steps missed the objective.
    public var isMissedLately: Bool { violations & 0x3FFF_FFFF != 0 }

    /// Whether a policy may change the CPU size again.
    public var mayResizeCpu: Bool { (lastTime ?? 0) - lastCpuChange >= ActionSpace.cpuIntervalSeconds - 1 }

    /// Money an hour that the load needs on average; `nil` before anything was measured.
    public var hourlyNeed: Double? { service.need > 0 ? service.need : nil }

    /// Takes in demand from before the first observation: minutes of cores, oldest first, the last one before `time`.
    public mutating func remember(demand: [Float], until time: Double) {
        for (index, load) in demand.enumerated() {
            season.add(load, time: time - Double(demand.count - index) * 60)
        }
    }

    /// Measured over objective, where that is a latency or told as preservation.
    private func ratio(_ observation: Observation, _ parts: RewardParts) -> Double? {
        if case .latency(let seconds, _) = profile.objective, let latency = known(observation.latencySeconds), seconds > 0 {
            return latency / seconds
        }
        return parts.sloPreservation.map { 1 / max($0, 1e-3) }
    }

    /// ln(measured / objective) / 2, within -1...2; positive violates the objective.
    private func logRatio(_ observation: Observation, _ parts: RewardParts) -> Float? {
        switch profile.objective {
        case .latency(let seconds, _):
            if let latency = known(observation.latencySeconds), seconds > 0 {
                return clip(log(max(latency, 1e-9) / seconds) / 2, -1, 2)
            }
        case .throughput(let perSecond):
            if let throughput = known(observation.throughput), perSecond > 0 {
                return clip(log(perSecond / max(throughput, 1e-9)) / 2, -1, 2)
            }
        case .none: return nil
        }
        return parts.sloPreservation.map { clip(-log(max($0, 1e-9)) / 2, -1, 2) }
    }

    func decayedOomFloor(at now: Double) -> Double {
        oomFloor == 0 ? 0 : oomFloor * exp2(-(now - lastOom) / Self.oomHalfLifeSeconds)
    }

    /// The highest demand of ten slots in cores; `nil` before the first observation.
    public var peakDemand: Double? { history.isEmpty ? nil : Double(history.highestOfTen) }

    /// The same, or what the coming hour took a day or a week ago where that was more.
    public var foreseenDemand: Double? {
        let (day, week) = (season.ago(SeasonHistory.day), season.ago(SeasonHistory.week))
        return peakDemand.map { max($0, Double(max(day.next, day.later, week.next, week.later))) }
    }
}

func clip(_ value: Double, _ lowest: Float, _ highest: Float) -> Float {
    let value = Float(value)
    return value > lowest ? (value < highest ? value : highest) : lowest
}

private func known(_ value: Double?) -> Double? {
    guard let value, value.isFinite, value >= 0 else { return nil }
    return value
}

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
    /// The last observation began a history: the first ever, or the first after a gap. A recurrent policy's hidden
    /// state begins anew then.
    public private(set) var isFresh = false

    private var history = LoadHistory()
    private var season = SeasonHistory()
    private var model = WorkloadModel()
    private var service = ServiceFit()
    /// Bytes of the memory floor (`MemoryNeed.keep`).
    private var memoryFloor = 0
    private var last = Snapshot()
    private var lastTime: Double?
    private var allocation: Allocation?
    private var lastUp = -Double.infinity
    private var lastDown = -Double.infinity
    private var lastResize = -Double.infinity
    private var lastCpuChange = -Double.infinity
    private var lastOom = -Double.infinity
    /// MiB.
    private var oomFloor = 0.0
    /// One bit per step, the latest lowest: whether it violated the objective.
    private var violations: UInt32 = 0
    private var latencies = InlineArray<10, Float>(repeating: -1)
    private var latencyHead = 0

    /// What the present observation contributes directly.
    private struct Snapshot {
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

    private func decayedOomFloor(at now: Double) -> Double {
        oomFloor == 0 ? 0 : oomFloor * exp2(-(now - lastOom) / Self.oomHalfLifeSeconds)
    }

    /// The highest demand of ten slots in cores; `nil` before the first observation.
    public var peakDemand: Double? { history.isEmpty ? nil : Double(history.loadSummary().ten.max) }

    /// Writes the vector: `StateEncoder.count` values. Before the first observation they are zeros.
    ///
    /// - Parameter state: at least `count` elements.
    public func write(into state: UnsafeMutableBufferPointer<Float>) {
        precondition(state.count >= Self.count, "the state vector has \(Self.count) values")
        guard let allocation, let now = lastTime else {
            for index in 0..<Self.count { state[index] = 0 }
            return
        }
        var out = Output(state)
        writePresent(allocation, &out)
        writeLoad(allocation, &out)
        writeMemory(allocation, now, &out)
        writeRecent(now, &out)
        writeWishes(allocation, &out)
        writeSeasons(allocation, &out)
        writeService(allocation, &out)
        assert(out.position == Self.count, "the feature table and the encoder differ")
    }

    private func writePresent(_ allocation: Allocation, _ out: inout Output) {
        let replicas = Double(max(1, allocation.replicas))
        let memory = max(1, Double(allocation.memoryBytes))
        let limits = profile.memory
        out.put(last.cpu, 0, 2)
        out.put(last.memory, 0, 2)
        out.put(last.preservation, 0, 1)
        out.put(last.latency, -1, 2)
        let span = Double(max(1, profile.maxReplicas - profile.minReplicas))
        out.put((replicas - Double(profile.minReplicas)) / span, 0, 1)
        out.put(1 / replicas, 0, 1)
        out.put(Double(allocation.cpuMillicores) / Double(max(1, profile.cpu.max)), 0, 1)
        out.put(memory / Double(max(1, limits.max)), 0, 1)
        let ratio = Double(max(1, limits.max)) / Double(max(1, limits.min))
        out.put(ratio > 1 ? log(memory / Double(max(1, limits.min))) / log(ratio) : 0, 0, 1)
        out.put(last.pending, 0, 1)
        out.put(last.oom, 0, 1)
        out.put(last.throttled, 0, 1)
        out.put(last.hpaStep, -1, 4)
        out.put(last.reward, -1, 1)
        out.put(last.backlog, 0, 1)
        out.put(last.io, 0, 2)
        out.put(Double(history.load(0)) / cores(allocation), 0, 4)
        let most = Double(profile.maxReplicas) * Double(profile.cpu.max) / 1000
        out.put(Double(history.load(0)) / max(most, 0.001), 0, 2)
        out.put(last.known, 0, 1)
        out.put(profile.resize == .restart ? 1.0 : 0, 0, 1)
        out.put(history.memoryShare, 0, 1)
    }

    private func cores(_ allocation: Allocation) -> Double {
        max(Double(max(1, allocation.replicas)) * Double(allocation.cpuMillicores) / 1000, 0.001)
    }

    private func writeLoad(_ allocation: Allocation, _ out: inout Output) {
        let scale = Float(1 / cores(allocation))
        for lag in 1...5 { out.put(history.load(lag) * scale, 0, 4) }
        out.put(history.load(7) * scale, 0, 4)
        out.put(history.load(9) * scale, 0, 4)
        let summary = history.loadSummary()
        let (ten, thirty) = (summary.ten, summary.thirty)
        out.put(ten.max * scale, 0, 4)
        out.put(ten.min * scale, 0, 4)
        out.put(ten.mean * scale, 0, 4)
        out.put(thirty.max * scale, 0, 4)
        out.put(thirty.min * scale, 0, 4)
        out.put(thirty.mean * scale, 0, 4)
        out.put(summary.rise.p80 * scale, 0, 2)
        out.put(summary.rise.p95 * scale, 0, 2)
        out.put(summary.riseOverTwo * scale, 0, 2)
        let newer = history.load(0) + history.load(1) + history.load(2)
        let older = history.load(3) + history.load(4) + history.load(5)
        out.put((newer - older) / 3 * scale, -1, 2)
        let replicas = Float(max(1, allocation.replicas))
        out.put(replicas > 1 ? thirty.max * scale * replicas / (replicas - 1) : 4, 0, 4)
    }

    private func writeMemory(_ allocation: Allocation, _ now: Double, _ out: inout Output) {
        let limit = max(Double(allocation.memoryBytes) / 1_048_576, 1)
        let scale = Float(1 / limit)
        out.put(history.peak(0) * scale, 0, 4)
        let peaks = history.highestPeaks()
        out.put(peaks.ten * scale, 0, 4)
        out.put(peaks.sixty * scale, 0, 4)
        out.put(1 / (1 + (now - lastOom) / 600), 0, 1)
        out.put(decayedOomFloor(at: now) / limit, 0, 4)
        out.put(last.vpa / 1_048_576 / limit, 0, 4)
        let prediction = model.memoryPrediction ?? (0, 0, 0)
        out.put(prediction.now / limit, 0, 4)
        out.put(prediction.full / limit, 0, 4)
        out.put(prediction.double / limit, 0, 4)
        var before: Float = 0
        let slots = min(5, history.filled - 1)
        for lag in 1..<max(slots + 1, 1) { before += history.peak(lag) }
        out.put(slots > 0 ? (history.peak(0) - before / Float(slots)) * scale : 0, -1, 1)
    }

    private func writeWishes(_ allocation: Allocation, _ out: inout Output) {
        let (most, replicas) = (Double(max(1, profile.maxReplicas)), Double(max(1, allocation.replicas)))
        let cpu = Double(max(1, allocation.cpuMillicores))
        out.put(profile.bill.thrift, 0, 1)
        out.put(log(most) / 5, 0, 2)
        out.put(replicas / most, 0, 2)
        out.put(last.hpaRatio, -1, 2)
        out.put(log(cpu / 1000) / 3, -1, 2)
        out.put(log(Double(max(1, profile.cpu.max)) / cpu) / 3, 0, 2)
        out.put(mayResizeCpu ? 1.0 : 0, 0, 1)
        let memory = profile.bill.bill(cores: 0, gibibytes: Double(allocation.memoryBytes) / 1_073_741_824)
        let all = memory + profile.bill.bill(cores: cpu / 1000, gibibytes: 0)
        out.put(all > 0 ? memory / all : 0, 0, 1)
        out.put(Double(memoryFloor) / Double(max(1, allocation.memoryBytes)), 0, 4)
    }

    private func writeSeasons(_ allocation: Allocation, _ out: inout Output) {
        let scale = Float(1 / cores(allocation))
        out.put(season.highest(4) * scale, 0, 4)
        out.put(season.highest(12) * scale, 0, 4)
        out.put(season.highest(24) * scale, 0, 4)
        let highest = season.highest(SeasonHistory.day)
        out.put(highest * scale, 0, 4)
        out.put(highest > 0 ? history.load(0) / highest : 0, 0, 2)
        let each = Double(max(1, allocation.cpuMillicores)) / 1000
        out.put(log(1 + Double(history.load(0)) / each) / 4, 0, 2)
        let day = season.ago(SeasonHistory.day)
        out.put(day.now * scale, 0, 4)
        out.put(day.next * scale, 0, 4)
        out.put(day.later * scale, 0, 4)
        out.put(season.dayError, 0, 2)
        let week = season.ago(SeasonHistory.week)
        out.put(week.next * scale, 0, 4)
        out.put(week.later * scale, 0, 4)
        out.put(season.weekError, 0, 2)
    }

    private func writeService(_ allocation: Allocation, _ out: inout Output) {
        out.put(service.idleShare, 0, 2)
        out.put(history.load(0) * Float(1 / cores(allocation)) / max(1 - service.idleShare, 0.05), 0, 4)
        out.put(service.kept, 0, 1)
        out.put(service.missed, 0, 1)
        out.put(last.hasLatency, 0, 1)
    }

    private func writeRecent(_ now: Double, _ out: inout Output) {
        out.put(Double((violations & 0x3FF).nonzeroBitCount) / 10, 0, 1)
        out.put(Double((violations & 0x3FFF_FFFF).nonzeroBitCount) / 30, 0, 1)
        var worst: Float = -1
        for index in latencies.indices { worst = max(worst, latencies[index]) }
        out.put(worst, -1, 2)
        let step = 4 * Double(max(1, profile.stepSeconds))
        out.put(1 / (1 + (now - lastUp) / step), 0, 1)
        out.put(1 / (1 + (now - lastDown) / step), 0, 1)
        out.put(1 / (1 + (now - lastResize) / step), 0, 1)
    }
}

/// Fills the vector from the front, keeping every value within its bounds.
private struct Output {
    let state: UnsafeMutableBufferPointer<Float>
    var position = 0

    init(_ state: UnsafeMutableBufferPointer<Float>) { self.state = state }

    mutating func put(_ value: Float, _ lowest: Float, _ highest: Float) {
        // Written so that NaN becomes the lowest.
        state[position] = value > lowest ? (value < highest ? value : highest) : lowest
        position += 1
    }

    mutating func put(_ value: Double, _ lowest: Float, _ highest: Float) { put(Float(value), lowest, highest) }
}

private func clip(_ value: Double, _ lowest: Float, _ highest: Float) -> Float {
    let value = Float(value)
    return value > lowest ? (value < highest ? value : highest) : lowest
}

private func known(_ value: Double?) -> Double? {
    guard let value, value.isFinite, value >= 0 else { return nil }
    return value
}

extension StateEncoder {
    /// The history (not the profile). Starts with the version of the feature table.
    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(isFresh)
        history.encode(into: &writer)
        season.encode(into: &writer)
        model.encode(into: &writer)
        service.encode(into: &writer)
        writer.write(Int64(memoryFloor))
        for value in [
            last.cpu, last.memory, last.preservation, last.latency, last.pending, last.oom, last.throttled,
            last.hpaStep, last.reward, last.backlog, last.io, last.known, last.hpaRatio, last.hasLatency,
        ] { writer.write(value) }
        writer.write(last.vpa)
        writer.write(lastTime)
        writer.write(allocation != nil)
        writer.write(Int64(allocation?.replicas ?? 0))
        writer.write(Int64(allocation?.cpuMillicores ?? 0))
        writer.write(Int64(allocation?.memoryBytes ?? 0))
        for value in [lastUp, lastDown, lastResize, lastCpuChange, lastOom, oomFloor] { writer.write(value) }
        writer.write(violations)
        for lag in 0..<10 { writer.write(latencies[(latencyHead + 10 - lag) % 10]) }
    }

    /// Reads what `encode` wrote; throws on anything else, and on the history of another feature table.
    public init(_ profile: Profile, from reader: inout ByteReader) throws(ByteReader.Failure) {
        self.init(profile)
        let version = try reader.integer(UInt16.self)
        // States of version 2 lack the week, the service's fit and the floor: these begin with what is observed next.
        guard version == Self.version || version == 2 else { throw .malformed }
        let isOld = version == 2
        isFresh = try reader.bool()
        history = try LoadHistory(from: &reader)
        if !isOld { season = try SeasonHistory(from: &reader) }
        model = try WorkloadModel(from: &reader)
        if !isOld {
            service = try ServiceFit(from: &reader)
            memoryFloor = Int(try reader.integer(Int64.self))
        }
        last.cpu = try reader.float()
        last.memory = try reader.float()
        last.preservation = try reader.float()
        last.latency = try reader.float()
        last.pending = try reader.float()
        last.oom = try reader.float()
        last.throttled = try reader.float()
        last.hpaStep = try reader.float()
        last.reward = try reader.float()
        last.backlog = try reader.float()
        last.io = try reader.float()
        last.known = try reader.float()
        if !isOld {
            last.hpaRatio = try reader.float()
            last.hasLatency = try reader.float()
        }
        last.vpa = try reader.double()
        lastTime = try reader.optionalDouble()
        let hasAllocation = try reader.bool()
        let stored = Allocation(
            replicas: Int(try reader.integer(Int64.self)), cpuMillicores: Int(try reader.integer(Int64.self)),
            memoryBytes: Int(try reader.integer(Int64.self)))
        allocation = hasAllocation ? stored : nil
        lastUp = try reader.double()
        lastDown = try reader.double()
        lastResize = try reader.double()
        lastCpuChange = isOld ? lastResize : try reader.double()
        lastOom = try reader.double()
        oomFloor = try reader.double()
        violations = try reader.integer()
        for lag in 0..<10 { latencies[(latencyHead + 10 - lag) % 10] = try reader.float() }
    }
}

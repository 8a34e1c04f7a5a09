// Writes the state vector from what the encoder remembers, feature by feature as `Feature.swift` lists them.

import Base
import Glibc
import Scaling

extension StateEncoder {
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
        out.put(thrift ?? profile.bill.thrift, 0, 1)
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
        let highest = season.highest()
        out.put(highest.hour * scale, 0, 4)
        out.put(highest.threeHours * scale, 0, 4)
        out.put(highest.sixHours * scale, 0, 4)
        out.put(highest.day * scale, 0, 4)
        out.put(highest.day > 0 ? history.load(0) / highest.day : 0, 0, 2)
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

// Kubernetes' Vertical Pod Autoscaler: how large one replica should be, from what replicas used.
//
// kubernetes/autoscaler vertical-pod-autoscaler/pkg/recommender/model/{container,aggregate_container_state,
// aggregations_config}.go for what is aggregated, logic/{estimator,recommender}.go for what is made of it. One sample
// per observation (the mean over replicas) stands for Kubernetes' sample per container and minute.

import Base
import Glibc

/// The vertical rule of one application: histograms of CPU use and of daily memory peaks.
public struct VPA: Sendable {
    /// Target, and the bounds outside which Kubernetes would evict a pod at once. Not yet floored or limited.
    public struct Estimate: Sendable, Equatable {
        public var target: Double
        public var lower: Double
        public var upper: Double
    }

    /// `recommendation-margin-fraction`.
    public static let margin = 0.15
    /// `pod-recommendation-min-cpu-millicores` and `pod-recommendation-min-memory-mb` of Kubernetes. The rules use the
    /// profile's minima instead: Kubernetes' memory floor alone costs most of what a policy can gain over the rules.
    public static let kubernetesFloor = (cpuMillicores: 25, memoryBytes: 250 << 20)
    /// Percentiles of the bounds and of the target.
    static let percentiles = (lower: 0.5, target: 0.9, upper: 0.95)
    /// Memory counts once per window of so many seconds, with the window's peak.
    static let memoryWindowSeconds = 86_400.0
    /// After an OOM kill memory counts as the larger of this many bytes more and this ratio more than there was.
    static let oomBump = (bytes: Double(100 << 20), ratio: 1.2)
    /// Least weight of a CPU sample, in cores; a sample weighs what its replica was given.
    static let minSampleWeight = 0.1

    private var cpu = DecayingHistogram(firstBucket: 0.01)
    private var memory = DecayingHistogram(firstBucket: 1e7)
    private var memoryWindowEnd: Double?
    private var memoryPeak = 0.0
    private var oomPeak = 0.0
    private var lastMemorySample = -Double.infinity
    private var firstCpuSample: Double?
    private var lastCpuSample = -Double.infinity
    private var cpuSamples: UInt32 = 0

    public init() {}

    /// Adds what one replica used. Missing, negative and out-of-order values are left out, as in Kubernetes.
    ///
    /// - Parameters:
    ///   - cpuCores: mean use of one replica in cores; `cpuLimit` is what it was given.
    ///   - memoryBytes: use of one replica in bytes; `memoryLimit` is what it was given.
    ///   - isOom: a replica was killed for memory since the last observation.
    ///   - killedMax: what a kill may count as at most, in bytes.
    ///   - time: seconds.
    public mutating func observe(
        cpuCores: Double?, cpuLimit: Double, memoryBytes: Double?, memoryLimit: Double, isOom: Bool, killedMax: Double? = nil,
        time: Double
    ) {
        guard time.isFinite else { return }
        if let cpuCores, cpuCores.isFinite, cpuCores >= 0, time > lastCpuSample {
            cpu.add(cpuCores, weight: max(cpuLimit, Self.minSampleWeight), time: time)
            if firstCpuSample == nil { firstCpuSample = time }
            lastCpuSample = time
            cpuSamples &+= 1
        }
        // A container always uses some memory: zero is no measurement.
        if let memoryBytes, memoryBytes.isFinite, memoryBytes > 0 {
            addMemory(memoryBytes, isOom: false, time: time)
        }
        if isOom, time >= (memoryWindowEnd ?? time) - Self.memoryWindowSeconds {
            let used = max(memoryLimit, memoryPeak)
            let bumped = max(used + Self.oomBump.bytes, used * Self.oomBump.ratio)
            addMemory(min(bumped, max(killedMax ?? bumped, memoryPeak)), isOom: true, time: time)
        }
    }

    /// One peak per window stands in the histogram, at the window's end; a higher one replaces it.
    private mutating func addMemory(_ bytes: Double, isOom: Bool, time: Double) {
        guard isOom || time >= lastMemorySample else { return }
        lastMemorySample = time
        let end = memoryWindowEnd ?? time
        if time < end {
            let peak = max(memoryPeak, oomPeak)
            guard bytes > peak else { return }
            if peak > 0 { memory.subtract(peak, weight: 1, time: end) }
        } else {
            let windows = ((time - end) / Self.memoryWindowSeconds).rounded(.down) + 1
            memoryWindowEnd = end + windows * Self.memoryWindowSeconds
            memoryPeak = 0
            oomPeak = 0
        }
        memory.add(bytes, weight: 1, time: memoryWindowEnd ?? end)
        if isOom { oomPeak = bytes } else { memoryPeak = bytes }
    }

    /// Days of history, or days' worth of samples at one a minute, whichever is less: what the bounds' width rests on.
    public var confidenceDays: Double {
        guard let firstCpuSample else { return 0 }
        return min((lastCpuSample - firstCpuSample) / 86_400, Double(cpuSamples) / (60 * 24))
    }

    /// CPU of one replica in cores; `nil` before the first sample. `upper` is infinite while there is no history.
    public func cpuEstimate(margin: Double = VPA.margin) -> Estimate? { estimate(cpu, margin: margin) }

    /// Memory of one replica in bytes; `nil` before the first sample. `upper` is infinite while there is no history.
    public func memoryEstimate(margin: Double = VPA.margin) -> Estimate? { estimate(memory, margin: margin) }

    private func estimate(_ histogram: DecayingHistogram, margin: Double) -> Estimate? {
        guard !histogram.isEmpty else { return nil }
        let found = histogram.percentiles(
            Self.percentiles.lower, Self.percentiles.target, Self.percentiles.upper)
        let days = confidenceDays
        // (1 + 0.001 / days)^-2 and (1 + 1 / days)^1: no history gives 0 and infinity, a week 1 and 1.14.
        let lowerFactor = 1 / (1 + 0.001 / days)
        return Estimate(
            target: found.middle * (1 + margin), lower: found.low * (1 + margin) * lowerFactor * lowerFactor,
            upper: found.high * (1 + margin) * (1 + 1 / days))
    }

    func encode(into writer: inout ByteWriter) {
        cpu.encode(into: &writer)
        memory.encode(into: &writer)
        writer.write(memoryWindowEnd)
        writer.write(memoryPeak)
        writer.write(oomPeak)
        writer.write(lastMemorySample)
        writer.write(firstCpuSample)
        writer.write(lastCpuSample)
        writer.write(cpuSamples)
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        cpu = try DecayingHistogram(firstBucket: 0.01, from: &reader)
        memory = try DecayingHistogram(firstBucket: 1e7, from: &reader)
        memoryWindowEnd = try reader.optionalDouble()
        memoryPeak = try reader.double()
        oomPeak = try reader.double()
        lastMemorySample = try reader.double()
        firstCpuSample = try reader.optionalDouble()
        lastCpuSample = try reader.double()
        cpuSamples = try reader.integer()
    }
}

// What can be identified of an application while it runs: CPU per request, and memory against requests in flight.

import Base
import Scaling

/// Slowly forgetting estimates that make one policy fit many applications. They survive gaps.
struct WorkloadModel: Sendable {
    /// Weight of a new sample in the CPU cost of a request.
    private static let costRate = 0.1
    /// Weight that regression keeps from step to step: half is forgotten in 35 steps.
    private static let keep = 0.98
    /// CPU utilisation above which arrivals cannot be told from what was served.
    private static let saturatedFrom = 0.9

    /// Core-seconds per request; `nil` before it was measured.
    private(set) var cost: Double?
    /// Requests in flight per replica by Little's law with the objective's percentile: rate / replicas * latency.
    private(set) var inFlight: Double?
    /// Largest `inFlight` seen, forgotten by 0.1 % a step.
    private var inFlightMax = 0.0
    // Sums of the weighted regression of memory (MiB) on requests in flight.
    private var weight = 0.0
    private var sumX = 0.0
    private var sumY = 0.0
    private var sumXX = 0.0
    private var sumXY = 0.0

    init() {}

    /// - Parameters:
    ///   - usage: cores that all replicas used; `utilization` their share of the limit.
    ///   - served: requests per second that were answered, `arrived` that came; `nil` where not measured.
    mutating func observeCpu(usage: Double, utilization: Double, served: Double?, arrived: Double?) {
        guard let rate = served ?? (utilization < Self.saturatedFrom || cost == nil ? arrived : nil), rate > 0 else {
            return
        }
        let sample = usage / rate
        guard sample.isFinite else { return }
        cost = cost.map { $0 + Self.costRate * (sample - $0) } ?? sample
    }

    /// - Parameter memory: MiB that one replica used.
    mutating func observeMemory(_ memory: Double?, ratePerReplica: Double?, latency: Double?) {
        guard let ratePerReplica, let latency else {
            inFlight = nil
            return
        }
        let x = min(ratePerReplica * latency, 1e6)
        inFlight = x
        inFlightMax = max(inFlightMax * 0.999, x)
        guard let memory, memory < 1e9 else { return }
        weight = weight * Self.keep + 1
        sumX = sumX * Self.keep + x
        sumY = sumY * Self.keep + memory
        sumXX = sumXX * Self.keep + x * x
        sumXY = sumXY * Self.keep + x * memory
    }

    /// Memory of one replica in MiB at the present, at the largest and at twice the present number of requests in flight;
    /// `nil` before anything was measured. More requests never take less memory.
    var memoryPrediction: (now: Double, full: Double, double: Double)? {
        guard weight > 0 else { return nil }
        let meanX = sumX / weight
        let meanY = sumY / weight
        let variance = sumXX / weight - meanX * meanX
        let covariance = sumXY / weight - meanX * meanY
        // The constant keeps a nearly constant load from being read as a slope.
        let slope = max(0, covariance / (variance + 0.01 + 1e-4 * meanX * meanX))
        let present = inFlight ?? meanX
        func memory(at count: Double) -> Double { max(0, meanY + slope * (count - meanX)) }
        return (memory(at: present), memory(at: inFlightMax), memory(at: 2 * present))
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(cost)
        writer.write(inFlight)
        for value in [inFlightMax, weight, sumX, sumY, sumXX, sumXY] { writer.write(value) }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        cost = try reader.optionalDouble()
        inFlight = try reader.optionalDouble()
        inFlightMax = try reader.double()
        weight = try reader.double()
        sumX = try reader.double()
        sumY = try reader.double()
        sumXX = try reader.double()
        sumXY = try reader.double()
        guard inFlightMax.isFinite, weight >= 0, (weight + sumX + sumY + sumXX + sumXY).isFinite else {
            throw .malformed
        }
    }
}

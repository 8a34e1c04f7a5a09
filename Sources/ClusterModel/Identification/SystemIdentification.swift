// What an application must be like to have behaved as it was recorded: the cluster model's constants, fitted to steps.

import Base
import Scaling

/// One recorded decision step: what ran in it, and what was measured at its end.
public struct RecordedStep: Sendable, Equatable {
    public var allocation: Allocation
    public var observation: Observation

    public init(allocation: Allocation, observation: Observation) {
        self.allocation = allocation
        self.observation = observation
    }

    public var isRateKnown: Bool { rate != nil || observation.requestRate == 0 }
    /// Requests per second of the step, `nil` when there were none or they were not measured.
    public var rate: Double? { positive(observation.requestRate) ?? positive(observation.throughput) }
    /// Replicas that took them.
    var ready: Double { Double(max(1, min(observation.readyReplicas ?? allocation.replicas, allocation.replicas))) }
    var cores: Double { Double(allocation.cpuMillicores) / 1000 }

    public func positive(_ value: Double?) -> Double? {
        guard let value, value.isFinite, value > 0 else { return nil }
        return value
    }
}

/// A model of one application, by which it can be asked what would have happened.
public struct FittedApplication: Sendable, Equatable {
    public var service: ServiceModel
    /// Steps that the fit rests on.
    public var steps: Int
    /// Mean of |ln(measured latency / modelled latency)|, weighted; 0 without latencies.
    public var latencyError: Double
}

/// One constant after the other, each from the steps that tell it.
///
/// - CPU work of a request: cores used over requests served (work conservation).
/// - I/O time and usable parallelism: the latency percentile of `ServiceModel` against the measured one, by search for
///   the least absolute error, leaning to the lower edge of what was measured.
/// - Memory: bytes of a replica against its requests in flight (Little's law), a line with a slope of at least 0. A
///   minute's mean hides the peaks within it; where replicas were killed the line is made steep enough to explain that.
///
/// Start-up time cannot be seen in steps of a minute, and parallelism cannot while the CPU limit stays the same; for
/// these the generated applications' middle stands (45 s; 1.5 cores, with a weak pull towards it).
public enum SystemIdentification {
    /// Fewer steps than this tell nothing.
    public static let stepsMin = 30
    /// Utilisation above which queues, not service times, make the latency.
    private static let busyFrom = 0.9
    private static let startupSeconds = 45.0
    /// Parallelism that is assumed as long as nothing speaks against it, and how much speaks for it, in steps.
    private static let usualParallelism = 1.5
    private static let usualWeight = 2.0
    /// A modelled latency above the measured one counts this much more than one below it: bursts and queues, which the
    /// formula does not know, can only lengthen what was measured.
    private static let excessWeight = 3.0
    /// What was killed at a limit needed at least this much of it.
    private static let killedMargin = 1.02

    /// `nil` when too little was measured: requests and CPU are indispensable.
    public static func fit(_ steps: [RecordedStep], profile: Profile) -> FittedApplication? {
        guard let work = work(steps) else { return nil }
        let samples = steps.compactMap { Sample($0) }
        let latencies = samples.filter { $0.latency != nil && $0.utilization < busyFrom }
        var best = candidate(work: work, io: 0, parallelism: usualParallelism)
        var error = 0.0
        if latencies.count >= stepsMin {
            (best, error) = search(latencies, work: work, factor: tailFactor(profile))
        }
        guard fitMemory(samples, killedAt: killedAt(steps), into: &best) else { return nil }
        return FittedApplication(service: best, steps: samples.count, latencyError: error)
    }

    /// What a step says about service times and memory.
    private struct Sample {
        /// Cores of a replica, and requests per second that each ready replica served.
        var cores: Double
        var rate: Double
        var utilization: Double
        var latency: Double?
        var memoryBytes: Double?

        init?(_ step: RecordedStep) {
            guard let rate = step.rate, let utilization = step.positive(step.observation.cpuUtilization) else {
                return nil
            }
            cores = step.cores
            self.rate = rate / step.ready
            self.utilization = utilization
            latency = step.positive(step.observation.latencySeconds)
            memoryBytes = step.positive(step.observation.memoryUtilization).map {
                $0 * Double(step.allocation.memoryBytes)
            }
        }
    }

    /// Core-seconds of a request.
    private static func work(_ steps: [RecordedStep]) -> Double? {
        var cores = 0.0
        var requests = 0.0
        var count = 0
        for step in steps {
            guard let cpu = step.positive(step.observation.cpuUtilization),
                let served = step.positive(step.observation.throughput) ?? (cpu < busyFrom ? step.rate : nil)
            else { continue }
            cores += cpu * step.ready * step.cores
            requests += served
            count += 1
        }
        guard count >= stepsMin, requests > 0, cores > 0 else { return nil }
        return cores / requests
    }

    /// The percentile of an exponential tail over its mean.
    static func tailFactor(_ profile: Profile) -> Double {
        guard case .latency(_, let percentile) = profile.objective else { return -logarithm(0.01) }
        return -logarithm(max(1e-4, 1 - percentile / 100))
    }

    private static func candidate(work: Double, io: Double, parallelism: Double) -> ServiceModel {
        ServiceModel(
            work: SIMD4(work, 0, 0, 0), parallelism: SIMD4(parallelism, 1, 1, 1), ioSeconds: io, baseBytes: 0,
            bytesPerRequest: 0, startupSeconds: startupSeconds)
    }

    /// For each parallelism the I/O time with the least error of ln(latency), by a grid that is refined twice.
    private static func search(_ samples: [Sample], work: Double, factor: Double) -> (ServiceModel, Double) {
        func error(_ model: ServiceModel) -> Double {
            var sum = 0.0
            for sample in samples {
                guard let latency = sample.latency else { continue }
                let load = sample.rate / model.capacity(cores: sample.cores)
                let difference = logarithm(latency / (factor * model.meanLatency(cores: sample.cores, load: load)))
                sum += difference > 0 ? difference : -excessWeight * difference
            }
            return sum / Double(samples.count)
        }
        var best = candidate(work: work, io: 0, parallelism: usualParallelism)
        var (least, leastPulled) = (Double.infinity, Double.infinity)
        let longest = (samples.compactMap(\.latency).min() ?? 0) / factor
        for parallelism in [1.0, 1.25, 1.5, 2, 2.5, 3, 4] {
            let distance = logarithm(parallelism / usualParallelism)
            let pull = usualWeight * distance * distance / Double(samples.count)
            var (low, high) = (0.0, longest)
            for _ in 0..<3 {
                let width = (high - low) / 12
                var chosen = low
                for index in 0...12 {
                    let io = low + Double(index) * width
                    let model = candidate(work: work, io: io, parallelism: parallelism)
                    let found = error(model)
                    if found + pull < leastPulled {
                        (best, least, leastPulled, chosen) = (model, found, found + pull, io)
                    } else if best.parallelism[0] == parallelism {
                        chosen = best.ioSeconds
                    }
                }
                (low, high) = (max(0, chosen - width), chosen + width)
            }
        }
        return (best, least)
    }

    /// The highest limit in bytes at which replicas were killed for memory, `nil` for none. A limit that was changed in
    /// that step does not count where it rose: the kill may have come before.
    private static func killedAt(_ steps: [RecordedStep]) -> Double? {
        var highest: Int?
        for (index, step) in steps.enumerated() where (step.observation.oomKills ?? 0) > 0 {
            let before = index > 0 ? steps[index - 1].allocation.memoryBytes : step.allocation.memoryBytes
            highest = max(highest ?? 0, min(before, step.allocation.memoryBytes))
        }
        return highest.map(Double.init)
    }

    /// Base and per-request memory by least squares; steeper about the mean where a replica with all its slots taken
    /// would not even reach the limit that killed it.
    private static func fitMemory(_ samples: [Sample], killedAt: Double?, into model: inout ServiceModel) -> Bool {
        var (count, sumX, sumY, sumXX, sumXY) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for sample in samples {
            guard let bytes = sample.memoryBytes, sample.utilization < busyFrom else { continue }
            let load = sample.rate / model.capacity(cores: sample.cores)
            let x = min(
                ServiceModel.requestsInFlightMax, sample.rate * model.meanLatency(cores: sample.cores, load: load))
            count += 1
            sumX += x
            sumY += bytes
            sumXX += x * x
            sumXY += x * bytes
        }
        guard count >= Double(stepsMin) else { return false }
        let (meanX, meanY) = (sumX / count, sumY / count)
        let variance = sumXX / count - meanX * meanX
        // The constant keeps a nearly constant load from being read as a slope.
        var slope = max(0, (sumXY / count - meanX * meanY) / (variance + 0.01))
        let most = ServiceModel.requestsInFlightMax
        if let killedAt, meanX < 0.9 * most {
            slope = max(slope, (killedMargin * killedAt - meanY) / (most - meanX))
        }
        model.bytesPerRequest = min(slope, meanY / max(meanX, 0.01))
        model.baseBytes = max(0, meanY - model.bytesPerRequest * meanX)
        return true
    }
}

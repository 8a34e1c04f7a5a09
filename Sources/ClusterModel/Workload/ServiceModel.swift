// What one replica of an application can do with a given CPU limit, and how long its requests take.

import Base

/// The queueing model of one replica. Plain numbers, so a planner can copy thousands of them.
public struct ServiceModel: Sendable, Equatable {
    /// Requests that one replica works on at the same time; others wait in front of the replicas.
    public static let requestsInFlightMax = 16.0
    /// Above this load the steady-state formula would give times that no 5 s can contain; the backlog takes over.
    static let loadMax = 0.95

    /// Core-seconds of a request in each segment (unused lanes are 0).
    public var work: SIMD4<Double>
    /// Cores that a request can use in each segment (unused lanes are 1).
    public var parallelism: SIMD4<Double>
    /// Seconds of a request that no CPU limit changes.
    public var ioSeconds: Double
    /// Memory of an idle replica in bytes.
    public var baseBytes: Double
    /// Memory that a request in flight adds, in bytes.
    public var bytesPerRequest: Double
    /// From the creation of a replica to its first request, in seconds.
    public var startupSeconds: Double

    /// Core-seconds of one request in all segments.
    public var cpuSeconds: Double { work.sum() }

    /// Time on the CPU of a request that is alone on a replica of `cores`: work / min(cores, parallelism), in seconds.
    public func cpuTime(cores: Double) -> Double {
        var limit = parallelism
        limit.replace(with: cores, where: parallelism .> cores)
        return (work / limit).sum()
    }

    /// Requests per second that one replica can serve: bound by its cores (work conservation) and by its
    /// slots (Little's law: slots / time of an otherwise undisturbed request).
    public func capacity(cores: Double) -> Double {
        min(cores / cpuSeconds, Self.requestsInFlightMax / (ioSeconds + cpuTime(cores: cores)))
    }

    /// Mean time of a request in seconds at `load` (0..1 of the capacity). I/O is not shared; the CPU is shared as in
    /// M/M/1 processor sharing, where a request that needs x takes x / (1 - load) (Kleinrock 1967).
    public func meanLatency(cores: Double, load: Double) -> Double {
        ioSeconds + cpuTime(cores: cores) / (1 - min(load, Self.loadMax))
    }

    /// Latency in seconds at `percentile` (0..<100), with the exponential tail that M/M/1 has around its mean.
    public func latency(cores: Double, load: Double, percentile: Double) -> Double {
        meanLatency(cores: cores, load: load) * -logarithm(1 - percentile / 100)
    }

    /// The highest load of a replica, in requests per second, at which the percentile stays within `seconds`;
    /// 0 when not even an idle replica reaches it.
    public func capacity(cores: Double, within seconds: Double, percentile: Double) -> Double {
        let mean = seconds / -logarithm(1 - percentile / 100)
        guard mean > ioSeconds else { return 0 }
        let load = 1 - cpuTime(cores: cores) / (mean - ioSeconds)
        return max(0, min(load, Self.loadMax)) * capacity(cores: cores)
    }
}

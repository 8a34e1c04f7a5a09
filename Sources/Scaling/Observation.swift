// What a recommender saw of an application since the previous decision.

/// One observation. Only `replicas` is always there; whatever could not be measured is `nil`.
public struct Observation: Sendable, Equatable {
    /// Replicas that the scale object asks for. 0 says that autoscaling is off.
    public var replicas: Int
    /// Replicas that exist, those that a rolling update adds for a while included.
    public var existingReplicas: Int?
    /// Whether a rolling update goes on: replicas that exist and their metrics are in flux.
    public var rolloutInProgress = false
    /// CPU limit of one replica in millicores.
    public var cpuMillicores: Int?
    /// Memory limit of one replica in bytes.
    public var memoryBytes: Int?
    /// Usage over limit, mean over replicas: 0..1, above 1 when a limit is exceeded.
    public var cpuUtilization: Double?
    public var memoryUtilization: Double?
    /// The highest memory use of any replica within the interval, over the limit: what an OOM kill depends on.
    public var memoryPeakUtilization: Double?
    /// Share of time in which tasks waited for memory (PSI, `container_pressure_memory_*`), 0..1.
    public var memoryPressure: Double?
    /// Latency in seconds at the objective's percentile.
    public var latencySeconds: Double?
    /// SLO preservation 0..1, for callers that compute it themselves.
    public var sloPreservation: Double?
    /// Requests per second that arrived.
    public var requestRate: Double?
    /// Requests per second that were served.
    public var throughput: Double?
    public var readyReplicas: Int?
    /// OOM kills since the previous observation.
    public var oomKills: Int?
    public var networkUtilization: Double?
    public var ioUtilization: Double?
    /// Share of CPU periods in which the container was throttled, 0..1.
    public var throttledRatio: Double?
    /// When it was measured: seconds since 1970-01-01T00:00:00Z.
    public var time: Double?
    /// Whether the previous decision was carried out.
    public var applied = true
    /// Replaces the computed reward of the previous decision.
    public var reward: Double?
    /// Ends the episode.
    public var done = false

    public init(replicas: Int) { self.replicas = replicas }

    /// The observed allocation; a limit that was not observed is taken from `previous`.
    public func allocation(otherwise previous: Allocation) -> Allocation {
        Allocation(
            replicas: replicas, cpuMillicores: cpuMillicores ?? previous.cpuMillicores,
            memoryBytes: memoryBytes ?? previous.memoryBytes)
    }
}

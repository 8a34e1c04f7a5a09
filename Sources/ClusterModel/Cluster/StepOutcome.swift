// What happened in one decision step of the simulated cluster: the truth, and what a recommender would have seen of it.

import Scaling

/// One decision step. Everything but `observation` is exact.
public struct StepOutcome: Sendable {
    /// Requests that came, were served, were given up after the clients' timeout, and still wait.
    public var arrived = 0.0
    public var served = 0.0
    public var dropped = 0.0
    public var backlog = 0.0
    /// Latency in seconds at the objective's percentile over all requests of the step; 0 when there were none.
    public var latencySeconds = 0.0
    /// min(1, objective / measured), 0..1 (AWARE, USENIX ATC 2023).
    public var sloPreservation = 1.0
    /// Whether the objective was missed in this step.
    public var violated = false
    /// Usage over limit, mean over replicas that exist and over the step.
    public var cpuUtilization = 0.0
    public var memoryUtilization = 0.0
    /// Allocated core-seconds and byte-seconds.
    public var coreSeconds = 0.0
    public var byteSeconds = 0.0
    /// Containers killed for exceeding their memory limit.
    public var oomKills = 0
    /// Containers started again: after an OOM kill, or to be resized.
    public var restarts = 0
    /// Whether the step began with another number of replicas, or another size, than the step before it.
    public var replicasChanged = false
    public var resized = false
    /// Reported reward: alpha x SP + (1 - alpha) x mean utilisation (AWARE, USENIX ATC 2023), penalties left out.
    public var reward = 0.0
    /// What the recommender is told at the end of the step.
    public var observation = Observation(replicas: 0)

    public init() {}
}

// The constants of the simulated cluster that are not the application's: chosen once, varied to test robustness.

import Scaling

/// How the cluster behaves around the application.
public struct ClusterDynamics: Sendable, Equatable {
    /// How limits are changed: at once in every replica, or by replacing pods one after the other.
    public var resize: Profile.Resize = .inPlace
    /// Relative deviation of every metric that an observation reports.
    public var metricNoise = 0.03
    /// 1: a decision sees the step that just ended. 2: the one before it (a slow metrics pipeline).
    public var metricsLagSteps = 1
    /// Multiplies the application's start-up time.
    public var startupFactor = 1.0
    /// Deviation of the slow wander of CPU work per request around its nominal value.
    public var workDeviation = 0.05
    /// Share of that wander which survives one decision step.
    public var workPersistence = 0.97
    /// By how much more requests in flight than the mean the hottest replica has: it is the one that is killed.
    public var skew = 0.0
    /// Whether observations have the highest memory use of any replica within the step.
    public var reportsPeaks = true
    /// A request that waits longer than this is given up by its client, in seconds.
    public var timeoutSeconds = 30.0

    public init() {}
}

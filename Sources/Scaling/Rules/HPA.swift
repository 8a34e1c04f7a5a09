// Kubernetes' Horizontal Pod Autoscaler: how many replicas a utilisation asks for.
//
// kubernetes/kubernetes pkg/controller/podautoscaler/replica_calculator.go (ratio, tolerance, pods that are not ready)
// and horizontal.go (several metrics, stabilisation, scale-up cap), described in
// kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale.

import Base

/// The horizontal rule of one application, with the history that its down-scale stabilisation needs.
public struct HPA: Sendable {
    /// One metric of a decision: its measured value as a fraction of the limit, and the value it shall have.
    public struct Metric: Sendable {
        public var utilization: Double?
        public var target: Double

        public init(utilization: Double?, target: Double) {
            self.utilization = utilization
            self.target = target
        }
    }

    /// `--horizontal-pod-autoscaler-tolerance`: ratios this close to 1 change nothing.
    public static let tolerance = 0.1
    /// `--horizontal-pod-autoscaler-downscale-stabilization`: seconds in which the highest recommendation holds.
    public static let stabilizationSeconds = 300.0
    /// Scale-up cap of one step: the larger of twice the current count and this.
    public static let scaleUpMinimum = 4

    private var recommendations = SlidingMaximum()

    public init() {}

    /// The count for a single utilisation metric.
    public mutating func recommend(
        utilization: Double?, target: Double, replicas: Int, readyReplicas: Int?, profile: Profile, time: Double
    ) -> Int {
        let desired = Self.desired(utilization: utilization, target: target, replicas: replicas, ready: readyReplicas)
        return settle(desired, isComplete: desired != nil, replicas: replicas, profile: profile, time: time)
    }

    /// The count for several metrics: the highest that any of them asks for. While a metric is missing the others may
    /// scale up, but not down.
    public mutating func recommend(
        metrics: [Metric], replicas: Int, readyReplicas: Int?, profile: Profile, time: Double
    ) -> Int {
        var highest: Int?
        var isComplete = !metrics.isEmpty
        for metric in metrics {
            let desired = Self.desired(
                utilization: metric.utilization, target: metric.target, replicas: replicas, ready: readyReplicas)
            if let desired { highest = max(highest ?? desired, desired) } else { isComplete = false }
        }
        return settle(highest, isComplete: isComplete, replicas: replicas, profile: profile, time: time)
    }

    /// What one metric asks for, before stabilisation and limits; `nil` when the metric is missing or no replica is
    /// ready, for then nothing was measured.
    ///
    /// `utilization` is the mean over ready replicas. Replicas that are not ready count as idle when the metric asks
    /// for more, and not at all when it asks for less.
    public static func desired(utilization: Double?, target: Double, replicas: Int, ready: Int?) -> Int? {
        guard let utilization, utilization.isFinite, utilization >= 0, target > 0, replicas > 0 else { return nil }
        let ready = min(max(ready ?? replicas, 0), replicas)
        guard ready > 0 else { return nil }
        let ratio = utilization / target
        if ready == replicas || ratio <= 1 {
            if (1 - ratio).magnitude <= tolerance { return replicas }
            return ceiling(ratio * Double(ready))
        }
        let dilutedRatio = ratio * Double(ready) / Double(replicas)
        // Too small a change, or counting the idle ones would turn the direction round.
        if (1 - dilutedRatio).magnitude <= tolerance || dilutedRatio < 1 { return replicas }
        return max(ceiling(dilutedRatio * Double(replicas)), replicas)
    }

    /// Rounded up to a count, within what an `Int` holds. Kubernetes divides whole percents, so that 90 % of 30 % is
    /// exactly 3; here the last bits of 0.9 / 0.3 must not make it 4.
    private static func ceiling(_ count: Double) -> Int { Int(min((count * (1 - 1e-9)).rounded(.up), 1e9)) }

    /// Stabilisation, scale-up cap and limits (`normalizeDesiredReplicas`).
    private mutating func settle(
        _ proposed: Int?, isComplete: Bool, replicas: Int, profile: Profile, time: Double
    ) -> Int {
        if replicas > profile.maxReplicas { return profile.maxReplicas }
        if replicas < profile.minReplicas { return profile.minReplicas }
        guard let proposed, isComplete || proposed >= replicas else { return replicas }
        // The first recommendation after a start counts the current replicas as one that was just made, so that a
        // restart cannot scale down at once.
        if recommendations.isEmpty {
            _ = recommendations.add(replicas, at: time, window: Self.stabilizationSeconds)
        }
        let cap = min(max(2 * replicas, Self.scaleUpMinimum), profile.maxReplicas)
        let wanted = min(max(proposed, profile.minReplicas), cap)
        let stable = recommendations.add(wanted, at: time, window: Self.stabilizationSeconds)
        // What was wanted in the past holds what there is; it never raises it (kubernetes/kubernetes#96671).
        return wanted >= replicas ? wanted : min(stable, replicas)
    }

    func encode(into writer: inout ByteWriter) { recommendations.encode(into: &writer) }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        recommendations = try SlidingMaximum(from: &reader)
    }
}

// A percentile over requests of several sub-steps that were served at different speeds.

import Base

/// Requests whose latency is a fixed wait plus an exponential time, mixed in given shares.
enum LatencyMixture {
    /// The requests of one sub-step.
    struct Part {
        /// How many there are, in any unit.
        var weight: Double
        /// Seconds that each waits in the backlog first.
        var wait: Double
        /// Mean of the exponential time that follows, in seconds.
        var mean: Double
    }

    /// The latency that a share of `tail` of all requests exceeds: the root of sum(w exp(-(x - d) / m)) = tail sum(w),
    /// where a part counts fully while x < d. 0 when there are no requests.
    ///
    /// The logarithm of a sum of exponentials is convex, so Newton's method on it needs three or four rounds; a
    /// bracket keeps it safe where the parts' waits make steps.
    static func quantile(of parts: UnsafeBufferPointer<Part>, tail: Double) -> Double {
        var total = 0.0
        var low = Double.infinity
        var high = 0.0
        let factor = -logarithm(tail)
        for part in parts where part.weight > 0 {
            total += part.weight
            let own = part.wait + part.mean * factor
            low = min(low, own)
            high = max(high, own)
        }
        guard total > 0 else { return 0 }
        let goal = tail * total
        var x = high
        for _ in 0..<24 where high - low > 1e-4 * high {
            var sum = 0.0
            var slope = 0.0
            for part in parts where part.weight > 0 {
                guard x > part.wait else {
                    sum += part.weight
                    continue
                }
                let share = part.weight * exponential((part.wait - x) / part.mean)
                sum += share
                slope += share / part.mean
            }
            if sum > goal { low = x } else { high = x }
            let step = slope > 0 ? logarithm(sum / goal) * sum / slope : 0
            if abs(step) < 1e-5 * x { return x + step }
            let next = x + step
            x = next > low && next < high && step != 0 ? next : (low + high) / 2
        }
        return x
    }
}

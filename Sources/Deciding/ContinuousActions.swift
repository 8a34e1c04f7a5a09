// The action space of policies with continuous outputs (DDPG): three numbers from -1 to 1 become a change.

import Glibc
import Scaling

/// Replicas, CPU and memory as one number each, over the same ranges as the discrete heads: -2...4 replicas, -4...4 CPU
/// steps, memory times 0.8...1.6.
public enum ContinuousActions {
    /// Stable number of the layout, stored with models.
    public static let version: UInt16 = 4
    /// Values of one action.
    public static let count = 3
    /// Smaller memory outputs change nothing: without it every step would resize a little.
    public static let deadZone: Float = 0.1

    /// What `values` makes of `allocation`, within the limits. Values beyond -1...1 count as these, NaN as 0.
    ///
    /// - Parameter values: at least `count` elements: replicas, CPU, memory.
    public static func apply(
        _ values: UnsafeBufferPointer<Float>, to allocation: Allocation, _ profile: Profile
    ) -> Allocation {
        precondition(values.count >= count, "a continuous action has \(count) values")
        func output(_ index: Int) -> Float {
            let value = values[index]
            return value.isNaN ? 0 : min(max(value, -1), 1)
        }
        var next = profile.clamp(allocation)
        let replicas = output(0)
        next.replicas += Int((replicas * (replicas > 0 ? 4 : 2)).rounded())
        next.cpuMillicores += Int((output(1) * 4).rounded()) * profile.cpu.step
        let memory = output(2)
        if memory.magnitude > deadZone {
            let factor = exp(Double(memory.magnitude) * log(memory > 0 ? 1.6 : 0.8))
            next.memoryBytes = Int((Double(next.memoryBytes) * factor / 1_048_576).rounded()) << 20
        }
        return profile.clamp(next)
    }
}

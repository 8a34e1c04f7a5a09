// Independent normal distributions over the components of a continuous action.

import Base

#if canImport(Glibc)
    import Glibc
#endif

/// A diagonal Gaussian head: the network gives the means, and the logarithms of the deviations are parameters of
/// their own, the same in every state (Schulman et al. 2017).
public enum Gaussian {
    /// log 2 pi, halved.
    private static let halfLogTwoPi: Float = 0.918_938_533

    /// Sum over components of -(x - mean)^2 / (2 s^2) - log s - log(2 pi) / 2.
    public static func logProbability(
        action: UnsafePointer<Float>, mean: UnsafePointer<Float>, logDeviation: UnsafePointer<Float>, count: Int
    ) -> Float {
        var sum: Float = 0
        for index in 0..<count {
            let z = (action[index] - mean[index]) * expf(-logDeviation[index])
            sum -= z * z / 2 + logDeviation[index] + halfLogTwoPi
        }
        return sum
    }

    /// Sum over components of log s + (1 + log 2 pi) / 2. Its derivative by each log s is 1.
    public static func entropy(logDeviation: UnsafePointer<Float>, count: Int) -> Float {
        var sum: Float = 0
        for index in 0..<count { sum += logDeviation[index] + 0.5 + halfLogTwoPi }
        return sum
    }

    /// Adds weight * d(log p)/d(mean) = z / s and weight * d(log p)/d(log s) = z^2 - 1, with z = (x - mean) / s.
    public static func addLogProbabilityGradient(
        action: UnsafePointer<Float>, mean: UnsafePointer<Float>, logDeviation: UnsafePointer<Float>, weight: Float,
        count: Int, meanGradient: UnsafeMutablePointer<Float>, logDeviationGradient: UnsafeMutablePointer<Float>
    ) {
        for index in 0..<count {
            let inverse = expf(-logDeviation[index])
            let z = (action[index] - mean[index]) * inverse
            meanGradient[index] += weight * z * inverse
            logDeviationGradient[index] += weight * (z * z - 1)
        }
    }

    /// mean + s * a standard normal number, for every component.
    public static func sample(
        mean: UnsafePointer<Float>, logDeviation: UnsafePointer<Float>, count: Int,
        action: UnsafeMutablePointer<Float>, using generator: inout RandomGenerator
    ) {
        for index in 0..<count { action[index] = mean[index] + expf(logDeviation[index]) * generator.normal() }
    }
}

// A choice among a few actions, some of which may be forbidden: probabilities, sampling, and gradients.

import Base

#if canImport(Glibc)
    import Glibc
#endif

/// Functions on one head of logits. A masked action has probability exactly 0 and takes no gradient.
public enum Categorical {
    /// Writes probabilities and log-probabilities of `count` actions; a masked one gets 0 and -infinity's stand-in.
    /// - Parameter mask: 1 = legal; nil = all legal. With nothing legal, action 0 gets probability 1.
    @inline(__always)
    public static func probabilities(
        logits: UnsafePointer<Float>, mask: UnsafePointer<UInt8>?, count: Int,
        probabilities p: UnsafeMutablePointer<Float>, logProbabilities: UnsafeMutablePointer<Float>
    ) {
        var highest = -Float.infinity
        for index in 0..<count where mask == nil || mask![index] != 0 {
            highest = logits[index] > highest ? logits[index] : highest
        }
        guard highest > -.infinity else {
            for index in 0..<count {
                p[index] = index == 0 ? 1 : 0
                logProbabilities[index] = index == 0 ? 0 : impossible
            }
            return
        }
        var sum: Float = 0
        for index in 0..<count {
            let isLegal = mask == nil || mask![index] != 0
            p[index] = isLegal ? exponential(logits[index] - highest) : 0
            sum += p[index]
        }
        let logSum = logf(sum)
        for index in 0..<count {
            logProbabilities[index] = p[index] > 0 ? logits[index] - highest - logSum : impossible
            p[index] /= sum
        }
    }

    /// Stands for the logarithm of zero and keeps sums finite.
    public static let impossible: Float = -1e9

    /// -sum p log p over the legal actions.
    @inline(__always)
    public static func entropy(
        probabilities p: UnsafePointer<Float>, logProbabilities: UnsafePointer<Float>, count: Int
    ) -> Float {
        var sum: Float = 0
        for index in 0..<count where p[index] > 0 { sum -= p[index] * logProbabilities[index] }
        return sum
    }

    /// gradient += d(log p[action])/d(logits) * weight = weight * (1[i = action] - p[i]).
    @inline(__always)
    public static func addLogProbabilityGradient(
        probabilities p: UnsafePointer<Float>, action: Int, weight: Float, count: Int,
        gradient: UnsafeMutablePointer<Float>
    ) {
        for index in 0..<count { gradient[index] -= weight * p[index] }
        if p[action] > 0 { gradient[action] += weight }
    }

    /// gradient += d(entropy)/d(logits) * weight = -weight * p[i] * (log p[i] + entropy).
    @inline(__always)
    public static func addEntropyGradient(
        probabilities p: UnsafePointer<Float>, logProbabilities: UnsafePointer<Float>, entropy: Float, weight: Float,
        count: Int, gradient: UnsafeMutablePointer<Float>
    ) {
        for index in 0..<count where p[index] > 0 {
            gradient[index] -= weight * p[index] * (logProbabilities[index] + entropy)
        }
    }

    /// Draws an action with a uniform number in [0, 1). Always one of positive probability.
    @inline(__always)
    public static func sample(probabilities p: UnsafePointer<Float>, count: Int, uniform: Float) -> Int {
        var rest = uniform
        var last = 0
        for index in 0..<count where p[index] > 0 {
            last = index
            rest -= p[index]
            if rest < 0 { return index }
        }
        return last
    }

    /// The most probable action; the first of equals.
    @inline(__always)
    public static func mode(probabilities p: UnsafePointer<Float>, count: Int) -> Int {
        var best = 0
        for index in 1..<Swift.max(count, 1) where p[index] > p[best] { best = index }
        return best
    }
}

// Adam, and the gradient's norm, over one parameter buffer.

import Base

/// Adam (Kingma and Ba 2015) with bias correction, as PyTorch computes it.
public struct Adam: Sendable, Hashable {
    public struct Options: Sendable, Hashable {
        /// Decay of the mean of gradients (paper: 0.9).
        public var beta1: Float = 0.9
        /// Decay of the mean of squared gradients (paper: 0.999).
        public var beta2: Float = 0.999
        /// Keeps the division finite. PyTorch's 1e-8; PPO implementations commonly take 1e-5.
        public var epsilon: Float = 1e-8

        public init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8) {
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
        }
    }

    public var options: Options
    public let count: Int
    /// Decaying mean of the gradients; empty before the first step: most learners of a server wait for theirs.
    public private(set) var mean: [Float] = []
    /// Decaying mean of their squares; empty before the first step.
    public private(set) var square: [Float] = []
    public private(set) var steps = 0

    public init(count: Int, options: Options = Options()) {
        self.options = options
        self.count = count
    }

    /// Continues where a saved optimiser stood; nil when the parts do not belong together.
    public init?(mean: [Float], square: [Float], steps: Int, options: Options = Options()) {
        guard mean.count == square.count, steps >= 0 else { return nil }
        self.options = options
        count = mean.count
        self.mean = mean
        self.square = square
        self.steps = steps
    }

    /// One step against `gradients`, each first multiplied by `scale` (1, or what `clippingScale` gives).
    public mutating func update(
        _ parameters: inout [Float], gradients: UnsafePointer<Float>, rate: Float, scale: Float = 1
    ) {
        precondition(parameters.count == count, "the optimiser was made for \(count) parameters")
        if mean.count != count {
            mean = [Float](repeating: 0, count: count)
            square = mean
        }
        steps += 1
        let (beta1, beta2, epsilon) = (options.beta1, options.beta2, options.epsilon)
        // In double precision: 1 - 0.999^t would lose half of its digits otherwise.
        let correction1 = 1 - power(Double(beta1), steps)
        let correction2 = 1 - power(Double(beta2), steps)
        let step = Float(Double(rate) / correction1)
        let root = Float(1 / correction2.squareRoot())
        let count = count
        parameters.withUnsafeMutableBufferPointer { parameterBuffer in
            mean.withUnsafeMutableBufferPointer { meanBuffer in
                square.withUnsafeMutableBufferPointer { squareBuffer in
                    guard let w = parameterBuffer.baseAddress, let m = meanBuffer.baseAddress,
                        let v = squareBuffer.baseAddress
                    else { return }
                    for index in 0..<count {
                        let g = gradients[index] * scale
                        let mean = beta1 * m[index] + (1 - beta1) * g
                        let square = beta2 * v[index] + (1 - beta2) * g * g
                        // Moments of a weight that gets no gradient shrink into denormal numbers, with which
                        // arithmetic is many times slower.
                        m[index] = abs(mean) < 1e-30 ? 0 : mean
                        v[index] = square < 1e-30 ? 0 : square
                        w[index] -= step * mean / (square.squareRoot() * root + epsilon)
                    }
                }
            }
        }
    }

    /// base^exponent by repeated squaring.
    private func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, factor, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}

/// The Euclidean norm of `count` gradients. Eight sums side by side: a single one would not vectorise.
public func gradientNorm(_ gradients: UnsafePointer<Float>, count: Int) -> Float {
    var sums = SIMD8<Float>()
    var index = 0
    let raw = UnsafeRawPointer(gradients)
    while index + 8 <= count {
        let values = raw.loadUnaligned(fromByteOffset: index * 4, as: SIMD8<Float>.self)
        sums += values * values
        index += 8
    }
    var total = sums.sum()
    while index < count {
        total += gradients[index] * gradients[index]
        index += 1
    }
    return total.squareRoot()
}

/// The factor that brings a gradient of this norm down to `limit`: 1 when it is shorter (Pascanu et al. 2013).
public func clippingScale(norm: Float, limit: Float) -> Float { norm > limit ? limit / (norm + 1e-6) : 1 }

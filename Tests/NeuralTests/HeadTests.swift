// The heads: distributions, their gradients, and what they do with masks.

import Neural
import Testing
@testable import Base

struct HeadTests {
    @Test func gaussianEqualsPyTorch() throws {
        let golden = try Golden("gaussian")
        let (actions, weight) = (golden["actions"], golden["weight"])
        golden.check { parameters in
            var loss = 0.1 * Gaussian.entropy(logDeviation: Array(parameters[12...]), count: 3)
            // PyTorch's entropy is that of every row; here the deviations are the same in all four.
            loss *= 4
            var gradient = [Float](repeating: 0, count: 15)
            for index in 12..<15 { gradient[index] = 0.4 }
            gradient.withUnsafeMutableBufferPointer { gradient in
                parameters.withUnsafeBufferPointer { p in
                    actions.withUnsafeBufferPointer { actions in
                        for row in 0..<4 {
                            let (action, mean) = (actions.baseAddress! + row * 3, p.baseAddress! + row * 3)
                            let deviation = p.baseAddress! + 12
                            loss +=
                                weight[row]
                                * Gaussian.logProbability(
                                    action: action, mean: mean, logDeviation: deviation, count: 3)
                            Gaussian.addLogProbabilityGradient(
                                action: action, mean: mean, logDeviation: deviation, weight: weight[row], count: 3,
                                meanGradient: gradient.baseAddress! + row * 3,
                                logDeviationGradient: gradient.baseAddress! + 12)
                        }
                    }
                }
            }
            return (loss, gradient)
        }
    }

    @Test func gaussianSamplesHaveTheirMoments() {
        var generator = RandomGenerator(seed: 5)
        var (sum, square) = (0.0, 0.0)
        for _ in 0..<50_000 {
            var action: Float = 0
            Gaussian.sample(mean: [2], logDeviation: [0.5], count: 1, action: &action, using: &generator)
            sum += Double(action)
            square += Double(action - 2) * Double(action - 2)
        }
        #expect(abs(sum / 50_000 - 2) < 0.03)
        #expect(abs((square / 50_000).squareRoot() - 1.6487) < 0.03)
    }

    private func distribution(_ logits: [Float], mask: [UInt8]? = nil) -> (p: [Float], logP: [Float]) {
        var p = [Float](repeating: 0, count: logits.count)
        var logP = p
        let mask = mask ?? logits.map { _ in 1 }
        Categorical.probabilities(
            logits: logits, mask: mask, count: logits.count, probabilities: &p, logProbabilities: &logP)
        return (p, logP)
    }

    @Test func maskedActionsHaveNoProbability() {
        let mask: [UInt8] = [0, 1, 0, 1]
        let p = distribution([9, 1, 9, 1], mask: mask).p
        #expect(p == [0, 0.5, 0, 0.5])
        for step in 0..<100 {
            let action = Categorical.sample(probabilities: p, count: 4, uniform: Float(step) / 100)
            #expect(mask[action] == 1)
        }
        #expect(Categorical.mode(probabilities: p, count: 4) == 1)
    }

    @Test func categoricalGradientsEqualFiniteDifferences() {
        let logits: [Float] = [0.3, -0.7, 1.2, 0.1]
        let (p, logP) = distribution(logits)
        var gradient = [Float](repeating: 0, count: 4)
        Categorical.addLogProbabilityGradient(probabilities: p, action: 2, weight: 1, count: 4, gradient: &gradient)
        #expect(gradientError(at: logits, gradient: gradient) { Double(distribution($0).logP[2]) } <= 1e-4)
        let entropy = Categorical.entropy(probabilities: p, logProbabilities: logP, count: 4)
        gradient = [0, 0, 0, 0]
        Categorical.addEntropyGradient(
            probabilities: p, logProbabilities: logP, entropy: entropy, weight: 1, count: 4, gradient: &gradient)
        let error = gradientError(at: logits, gradient: gradient) {
            let (p, logP) = distribution($0)
            return Double(Categorical.entropy(probabilities: p, logProbabilities: logP, count: 4))
        }
        #expect(error <= 1e-4)
    }

    @Test func clippingShortensOnlyWhatIsTooLong() {
        let gradient: [Float] = (0..<19).map { Float($0) }
        let norm = gradientNorm(gradient, count: 19)
        #expect(abs(norm - Float(2109).squareRoot()) < 1e-4)
        #expect(clippingScale(norm: norm, limit: 100) == 1)
        #expect(abs(clippingScale(norm: norm, limit: 1) * norm - 1) < 1e-5)
    }
}

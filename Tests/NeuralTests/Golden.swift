// Reads what Golden/generate.py wrote, and compares with it.

import Foundation
import Neural
import Testing

/// Numbers that PyTorch computed in double precision: one named list of numbers after another for each case.
struct Golden {
    private let values: [String: [Float]]

    init(_ name: String) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/neural.json")
        let cases = try JSONDecoder().decode([String: [String: [Float]]].self, from: Data(contentsOf: file))
        values = try #require(cases[name], "no golden case \(name)")
    }

    subscript(key: String) -> [Float] { values[key] ?? [] }

    func integers(_ key: String) -> [Int] { self[key].map { Int($0) } }

    /// Compares a loss and its gradient, and the losses and weights of ten Adam steps.
    /// - Parameter evaluate: loss and gradient at the given weights.
    func check(_ evaluate: ([Float]) -> (loss: Float, gradient: [Float])) {
        var parameters = self["parameters"]
        let first = evaluate(parameters)
        #expect(largestError([first.loss], self["loss"]) <= 1e-5)
        #expect(largestError(first.gradient, self["gradient"]) <= 1e-5)
        var adam = Adam(count: parameters.count)
        var losses: [Float] = []
        for _ in 0..<10 {
            let (loss, gradient) = evaluate(parameters)
            losses.append(loss)
            adam.update(&parameters, gradients: gradient, rate: self["rate"][0])
        }
        #expect(largestError(losses, self["losses"]) <= 1e-5)
        #expect(largestError(parameters, self["trained"]) <= 1e-5)
    }
}

/// The largest difference, relative to the expected value where that exceeds 1.
func largestError(_ values: [Float], _ expected: [Float]) -> Float {
    guard values.count == expected.count else { return .infinity }
    return zip(values, expected).reduce(0) { Swift.max($0, abs($1.0 - $1.1) / Swift.max(1, abs($1.1))) }
}

/// Length of (gradient - finite differences) over length of the finite differences. Five points and a wide step, so
/// that neither the curvature nor a Float's rounding shows; sums are in double precision.
func gradientError(
    at parameters: [Float], gradient: [Float], step: Float = 0.02, loss: ([Float]) -> Double
) -> Double {
    var (difference, length) = (0.0, 0.0)
    for index in parameters.indices {
        func value(_ steps: Float) -> Double {
            var moved = parameters
            moved[index] += steps * step
            return loss(moved)
        }
        let numeric = (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * Double(step))
        difference += (numeric - Double(gradient[index])) * (numeric - Double(gradient[index]))
        length += numeric * numeric
    }
    return (difference / Swift.max(length, 1e-300)).squareRoot()
}

// Every layer against PyTorch's numbers and against finite differences.

import Neural
import Testing

struct LayerTests {
    private func perceptron(_ activation: Activation) -> (network: Perceptron, layout: ParameterLayout) {
        var layout = ParameterLayout()
        let network = Perceptron([3, 8, 8, 2], activation: activation, name: "network", layout: &layout)
        return (network, layout)
    }

    /// Mean squared error, its gradient and the gradient of x.
    private func squaredError(
        _ network: Perceptron, _ parameters: [Float], x: [Float], target: [Float]
    ) -> (loss: Float, gradient: [Float], dx: [Float]) {
        let rows = x.count / network.inputs
        let activations = FloatBuffer(count: rows * network.activationWidth)
        let scratch = FloatBuffer(count: rows * network.scratchWidth)
        var gradient = [Float](repeating: 0, count: parameters.count)
        var dx = [Float](repeating: 0, count: x.count)
        network.forward(parameters, x: x, rows: rows, activations: activations.pointer)
        let y = activations.pointer + network.outputOffset(rows: rows)
        let dy = target.indices.map { 2 * (y[$0] - target[$0]) / Float(target.count) }
        let loss = target.indices.reduce(0.0) { $0 + Double((y[$1] - target[$1]) * (y[$1] - target[$1])) }
        network.backward(
            parameters, x: x, rows: rows, activations: activations.pointer, dy: dy, scratch: scratch.pointer,
            gradients: &gradient, dx: &dx)
        return (Float(loss / Double(target.count)), gradient, dx)
    }

    @Test(arguments: [Activation.tanh, .relu])
    func perceptronEqualsPyTorch(activation: Activation) throws {
        let golden = try Golden("perceptron.\(activation)")
        let (network, _) = perceptron(activation)
        golden.check {
            let result = squaredError(network, $0, x: golden["x"], target: golden["target"])
            return (result.loss, result.gradient)
        }
    }

    @Test func perceptronGradientsEqualFiniteDifferences() throws {
        let golden = try Golden("perceptron.tanh")
        let (network, _) = perceptron(.tanh)
        let (x, target, parameters) = (golden["x"], golden["target"], golden["parameters"])
        let result = squaredError(network, parameters, x: x, target: target)
        let weightError = gradientError(at: parameters, gradient: result.gradient) {
            Double(squaredError(network, $0, x: x, target: target).loss)
        }
        #expect(weightError <= 1e-4)
        let inputError = gradientError(at: x, gradient: result.dx) {
            Double(squaredError(network, parameters, x: $0, target: target).loss)
        }
        #expect(inputError <= 1e-4)
    }

    /// A GRU's weighted sum of states, 5 steps of 2 sequences, 3 inputs, 4 units.
    private struct GatedSum {
        let unit: GRU
        let steps = 5
        let lanes = 2
        let weight: [Float]
        let reversed: Bool

        init(weight: [Float], reversed: Bool) {
            var layout = ParameterLayout()
            unit = GRU(inputs: 3, size: 4, name: "gru", layout: &layout)
            self.weight = weight
            self.reversed = reversed
        }

        func evaluate(_ parameters: [Float], x: [Float], initial: [Float]) -> (
            loss: Float, gradient: [Float], dx: [Float], dInitial: [Float], states: [Float]
        ) {
            let rows = steps * lanes
            let (block, count) = (lanes * unit.size, (steps + 1) * lanes * unit.size)
            let hidden = FloatBuffer(count: count)
            let tape = FloatBuffer(count: rows * unit.tapeWidth)
            let gates = FloatBuffer(count: rows * 3 * unit.size)
            let scratch = FloatBuffer(count: rows * 3 * unit.size)
            hidden.pointer.update(from: initial, count: block)
            unit.forward(
                parameters, x: x, steps: steps, lanes: lanes, hidden: hidden.pointer, gates: gates.pointer,
                tape: tape.pointer, scratch: scratch.pointer, reversed: reversed)
            let states = Array(hidden.values.dropFirst(block))
            let loss = zip(states, weight).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            var dHidden = [Float](repeating: 0, count: block) + weight
            var gradient = [Float](repeating: 0, count: parameters.count)
            var dx = [Float](repeating: 0, count: x.count)
            unit.backward(
                parameters, x: x, steps: steps, lanes: lanes, hidden: hidden.pointer, tape: tape.pointer,
                dHidden: &dHidden, dGates: gates.pointer, scratch: scratch.pointer, gradients: &gradient, dx: &dx,
                reversed: reversed)
            return (Float(loss), gradient, dx, Array(dHidden[..<block]), states)
        }
    }

    @Test(arguments: [false, true])
    func gruEqualsPyTorch(reversed: Bool) throws {
        let golden = try Golden(reversed ? "gru.reversed" : "gru.forward")
        let sum = GatedSum(weight: golden["weight"], reversed: reversed)
        golden.check {
            let result = sum.evaluate($0, x: golden["x"], initial: golden["initial"])
            return (result.loss, result.gradient)
        }
        let result = sum.evaluate(golden["parameters"], x: golden["x"], initial: golden["initial"])
        #expect(largestError(result.states, golden["output"]) <= 1e-5)
        #expect(largestError(result.dx, golden["dx"]) <= 1e-5)
        #expect(largestError(result.dInitial, golden["dInitial"]) <= 1e-5)
    }

    @Test(arguments: [false, true])
    func gruGradientsEqualFiniteDifferences(reversed: Bool) throws {
        let golden = try Golden("gru.forward")
        let sum = GatedSum(weight: golden["weight"], reversed: reversed)
        let (parameters, x, initial) = (golden["parameters"], golden["x"], golden["initial"])
        let result = sum.evaluate(parameters, x: x, initial: initial)
        let weights = gradientError(at: parameters, gradient: result.gradient) {
            Double(sum.evaluate($0, x: x, initial: initial).loss)
        }
        let inputs = gradientError(at: x, gradient: result.dx) {
            Double(sum.evaluate(parameters, x: $0, initial: initial).loss)
        }
        let states = gradientError(at: initial, gradient: result.dInitial) {
            Double(sum.evaluate(parameters, x: x, initial: $0).loss)
        }
        #expect(Swift.max(weights, inputs, states) <= 1e-4)
    }

    @Test func gruStepEqualsASequenceOfOne() throws {
        let golden = try Golden("gru.forward")
        let sum = GatedSum(weight: golden["weight"], reversed: false)
        var hidden = Array(golden["initial"][..<4])
        var scratch = [Float](repeating: 0, count: 24)
        sum.unit.step(golden["parameters"], x: Array(golden["x"][..<3]), hidden: &hidden, scratch: &scratch)
        #expect(largestError(hidden, Array(golden["output"][..<4])) <= 1e-5)
    }

    @Test func exponentialAndTanhEqualTheCLibrarys() {
        for step in -2000...2000 {
            let x = Float(step) / 100
            #expect(abs(Double(exponential(x)) / exactExponential(Double(x)) - 1) < 3e-7)
            let tanh = 1 - 2 / (1 + exactExponential(2 * Double(x)))
            #expect(abs(Double(hyperbolicTangent(x)) - tanh) < 3e-7)
            var values = [Float](repeating: x, count: 19)
            Activation.tanh.apply(&values, count: values.count)
            // Vectors and what is left behind them may round differently, by the last bits.
            #expect(values.allSatisfy { abs(Double($0) - tanh) < 3e-7 })
        }
        #expect(exponential(-1000) < 1e-30 && exponential(1000).isFinite)
    }

    /// e^x by its series, after halving x ten times.
    private func exactExponential(_ x: Double) -> Double {
        let small = x / 1024
        var (sum, term) = (1.0, 1.0)
        for n in 1...12 {
            term *= small / Double(n)
            sum += term
        }
        for _ in 0..<10 { sum *= sum }
        return sum
    }
}

// A stack of fully connected layers with one activation between them and another behind the last.

/// A multi-layer perceptron. It owns no numbers: weights, activations and gradients are the caller's.
public struct Perceptron: Sendable, Hashable {
    public let layers: [Linear]
    public let activation: Activation
    /// Behind the last layer.
    public let outputActivation: Activation

    /// - Parameter sizes: inputs, widths of the hidden layers, outputs.
    public init(
        _ sizes: [Int], activation: Activation, output: Activation = .none, name: String,
        layout: inout ParameterLayout
    ) {
        precondition(sizes.count >= 2, "a perceptron has inputs and outputs")
        var layers: [Linear] = []
        for index in 1..<sizes.count {
            layers.append(
                Linear(
                    inputs: sizes[index - 1], outputs: sizes[index], name: "\(name).\(index - 1)", layout: &layout))
        }
        self.layers = layers
        self.activation = activation
        outputActivation = output
    }

    public var inputs: Int { layers[0].inputs }
    public var outputs: Int { layers[layers.count - 1].outputs }

    /// Floats that `forward` writes for each row.
    public var activationWidth: Int { layers.reduce(0) { $0 + $1.outputs } }
    /// Floats for each row that `backward` needs beside the activations.
    public var scratchWidth: Int { 2 * layers.reduce(0) { Swift.max($0, $1.outputs) } }

    /// Where the output (rows, outputs) begins among the activations.
    public func outputOffset(rows: Int) -> Int { rows * (activationWidth - outputs) }

    /// x (rows, inputs) -> activations: (rows, width) of each layer, one behind the other, the output last.
    public func forward(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int,
        activations: UnsafeMutablePointer<Float>
    ) {
        var input = x
        var output = activations
        let last = layers.count - 1
        for index in 0...last {
            let layer = layers[index]
            layer.forward(parameters, x: input, rows: rows, y: output)
            (index == last ? outputActivation : activation).apply(output, count: rows * layer.outputs)
            input = UnsafePointer(output)
            output += rows * layer.outputs
        }
    }

    /// The gradients of one `forward`.
    /// - Parameters:
    ///   - dy: gradient of the output (rows, outputs).
    ///   - scratch: `rows * scratchWidth` floats.
    ///   - gradients: added to, laid out as the parameters. Nil when only `dx` is wanted.
    ///   - dx: (rows, inputs) or nil; `beta` 1 adds to it.
    public func backward(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, activations: UnsafePointer<Float>,
        dy: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        dx: UnsafeMutablePointer<Float>?, beta: Int32 = 0
    ) {
        let half = rows * scratchWidth / 2
        var gradient = scratch
        var next = scratch + half
        var offset = outputOffset(rows: rows)
        gradient.update(from: dy, count: rows * outputs)
        for index in layers.indices.reversed() {
            let layer = layers[index]
            let isLast = index == layers.count - 1
            (isLast ? outputActivation : activation).multiplyDerivative(
                of: activations + offset, into: gradient, count: rows * layer.outputs)
            if index == 0 {
                layer.backward(
                    parameters, x: x, dy: gradient, rows: rows, gradients: gradients, dx: dx, beta: beta)
            } else {
                offset -= rows * layer.inputs
                layer.backward(
                    parameters, x: activations + offset, dy: gradient, rows: rows, gradients: gradients, dx: next)
                swap(&gradient, &next)
            }
        }
    }
}

// A fully connected layer: y = x . w + b.

/// Sizes and the place of a layer's weights (input, output) and bias (output) in the network's buffer.
public struct Linear: Sendable, Hashable {
    public let inputs: Int
    public let outputs: Int
    public let weight: Range<Int>
    public let bias: Range<Int>

    public init(inputs: Int, outputs: Int, name: String, layout: inout ParameterLayout) {
        self.inputs = inputs
        self.outputs = outputs
        weight = layout.add(name + ".weight", count: inputs * outputs)
        bias = layout.add(name + ".bias", count: outputs)
    }

    /// x (rows, inputs) -> y (rows, outputs).
    public func forward(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, rows: Int, y: UnsafeMutablePointer<Float>
    ) {
        let b = parameters + bias.lowerBound
        for row in 0..<rows { (y + row * outputs).update(from: b, count: outputs) }
        let w = parameters + weight.lowerBound
        if rows == 1 {
            multiplyRow(x, w, inner: inputs, columns: outputs, into: y)
        } else {
            multiply(x, w, rows: rows, inner: inputs, columns: outputs, into: y, beta: 1)
        }
    }

    /// Adds to `gradients` what dy (rows, outputs) asks of the weights; writes dx (rows, inputs) unless it is nil.
    /// - Parameter beta: 1 adds to dx, 0 replaces it.
    public func backward(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, rows: Int,
        gradients: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>?, beta: Int32 = 0
    ) {
        accumulateWeightGradient(
            x, dy, rows: rows, inner: inputs, columns: outputs, into: gradients + weight.lowerBound)
        accumulateColumnSums(dy, rows: rows, columns: outputs, into: gradients + bias.lowerBound)
        if let dx {
            multiplyTransposed(
                dy, parameters + weight.lowerBound, rows: rows, inner: inputs, columns: outputs, into: dx, beta: beta)
        }
    }
}

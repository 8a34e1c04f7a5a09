// First values of weights.

import Base

extension ParameterBuffer {
    /// An orthogonal matrix times `gain`, and a zero bias: the customary start of policy networks (Saxe et al. 2014;
    /// gains as in "What matters in on-policy RL", Andrychowicz et al. 2021: sqrt 2 inside, 0.01 for the policy's
    /// output, 1 for the value's).
    public mutating func initialize(_ layer: Linear, gain: Float, using generator: inout RandomGenerator) {
        let matrix = orthogonal(rows: layer.inputs, columns: layer.outputs, using: &generator)
        values.replaceSubrange(layer.weight, with: matrix.lazy.map { $0 * gain })
        for index in layer.bias { values[index] = 0 }
    }

    /// Hidden layers with sqrt 2, the last with `outputGain`.
    public mutating func initialize(
        _ network: Perceptron, outputGain: Float, using generator: inout RandomGenerator
    ) {
        for (index, layer) in network.layers.enumerated() {
            let isLast = index == network.layers.count - 1
            initialize(layer, gain: isLast ? outputGain : Float(2).squareRoot(), using: &generator)
        }
    }

    /// Every gate's block orthogonal by itself, zero biases.
    public mutating func initialize(_ unit: GRU, using generator: inout RandomGenerator) {
        for layer in [unit.input, unit.state] {
            for gate in 0..<3 {
                let block = orthogonal(rows: layer.inputs, columns: unit.size, using: &generator)
                for row in 0..<layer.inputs {
                    for column in 0..<unit.size {
                        values[layer.weight.lowerBound + row * 3 * unit.size + gate * unit.size + column] =
                            block[row * unit.size + column]
                    }
                }
            }
            for index in layer.bias { values[index] = 0 }
        }
    }

    /// Uniform in +-limit: FIRM's DDPG starts its last layers so (0.003), Lillicrap 2015 too.
    public mutating func initializeUniformly(
        _ layer: Linear, limit: Float, using generator: inout RandomGenerator
    ) {
        for index in layer.weight { values[index] = (2 * generator.uniform() - 1) * limit }
        for index in layer.bias { values[index] = (2 * generator.uniform() - 1) * limit }
    }
}

/// A (rows, columns) matrix whose shorter side's vectors are orthonormal: normal numbers, then Gram-Schmidt.
private func orthogonal(rows: Int, columns: Int, using generator: inout RandomGenerator) -> [Float] {
    let (count, length) = rows < columns ? (rows, columns) : (columns, rows)
    var vectors: [[Float]] = []
    while vectors.count < count {
        var vector = (0..<length).map { _ in generator.normal() }
        for other in vectors {
            let projection = zip(vector, other).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            for index in 0..<length { vector[index] -= projection * other[index] }
        }
        let norm = vector.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
        // What is left of an unlucky draw is rounding error; draw again.
        if norm > 1e-3 { vectors.append(vector.map { $0 / norm }) }
    }
    var matrix = [Float](repeating: 0, count: rows * columns)
    for row in 0..<rows {
        for column in 0..<columns {
            matrix[row * columns + column] = rows < columns ? vectors[row][column] : vectors[column][row]
        }
    }
    return matrix
}

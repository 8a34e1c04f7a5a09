// A gated recurrent unit over a batch of sequences, forward and back through time.
//
// With x the input and h the previous state (Cho et al. 2014, in the form that PyTorch uses):
//
//     r = sigmoid(x Wr + br + h Ur + cr)         reset gate
//     z = sigmoid(x Wz + bz + h Uz + cz)         update gate
//     n = tanh(x Wn + bn + r * (h Un + cn))      candidate
//     h' = (1 - z) * n + z * h
//
// Backwards, with g the gradient of h' and m = h Un + cn:
//
//     dz = g * (h - n) * z (1 - z)
//     dn = g * (1 - z) * (1 - n^2)
//     dr = dn * m * r (1 - r)
//     the input's share of the gates' gradients is (dr, dz, dn), the state's is (dr, dz, dn * r)
//     dh = g * z + (dr, dz, dn * r) U^T
//
// The input's products of all steps are one matrix product; only the state's must be done step by step.

/// Sizes and the places of the weights. Gates lie in the order r, z, n.
public struct GRU: Sendable, Hashable {
    public let inputs: Int
    public let size: Int
    /// Weight (inputs, 3 size) and bias (3 size) of the input.
    public let input: Linear
    /// Weight (size, 3 size) and bias (3 size) of the previous state.
    public let state: Linear

    public init(inputs: Int, size: Int, name: String, layout: inout ParameterLayout) {
        self.inputs = inputs
        self.size = size
        input = Linear(inputs: inputs, outputs: 3 * size, name: name + ".input", layout: &layout)
        state = Linear(inputs: size, outputs: 3 * size, name: name + ".state", layout: &layout)
    }

    /// Floats that one step of one sequence leaves for the way back: r, z, n and m.
    public var tapeWidth: Int { 4 * size }

    /// One step of `lanes` sequences.
    /// - Parameters:
    ///   - gates: x W + b on entry (lanes, 3 size).
    ///   - hidden: previous states (lanes, size). May be the same memory as `next`.
    ///   - scratch: 3 size floats a lane.
    ///   - tape: 4 size floats a lane, or nil when there is no way back.
    private func advance(
        _ parameters: UnsafePointer<Float>, gates: UnsafePointer<Float>, hidden: UnsafePointer<Float>, lanes: Int,
        scratch: UnsafeMutablePointer<Float>, next: UnsafeMutablePointer<Float>, tape: UnsafeMutablePointer<Float>?
    ) {
        state.forward(parameters, x: hidden, rows: lanes, y: scratch)
        for lane in 0..<lanes {
            let gx = gates + lane * 3 * size
            let gh = scratch + lane * 3 * size
            let h = hidden + lane * size
            let out = next + lane * size
            for index in 0..<2 * size { gh[index] = sigmoid(gx[index] + gh[index]) }
            if let tape {
                let line = tape + lane * tapeWidth
                line.update(from: gh, count: 3 * size)
                (line + 3 * size).update(from: gh + 2 * size, count: size)
                for index in 0..<size {
                    line[2 * size + index] = hyperbolicTangent(gx[2 * size + index] + gh[index] * gh[2 * size + index])
                }
                for index in 0..<size {
                    let z = gh[size + index]
                    out[index] = (1 - z) * line[2 * size + index] + z * h[index]
                }
            } else {
                for index in 0..<size {
                    let n = hyperbolicTangent(gx[2 * size + index] + gh[index] * gh[2 * size + index])
                    let z = gh[size + index]
                    out[index] = (1 - z) * n + z * h[index]
                }
            }
        }
    }

    /// One step of one sequence, in place: how a policy that decides uses it. `scratch` holds 6 size floats.
    public func step(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, hidden: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        input.forward(parameters, x: x, rows: 1, y: scratch)
        advance(
            parameters, gates: scratch, hidden: hidden, lanes: 1, scratch: scratch + 3 * size, next: hidden, tape: nil)
    }

    /// Whole sequences.
    /// - Parameters:
    ///   - x: (steps, lanes, inputs).
    ///   - hidden: (steps + 1, lanes, size); the first block is the initial state, the rest is written.
    ///   - gates: steps * lanes * 3 size floats, overwritten.
    ///   - tape: steps * lanes * `tapeWidth` floats for `backward`.
    ///   - scratch: lanes * 3 size floats.
    ///   - reversed: read the steps from the last to the first. `hidden` block k + 1 then holds the state behind
    ///     step `steps - 1 - k`.
    public func forward(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, steps: Int, lanes: Int,
        hidden: UnsafeMutablePointer<Float>, gates: UnsafeMutablePointer<Float>, tape: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>, reversed: Bool = false
    ) {
        input.forward(parameters, x: x, rows: steps * lanes, y: gates)
        let block = lanes * size
        for step in 0..<steps {
            let position = reversed ? steps - 1 - step : step
            advance(
                parameters, gates: gates + position * 3 * block, hidden: hidden + step * block, lanes: lanes,
                scratch: scratch, next: hidden + (step + 1) * block, tape: tape + position * 4 * block)
        }
    }

    /// The way back through `forward`.
    /// - Parameters:
    ///   - dHidden: (steps + 1, lanes, size), the gradient of each state, in `hidden`'s order; overwritten. On return
    ///     its first block is the gradient of the initial state.
    ///   - dGates: steps * lanes * 3 size floats, overwritten with the gradients of x W + b.
    ///   - scratch: steps * lanes * 3 size floats.
    ///   - dx: (steps, lanes, inputs) or nil.
    public func backward(
        _ parameters: UnsafePointer<Float>, x: UnsafePointer<Float>, steps: Int, lanes: Int,
        hidden: UnsafePointer<Float>, tape: UnsafePointer<Float>, dHidden: UnsafeMutablePointer<Float>,
        dGates: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>,
        gradients: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>?, reversed: Bool = false
    ) {
        let block = lanes * size
        for step in (0..<steps).reversed() {
            let position = reversed ? steps - 1 - step : step
            let before = dHidden + step * block
            let after = dHidden + (step + 1) * block
            let stateGates = scratch + step * 3 * block
            for lane in 0..<lanes {
                let line = tape + (position * lanes + lane) * tapeWidth
                let r = line
                let z = line + size
                let n = line + 2 * size
                let m = line + 3 * size
                let h = hidden + step * block + lane * size
                let g = after + lane * size
                let dg = dGates + (position * lanes + lane) * 3 * size
                let ds = stateGates + lane * 3 * size
                let dh = before + lane * size
                for index in 0..<size {
                    let dn = g[index] * (1 - z[index]) * (1 - n[index] * n[index])
                    let dz = g[index] * (h[index] - n[index]) * z[index] * (1 - z[index])
                    let dr = dn * m[index] * r[index] * (1 - r[index])
                    dg[index] = dr
                    dg[size + index] = dz
                    dg[2 * size + index] = dn
                    ds[index] = dr
                    ds[size + index] = dz
                    ds[2 * size + index] = dn * r[index]
                    dh[index] += g[index] * z[index]
                }
            }
            multiplyTransposed(
                stateGates, parameters + state.weight.lowerBound, rows: lanes, inner: size, columns: 3 * size,
                into: before, beta: 1)
        }
        // `scratch` is in the order of `hidden`, so the state's weights need one product for all steps too.
        state.backward(
            parameters, x: hidden, dy: scratch, rows: steps * lanes, gradients: gradients, dx: nil)
        input.backward(parameters, x: x, dy: dGates, rows: steps * lanes, gradients: gradients, dx: dx)
    }
}

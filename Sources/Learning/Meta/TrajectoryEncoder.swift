// From trajectories to an embedding: what kind of workload is this?

import Base
import Neural

/// A bidirectional GRU over (observation, action one-hots, reward), whose states are averaged over all steps of all
/// episodes and projected: embedding = tanh(mean [forward, backward] . W + b).
///
/// The paper has two layers of 256 units in actor and critic each, run at every forward pass. This one is small, is
/// shared, runs over time and not over features, and runs only when the trajectories change; the mean makes it
/// independent of how many and how long they are, and tanh, unlike ReLU, cannot die.
public struct TrajectoryEncoder: Sendable, Hashable {
    public let observationSize: Int
    public let heads: [Int]
    public let embeddingSize: Int
    /// Of the GRU in each direction.
    public var units: Int { ahead.size }
    public let layout: ParameterLayout
    private let ahead: GRU
    private let back: GRU
    private let projection: Linear

    /// - Parameter units: of the GRU in each direction.
    public init(observationSize: Int, heads: [Int], units: Int = 32, embeddingSize: Int = 32) {
        var layout = ParameterLayout()
        let inputs = observationSize + heads.reduce(0, +) + 1
        ahead = GRU(inputs: inputs, size: units, name: "ahead", layout: &layout)
        back = GRU(inputs: inputs, size: units, name: "back", layout: &layout)
        projection = Linear(inputs: 2 * units, outputs: embeddingSize, name: "projection", layout: &layout)
        self.observationSize = observationSize
        self.heads = heads
        self.embeddingSize = embeddingSize
        self.layout = layout
    }

    public func initialParameters(using generator: inout RandomGenerator) -> ParameterBuffer {
        var parameters = ParameterBuffer(layout: layout)
        parameters.initialize(ahead, using: &generator)
        parameters.initialize(back, using: &generator)
        parameters.initialize(projection, gain: 1, using: &generator)
        return parameters
    }

    /// What one group of equally long episodes leaves for the way back.
    fileprivate struct Group {
        let steps: Int
        let lanes: Int
        let inputs: [Float]
        let hidden: (ahead: FloatBuffer, back: FloatBuffer)
        let tape: (ahead: FloatBuffer, back: FloatBuffer)
    }

    /// The embedding and everything needed to differentiate it. Made anew for each encoding.
    public struct Encoding {
        public let embedding: [Float]
        fileprivate let pooled: [Float]
        fileprivate let steps: Int
        fileprivate let groups: [Group]
    }

    private func isValid(_ episode: Episode) -> Bool {
        let steps = episode.count
        guard steps > 0, episode.observations.count == steps * observationSize,
            episode.actions.count == steps * heads.count, episode.observations.allFinite, episode.rewards.allFinite
        else { return false }
        return episode.actions.indices.allSatisfy {
            episode.actions[$0] >= 0 && Int(episode.actions[$0]) < heads[$0 % heads.count]
        }
    }

    /// Encodes episodes; without any, the embedding is zeros. Episodes that are not valid are left out.
    public func encode(_ episodes: [Episode], parameters: ParameterBuffer) -> Encoding {
        let valid = episodes.filter(isValid)
        let lengths = Set(valid.map(\.count)).sorted()
        let groups = lengths.map { length in run(valid.filter { $0.count == length }, parameters: parameters) }
        let steps = valid.reduce(0) { $0 + $1.count }
        let units = ahead.size
        var pooled = [Float](repeating: 0, count: 2 * units)
        for group in groups {
            for (offset, hidden) in [(0, group.hidden.ahead), (units, group.hidden.back)] {
                for row in group.lanes..<(group.steps + 1) * group.lanes {
                    for index in 0..<units { pooled[offset + index] += hidden.pointer[row * units + index] }
                }
            }
        }
        guard steps > 0 else {
            return Encoding(
                embedding: [Float](repeating: 0, count: embeddingSize), pooled: pooled, steps: 0, groups: [])
        }
        for index in pooled.indices { pooled[index] /= Float(steps) }
        var embedding = [Float](repeating: 0, count: embeddingSize)
        projection.forward(parameters.values, x: pooled, rows: 1, y: &embedding)
        Activation.tanh.apply(&embedding, count: embeddingSize)
        return Encoding(embedding: embedding, pooled: pooled, steps: steps, groups: groups)
    }

    private func run(_ episodes: [Episode], parameters: ParameterBuffer) -> Group {
        let (steps, lanes, width) = (episodes[0].count, episodes.count, ahead.inputs)
        var inputs = [Float](repeating: 0, count: steps * lanes * width)
        for (lane, episode) in episodes.enumerated() {
            for step in 0..<steps {
                let start = (step * lanes + lane) * width
                for index in 0..<observationSize {
                    inputs[start + index] = episode.observations[step * observationSize + index]
                }
                var offset = start + observationSize
                for (head, count) in heads.enumerated() {
                    inputs[offset + Int(episode.actions[step * heads.count + head])] = 1
                    offset += count
                }
                inputs[offset] = episode.rewards[step]
            }
        }
        func states() -> FloatBuffer { FloatBuffer(count: (steps + 1) * lanes * ahead.size) }
        func tape() -> FloatBuffer { FloatBuffer(count: steps * lanes * ahead.tapeWidth) }
        let group = Group(
            steps: steps, lanes: lanes, inputs: inputs, hidden: (states(), states()), tape: (tape(), tape()))
        let gates = FloatBuffer(count: steps * lanes * 3 * ahead.size)
        let scratch = FloatBuffer(count: lanes * 3 * ahead.size)
        ahead.forward(
            parameters.values, x: inputs, steps: steps, lanes: lanes, hidden: group.hidden.ahead.pointer,
            gates: gates.pointer, tape: group.tape.ahead.pointer, scratch: scratch.pointer)
        back.forward(
            parameters.values, x: inputs, steps: steps, lanes: lanes, hidden: group.hidden.back.pointer,
            gates: gates.pointer, tape: group.tape.back.pointer, scratch: scratch.pointer, reversed: true)
        return group
    }

    /// Adds to `gradients` what the gradient of an embedding asks of the encoder's weights.
    public func backward(
        _ encoding: Encoding, gradient: [Float], parameters: ParameterBuffer, gradients: inout [Float]
    ) {
        guard encoding.steps > 0 else { return }
        let units = ahead.size
        var slope = gradient
        Activation.tanh.multiplyDerivative(of: encoding.embedding, into: &slope, count: embeddingSize)
        var pooledGradient = [Float](repeating: 0, count: 2 * units)
        projection.backward(
            parameters.values, x: encoding.pooled, dy: slope, rows: 1, gradients: &gradients, dx: &pooledGradient)
        for index in pooledGradient.indices { pooledGradient[index] /= Float(encoding.steps) }
        for group in encoding.groups {
            let rows = group.steps * group.lanes
            let dGates = FloatBuffer(count: rows * 3 * units)
            let scratch = FloatBuffer(count: rows * 3 * units)
            for (unit, hidden, tape, offset, isReversed) in [
                (ahead, group.hidden.ahead, group.tape.ahead, 0, false),
                (back, group.hidden.back, group.tape.back, units, true),
            ] {
                let dHidden = FloatBuffer(count: (group.steps + 1) * group.lanes * units)
                for row in group.lanes..<(group.steps + 1) * group.lanes {
                    for index in 0..<units { dHidden.pointer[row * units + index] = pooledGradient[offset + index] }
                }
                unit.backward(
                    parameters.values, x: group.inputs, steps: group.steps, lanes: group.lanes,
                    hidden: hidden.pointer, tape: tape.pointer, dHidden: dHidden.pointer, dGates: dGates.pointer,
                    scratch: scratch.pointer, gradients: &gradients, dx: nil, reversed: isReversed)
            }
        }
    }

    /// How alike two workloads are: the cosine of the angle between their embeddings; 0 when one of them is zero.
    public static func similarity(_ first: [Float], _ second: [Float]) -> Float {
        guard first.count == second.count else { return 0 }
        var (product, firstSquare, secondSquare) = (0.0, 0.0, 0.0)
        for (a, b) in zip(first, second) {
            product += Double(a) * Double(b)
            firstSquare += Double(a) * Double(a)
            secondSquare += Double(b) * Double(b)
        }
        guard firstSquare > 0, secondSquare > 0 else { return 0 }
        return Float(product / (firstSquare * secondSquare).squareRoot())
    }
}

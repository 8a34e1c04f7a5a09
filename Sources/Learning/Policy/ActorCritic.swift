// The network that most algorithms here learn: an actor and a critic, with a GRU in front of both when asked for.

import Base
import Neural

/// Layers and their places in one parameter buffer: [GRU], actor, critic.
public struct ActorCritic: Sendable, Hashable {
    public let shape: PolicyShape
    public let layout: ParameterLayout
    public let memory: GRU?
    public let actor: Perceptron
    public let critic: Perceptron

    public init(_ shape: PolicyShape) {
        precondition(shape.isValid, "the sizes make no network: \(shape)")
        var layout = ParameterLayout()
        self.shape = shape
        memory =
            shape.recurrentSize > 0
            ? GRU(inputs: shape.recurrentInputSize, size: shape.recurrentSize, name: "memory", layout: &layout) : nil
        actor = Perceptron(
            [shape.inputSize] + shape.hidden + [shape.actionCount], activation: shape.activation, name: "actor",
            layout: &layout)
        critic = Perceptron(
            [shape.inputSize] + shape.hidden + [1], activation: shape.activation, name: "critic", layout: &layout)
        self.layout = layout
    }

    /// First weights. The small gain makes the first policy nearly uniform.
    public func initialParameters(using generator: inout RandomGenerator) -> ParameterBuffer {
        var parameters = ParameterBuffer(layout: layout)
        if let memory { parameters.initialize(memory, using: &generator) }
        parameters.initialize(actor, outputGain: 0.01, using: &generator)
        parameters.initialize(critic, outputGain: 1, using: &generator)
        return parameters
    }

    /// Memory for forward and backward passes of up to `rows` rows, or `steps * lanes` rows of whole sequences.
    public final class Workspace {
        public let rows: Int
        /// (rows, inputSize): observation, embedding; the GRU's state is filled in by `forward`.
        public let inputs: FloatBuffer
        /// (steps, lanes, recurrentInputSize).
        public let recurrentInputs: FloatBuffer
        /// (steps + 1, lanes, recurrentSize); the first block is the initial state.
        public let hidden: FloatBuffer
        /// Gradient of the actor's output (rows, actionCount), the caller's to fill.
        public let logitGradients: FloatBuffer
        /// Gradient of the critic's output (rows), the caller's to fill.
        public let valueGradients: FloatBuffer
        /// Gradient of `inputs`, written by `backward` when the network has a GRU or an embedding.
        public let inputGradients: FloatBuffer
        /// Gradient of all parameters; `backward` adds to it.
        public let gradients: FloatBuffer

        let actorActivations: FloatBuffer
        let criticActivations: FloatBuffer
        let scratch: FloatBuffer
        let gates: FloatBuffer
        let tape: FloatBuffer
        let hiddenGradients: FloatBuffer
        let laneScratch: FloatBuffer

        public init(_ network: ActorCritic, rows: Int, lanes: Int = 1) {
            let shape = network.shape
            let recurrent = shape.recurrentSize
            self.rows = rows
            inputs = FloatBuffer(count: rows * shape.inputSize)
            recurrentInputs = FloatBuffer(count: recurrent == 0 ? 0 : rows * shape.recurrentInputSize)
            hidden = FloatBuffer(count: (rows + lanes) * recurrent)
            logitGradients = FloatBuffer(count: rows * shape.actionCount)
            valueGradients = FloatBuffer(count: rows)
            inputGradients = FloatBuffer(count: rows * shape.inputSize)
            gradients = FloatBuffer(count: network.layout.count)
            actorActivations = FloatBuffer(count: rows * network.actor.activationWidth)
            criticActivations = FloatBuffer(count: rows * network.critic.activationWidth)
            scratch = FloatBuffer(
                count: rows * Swift.max(network.actor.scratchWidth, network.critic.scratchWidth, 3 * recurrent))
            gates = FloatBuffer(count: rows * 3 * recurrent)
            tape = FloatBuffer(count: rows * 4 * recurrent)
            hiddenGradients = FloatBuffer(count: (rows + lanes) * recurrent)
            laneScratch = FloatBuffer(count: lanes * 3 * recurrent)
        }
    }

    /// Where (rows, actionCount) logits stand after `forward`.
    public func logits(_ work: Workspace, rows: Int) -> UnsafeMutablePointer<Float> {
        work.actorActivations.pointer + actor.outputOffset(rows: rows)
    }

    /// Where (rows) values stand after `forward`.
    public func values(_ work: Workspace, rows: Int) -> UnsafeMutablePointer<Float> {
        work.criticActivations.pointer + critic.outputOffset(rows: rows)
    }

    /// Logits and values of `steps * lanes` rows, time first. A feed-forward network takes any split of its rows.
    public func forward(_ parameters: UnsafePointer<Float>, steps: Int, lanes: Int, work: Workspace) {
        let rows = steps * lanes
        precondition(rows <= work.rows, "the workspace holds \(work.rows) rows")
        if let memory {
            memory.forward(
                parameters, x: work.recurrentInputs.pointer, steps: steps, lanes: lanes, hidden: work.hidden.pointer,
                gates: work.gates.pointer, tape: work.tape.pointer, scratch: work.laneScratch.pointer)
            let size = memory.size
            let offset = shape.observationSize + shape.embeddingSize
            for row in 0..<rows {
                (work.inputs.pointer + row * shape.inputSize + offset).update(
                    from: work.hidden.pointer + (row + lanes) * size, count: size)
            }
        }
        actor.forward(parameters, x: work.inputs.pointer, rows: rows, activations: work.actorActivations.pointer)
        critic.forward(parameters, x: work.inputs.pointer, rows: rows, activations: work.criticActivations.pointer)
    }

    /// Adds to `work.gradients` what `work.logitGradients` and `work.valueGradients` ask for.
    public func backward(_ parameters: UnsafePointer<Float>, steps: Int, lanes: Int, work: Workspace) {
        let rows = steps * lanes
        let needsInputs = memory != nil || shape.embeddingSize > 0
        let dx = needsInputs ? work.inputGradients.pointer : nil
        actor.backward(
            parameters, x: work.inputs.pointer, rows: rows, activations: work.actorActivations.pointer,
            dy: work.logitGradients.pointer, scratch: work.scratch.pointer, gradients: work.gradients.pointer, dx: dx)
        critic.backward(
            parameters, x: work.inputs.pointer, rows: rows, activations: work.criticActivations.pointer,
            dy: work.valueGradients.pointer, scratch: work.scratch.pointer, gradients: work.gradients.pointer, dx: dx,
            beta: 1)
        guard let memory else { return }
        let size = memory.size
        let offset = shape.observationSize + shape.embeddingSize
        work.hiddenGradients.pointer.update(repeating: 0, count: lanes * size)
        for row in 0..<rows {
            (work.hiddenGradients.pointer + (row + lanes) * size).update(
                from: work.inputGradients.pointer + row * shape.inputSize + offset, count: size)
        }
        memory.backward(
            parameters, x: work.recurrentInputs.pointer, steps: steps, lanes: lanes, hidden: work.hidden.pointer,
            tape: work.tape.pointer, dHidden: work.hiddenGradients.pointer, dGates: work.gates.pointer,
            scratch: work.scratch.pointer, gradients: work.gradients.pointer, dx: nil)
    }
}

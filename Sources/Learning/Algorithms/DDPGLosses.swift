// The two losses of DDPG: the critic's squared error, and the actor's climb through the critic.

import Neural

extension DDPG {
    /// Memory for the passes of one minibatch.
    final class Workspace {
        let observations: FloatBuffer
        /// (rows, inputSize + actionCount): what the critic reads.
        let joint: FloatBuffer
        let jointGradients: FloatBuffer
        let actorActivations: FloatBuffer
        let criticActivations: FloatBuffer
        /// (rows, actionCount): gradient of the actor's output.
        let actionGradients: FloatBuffer
        let valueGradients: FloatBuffer
        let scratch: FloatBuffer
        let actorGradients: FloatBuffer
        let criticGradients: FloatBuffer
        /// Probabilities and log-probabilities of one head.
        let head: FloatBuffer

        init(_ learner: DDPG, rows: Int) {
            let (actor, critic, shape) = (learner.actor, learner.critic, learner.shape)
            observations = FloatBuffer(count: rows * shape.inputSize)
            joint = FloatBuffer(count: rows * critic.inputs)
            jointGradients = FloatBuffer(count: rows * critic.inputs)
            actorActivations = FloatBuffer(count: rows * actor.activationWidth)
            criticActivations = FloatBuffer(count: rows * critic.activationWidth)
            actionGradients = FloatBuffer(count: rows * shape.actionCount)
            valueGradients = FloatBuffer(count: rows)
            scratch = FloatBuffer(count: rows * Swift.max(actor.scratchWidth, critic.scratchWidth))
            actorGradients = FloatBuffer(count: learner.actorParameters.values.count)
            criticGradients = FloatBuffer(count: learner.criticParameters.values.count)
            head = FloatBuffer(count: 2 * shape.actionCount)
        }
    }

    /// Runs the actor on `work.observations` and puts its actions behind the observations in `work.joint`.
    /// - Parameter masks: legal actions of a row, for discrete heads; nil = all.
    private func act(_ parameters: ParameterBuffer, rows: Int, masks: ((Int) -> ArraySlice<UInt8>)?, work: Workspace) {
        let width = shape.actionCount
        parameters.values.withUnsafeBufferPointer {
            actor.forward(
                $0.baseAddress!, x: work.observations.pointer, rows: rows, activations: work.actorActivations.pointer)
        }
        let output = work.actorActivations.pointer + actor.outputOffset(rows: rows)
        for row in 0..<rows {
            let line = work.joint.pointer + row * critic.inputs
            line.update(from: work.observations.pointer + row * shape.inputSize, count: shape.inputSize)
            let action = line + shape.inputSize
            guard isDiscrete else {
                action.update(from: output + row * width, count: width)
                continue
            }
            let mask = masks?(row)
            var offset = 0
            for count in shape.heads {
                func write(_ mask: UnsafePointer<UInt8>?) {
                    Categorical.probabilities(
                        logits: output + row * width + offset, mask: mask, count: count,
                        probabilities: action + offset, logProbabilities: work.head.pointer)
                }
                if let mask {
                    mask.withUnsafeBufferPointer { write($0.baseAddress! + offset) }
                } else {
                    write(nil)
                }
                offset += count
            }
        }
    }

    private func evaluate(_ parameters: ParameterBuffer, rows: Int, work: Workspace) -> UnsafeMutablePointer<Float> {
        parameters.values.withUnsafeBufferPointer {
            critic.forward(
                $0.baseAddress!, x: work.joint.pointer, rows: rows, activations: work.criticActivations.pointer)
        }
        return work.criticActivations.pointer + critic.outputOffset(rows: rows)
    }

    /// r + discount * Q'(s', actor'(s')), by the target networks.
    func targets(_ rows: [Int], work: Workspace) -> [Float] {
        let width = shape.actionCount
        replay.copyObservations(rows, next: true, to: work.observations.pointer, stride: shape.inputSize)
        act(
            actorTarget, rows: rows.count,
            masks: { replay.nextMasks[rows[$0] * width..<(rows[$0] + 1) * width] }, work: work)
        let next = evaluate(criticTarget, rows: rows.count, work: work)
        return rows.enumerated().map { index, row in
            replay.rewards[row] + options.discount * replay.continues[row] * next[index]
        }
    }

    /// Writes the gradient of mean (Q - target)^2 / 2 to `work.criticGradients` and returns that loss.
    func backpropagateCritic(_ rows: [Int], targets: [Float], work: Workspace) -> Float {
        replay.copyObservations(rows, to: work.joint.pointer, stride: critic.inputs)
        replay.copyActions(rows, to: work.joint.pointer + shape.inputSize, stride: critic.inputs)
        let values = evaluate(criticParameters, rows: rows.count, work: work)
        var loss: Float = 0
        for index in rows.indices {
            let error = values[index] - targets[index]
            loss += error * error / 2 / Float(rows.count)
            work.valueGradients.pointer[index] = error / Float(rows.count)
        }
        work.criticGradients.clear()
        criticParameters.values.withUnsafeBufferPointer {
            critic.backward(
                $0.baseAddress!, x: work.joint.pointer, rows: rows.count,
                activations: work.criticActivations.pointer, dy: work.valueGradients.pointer,
                scratch: work.scratch.pointer, gradients: work.criticGradients.pointer, dx: nil)
        }
        return loss
    }

    /// Writes the gradient of -mean Q(s, actor(s)) - entropy weight * mean entropy to `work.actorGradients`; returns
    /// the mean Q and the mean entropy (0 for numbers).
    func backpropagateActor(_ rows: [Int], work: Workspace) -> (value: Float, entropy: Float) {
        let width = shape.actionCount
        let share = 1 / Float(rows.count)
        replay.copyObservations(rows, to: work.observations.pointer, stride: shape.inputSize)
        act(actorParameters, rows: rows.count, masks: nil, work: work)
        let values = evaluate(criticParameters, rows: rows.count, work: work)
        var (mean, entropy): (Float, Float) = (0, 0)
        for index in rows.indices {
            mean += values[index] * share
            work.valueGradients.pointer[index] = -share
        }
        // The critic's own weights stay as they are; its weight gradients of this pass are thrown away.
        criticParameters.values.withUnsafeBufferPointer {
            critic.backward(
                $0.baseAddress!, x: work.joint.pointer, rows: rows.count,
                activations: work.criticActivations.pointer, dy: work.valueGradients.pointer,
                scratch: work.scratch.pointer, gradients: work.criticGradients.pointer, dx: work.jointGradients.pointer)
        }
        for index in rows.indices {
            let slope = work.jointGradients.pointer + index * critic.inputs + shape.inputSize
            let gradient = work.actionGradients.pointer + index * width
            if isDiscrete {
                entropy +=
                    share
                    * writeLogitGradient(
                        slope: slope, probabilities: work.joint.pointer + index * critic.inputs + shape.inputSize,
                        share: share, gradient: gradient)
            } else {
                gradient.update(from: slope, count: width)
            }
        }
        work.actorGradients.clear()
        actorParameters.values.withUnsafeBufferPointer {
            actor.backward(
                $0.baseAddress!, x: work.observations.pointer, rows: rows.count,
                activations: work.actorActivations.pointer, dy: work.actionGradients.pointer,
                scratch: work.scratch.pointer, gradients: work.actorGradients.pointer, dx: nil)
        }
        return (mean, entropy)
    }

    /// Through the softmax: d/d(logit i) = p_i (slope_i - sum_j p_j slope_j), where the entropy bonus adds its own
    /// slope: d(-entropy)/d(p_i) = log p_i + 1, whose constant the softmax removes. Returns the row's entropy.
    private func writeLogitGradient(
        slope: UnsafePointer<Float>, probabilities: UnsafePointer<Float>, share: Float,
        gradient: UnsafeMutablePointer<Float>
    ) -> Float {
        var offset = 0
        var entropy: Float = 0
        for count in shape.heads {
            var mean: Float = 0
            for index in offset..<offset + count {
                let p = probabilities[index]
                let logP = p > 0 ? naturalLogarithm(p) : 0
                entropy -= p * logP
                gradient[index] = slope[index] + options.entropy * share * logP
                mean += p * gradient[index]
            }
            for index in offset..<offset + count {
                gradient[index] = probabilities[index] * (gradient[index] - mean)
            }
            offset += count
        }
        return entropy
    }
}

// A policy with fewer inputs: without those that only its critic was shown, or with its workload's embedding built in.

import Neural

extension Policy {
    /// The same actor on the first `size` values of the observation. The critic loses what it knew beyond them, and has to
    /// be trained again.
    ///
    /// - Precondition: feed-forward, without embedding, at least `size` values.
    public func narrowed(toObservation size: Int) -> Policy {
        precondition(shape.recurrentSize == 0 && shape.embeddingSize == 0 && size <= shape.observationSize)
        var narrow = shape
        narrow.observationSize = size
        let target = ActorCritic(narrow)
        var values = [Float](repeating: 0, count: target.layout.count)
        for (from, to) in [(network.actor, target.actor), (network.critic, target.critic)] {
            for (old, new) in zip(from.layers, to.layers) {
                // Weights stand input by input: the first inputs are the first rows.
                for offset in 0..<new.weight.count {
                    values[new.weight.lowerBound + offset] = parameters[old.weight.lowerBound + offset]
                }
                for offset in 0..<new.bias.count {
                    values[new.bias.lowerBound + offset] = parameters[old.bias.lowerBound + offset]
                }
            }
        }
        return Policy(shape: narrow, parameters: values)
    }

    /// The policy for one workload: what the embedding adds to the first layers of actor and critic becomes part of their biases,
    /// and the policy reads no embedding any more. It decides as before, whatever else it reads.
    ///
    /// - Parameter embedding: `shape.embeddingSize` values; of another size, none is known: zeros.
    public func bound(to embedding: [Float]) -> Policy {
        guard shape.embeddingSize > 0 else { return self }
        let known = embedding.count == shape.embeddingSize ? embedding : [Float](repeating: 0, count: shape.embeddingSize)
        var plain = shape
        plain.embeddingSize = 0
        let target = ActorCritic(plain)
        var values = [Float](repeating: 0, count: target.layout.count)
        func copy(_ from: Range<Int>, to place: Int) {
            for (offset, index) in from.enumerated() { values[place + offset] = parameters[index] }
        }
        if let old = network.memory, let new = target.memory {
            for (from, to) in [(old.input, new.input), (old.state, new.state)] {
                copy(from.weight, to: to.weight.lowerBound)
                copy(from.bias, to: to.bias.lowerBound)
            }
        }
        for (from, to) in [(network.actor, target.actor), (network.critic, target.critic)] {
            for (layer, (old, new)) in zip(from.layers, to.layers).enumerated() {
                copy(old.bias, to: new.bias.lowerBound)
                guard layer == 0 else {
                    copy(old.weight, to: new.weight.lowerBound)
                    continue
                }
                // Weights stand input by input: observation, embedding, the GRU's state.
                let units = new.bias.count
                let (before, after) = (shape.observationSize * units, (shape.observationSize + shape.embeddingSize) * units)
                copy(old.weight.lowerBound..<old.weight.lowerBound + before, to: new.weight.lowerBound)
                copy(old.weight.lowerBound + after..<old.weight.upperBound, to: new.weight.lowerBound + before)
                for (input, value) in known.enumerated() {
                    for unit in 0..<units {
                        values[new.bias.lowerBound + unit] += value * parameters[old.weight.lowerBound + before + input * units + unit]
                    }
                }
            }
        }
        return Policy(shape: plain, parameters: values)
    }

    /// The same weights, held back after changes: see `PolicyShape.restraint`.
    public func restrained(by restraint: Float) -> Policy {
        var shape = shape
        shape.restraint = restraint
        return Policy(shape: shape, parameters: parameters)
    }
}

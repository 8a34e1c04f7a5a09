// A policy without the inputs that only its critic was shown while it learned.

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

    /// The same weights, held back after changes: see `PolicyShape.restraint`.
    public func restrained(by restraint: Float) -> Policy {
        var shape = shape
        shape.restraint = restraint
        return Policy(shape: shape, parameters: parameters)
    }
}

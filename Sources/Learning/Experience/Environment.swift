// What an algorithm needs to know of the world it acts in, and how an episode is played.

import Base
import Neural

/// A world that is observed and acted upon in steps. Its randomness comes from the caller.
public protocol Environment {
    /// Floats of one observation.
    var observationSize: Int { get }
    /// Begins an episode.
    mutating func reset(using generator: inout RandomGenerator)
    /// Writes the current observation: `observationSize` floats.
    func observe(into observation: UnsafeMutableBufferPointer<Float>)
}

/// What a step earned, and whether the task itself ended with it. A time limit is the caller's and ends nothing.
public struct Outcome: Sendable, Hashable {
    public var reward: Float
    public var terminated: Bool

    public init(reward: Float, terminated: Bool = false) {
        self.reward = reward
        self.terminated = terminated
    }
}

/// Actions are one choice from each of several heads.
public protocol DiscreteEnvironment: Environment {
    /// Number of actions of each head.
    var heads: [Int] { get }
    /// Writes 1 for every legal action and 0 for the others, head behind head. By default all are legal.
    func legal(into mask: UnsafeMutableBufferPointer<UInt8>)
    /// `actions` holds one index a head.
    mutating func step(_ actions: UnsafeBufferPointer<Int32>, using generator: inout RandomGenerator) -> Outcome
}

/// Actions are numbers in -1...1.
public protocol ContinuousEnvironment: Environment {
    /// Floats of one action.
    var actionSize: Int { get }
    mutating func step(_ action: UnsafeBufferPointer<Float>, using generator: inout RandomGenerator) -> Outcome
}

extension DiscreteEnvironment {
    public func legal(into mask: UnsafeMutableBufferPointer<UInt8>) { mask.update(repeating: 1) }
}

extension Policy {
    /// Plays up to `steps` steps from a reset and returns them, ready for `PPO.update`.
    /// - Parameters:
    ///   - greedy: take the most probable actions instead of drawing them.
    ///   - exploration: share of random actions (`Learner.exploration`).
    public func play<World: DiscreteEnvironment>(
        _ world: inout World, steps: Int, greedy: Bool = false, exploration: Float = 0, embedding: [Float] = [],
        scratch: PolicyScratch, using generator: inout RandomGenerator
    ) -> Episode {
        var episode = Episode()
        episode.reserve(steps: steps, shape: shape)
        episode.embedding = embedding
        var memory = shape.emptyMemory()
        var observation = [Float](repeating: 0, count: shape.observationSize)
        var mask = [UInt8](repeating: 1, count: shape.actionCount)
        world.reset(using: &generator)
        for _ in 0..<steps {
            observation.withUnsafeMutableBufferPointer { world.observe(into: $0) }
            mask.withUnsafeMutableBufferPointer { world.legal(into: $0) }
            observation.withUnsafeBufferPointer { observation in
                mask.withUnsafeBufferPointer { mask in
                    memory.withUnsafeMutableBufferPointer { memory in
                        embedding.withUnsafeBufferPointer { embedding in
                            if greedy {
                                decide(
                                    observation: observation, embedding: embedding, mask: mask, memory: memory,
                                    scratch: scratch)
                            } else {
                                decide(
                                    observation: observation, embedding: embedding, mask: mask, memory: memory,
                                    scratch: scratch, sampling: &generator, exploration: exploration)
                            }
                        }
                    }
                    episode.append(observation: observation, mask: mask, decision: scratch)
                }
            }
            let outcome = world.step(UnsafeBufferPointer(scratch.actions), using: &generator)
            episode.rewards.append(outcome.reward)
            shape.record(reward: outcome.reward, memory: &memory)
            episode.terminated = outcome.terminated
            if outcome.terminated { return episode }
        }
        observation.withUnsafeMutableBufferPointer { world.observe(into: $0) }
        episode.bootstrapValue = observation.withUnsafeBufferPointer { observation in
            embedding.withUnsafeBufferPointer { embedding in
                memory.withUnsafeBufferPointer {
                    value(observation: observation, embedding: embedding, memory: $0, scratch: scratch)
                }
            }
        }
        return episode
    }
}

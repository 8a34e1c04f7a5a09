// The simplest worlds that can be learned: each algorithm must solve them before it is tried on anything else.

import Learning
import Neural
@testable import Base

/// Shows one of `choices` symbols as a one-hot and pays 1 for echoing it on every head.
struct IdentityEnvironment: DiscreteEnvironment {
    let choices: Int
    let heads: [Int]
    private var shown = 0

    init(choices: Int = 4, heads: Int = 1) {
        self.choices = choices
        self.heads = [Int](repeating: choices, count: heads)
    }

    var observationSize: Int { choices }

    mutating func reset(using generator: inout RandomGenerator) { shown = generator.below(choices) }

    func observe(into observation: UnsafeMutableBufferPointer<Float>) {
        observation.update(repeating: 0)
        observation[shown] = 1
    }

    mutating func step(_ actions: UnsafeBufferPointer<Int32>, using generator: inout RandomGenerator) -> Outcome {
        let right = actions.reduce(0) { $0 + ($1 == Int32(shown) ? 1 : 0) }
        shown = generator.below(choices)
        return Outcome(reward: Float(right) / Float(heads.count))
    }
}

/// Pays 1 for choosing what was shown in the previous step: only a policy with a memory can do it.
struct EchoEnvironment: DiscreteEnvironment {
    let choices = 3
    let heads = [3]
    private var shown = 0
    private var before = 0

    var observationSize: Int { choices }

    mutating func reset(using generator: inout RandomGenerator) {
        shown = generator.below(choices)
        before = shown
    }

    func observe(into observation: UnsafeMutableBufferPointer<Float>) {
        observation.update(repeating: 0)
        observation[shown] = 1
    }

    mutating func step(_ actions: UnsafeBufferPointer<Int32>, using generator: inout RandomGenerator) -> Outcome {
        let reward: Float = actions[0] == Int32(before) ? 1 : 0
        before = shown
        shown = generator.below(choices)
        return Outcome(reward: reward)
    }
}

// A policy answers legally whatever its weights and inputs are, and is stored without loss.

import CCounter
@testable import Learning
import Neural
import Testing
@testable import Base

struct PolicyTests {
    private let shape = PolicyShape(
        observationSize: 4, embeddingSize: 2, recurrentSize: 3, hidden: [8], heads: [3, 2], noOps: [1, 0])

    private func decide(
        _ policy: Policy, observation: [Float], mask: [UInt8], memory: inout [Float], bias: [Float] = []
    ) -> PolicyScratch {
        let scratch = policy.makeScratch()
        observation.withUnsafeBufferPointer { observation in
            [Float(0.1), 0.2].withUnsafeBufferPointer { embedding in
                mask.withUnsafeBufferPointer { mask in
                    bias.withUnsafeBufferPointer { bias in
                        memory.withUnsafeMutableBufferPointer {
                            policy.decide(
                                observation: observation, embedding: embedding, mask: mask, memory: $0, bias: bias,
                                scratch: scratch)
                        }
                    }
                }
            }
        }
        return scratch
    }

    /// The bound holds, and is not so far off that sound weights would be refused.
    @Test(arguments: [0, 6], [Activation.tanh, .relu]) func noNumberExceedsTheBound(recurrent: Int, activation: Activation) {
        var shape = PolicyShape(observationSize: 5, recurrentSize: recurrent, hidden: [7, 4], heads: [3, 2], noOps: [0, 0])
        shape.activation = activation
        for seed in UInt64(1)...20 {
            let policy = Policy(shape: shape, seed: seed)
            let bound = policy.largestNumber(within: 4)
            #expect(bound < 1e4)
            let scratch = policy.makeScratch()
            var generator = RandomGenerator(seed: seed)
            var memory = shape.emptyMemory()
            for _ in 0..<50 {
                let input = (0..<5).map { _ in generator.uniform() < 0.5 ? Float(4) : -4 }
                input.withUnsafeBufferPointer { input in
                    memory.withUnsafeMutableBufferPointer { policy.decide(observation: input, memory: $0, scratch: scratch) }
                }
                #expect(abs(Double(scratch.value)) <= bound * 1.0001)
                for index in 0..<shape.actionCount { #expect(abs(Double(scratch.logits.pointer[index])) <= bound * 1.0001) }
            }
        }
        let large = Policy(shape: shape, parameters: [Float](repeating: 1e30, count: ActorCritic(shape).layout.count))
        #expect(large.isFinite && large.largestNumber(within: 4) > 1e30)
    }

    /// What the embedding adds to the first layers is in the biases then: the same logits and value, step after step.
    @Test(arguments: [0, 3]) func boundToItsEmbeddingItDecidesAsBefore(recurrent: Int) {
        let shape = PolicyShape(
            observationSize: 4, embeddingSize: 2, recurrentSize: recurrent, hidden: [8, 5], heads: [3, 2], noOps: [1, 0])
        let policy = Policy(shape: shape, seed: 3)
        let bound = policy.bound(to: [0.1, 0.2])
        #expect(bound.shape.embeddingSize == 0 && bound.shape.recurrentSize == recurrent && bound.bound(to: [1, 1]) === bound)
        var generator = RandomGenerator(seed: 3)
        var memories = [shape.emptyMemory(), bound.shape.emptyMemory()]
        let scratches = [policy.makeScratch(), bound.makeScratch()]
        for _ in 0..<20 {
            let observation = (0..<4).map { _ in generator.normal() }
            for (index, policy) in [policy, bound].enumerated() {
                let embedding: [Float] = index == 0 ? [0.1, 0.2] : []
                observation.withUnsafeBufferPointer { observation in
                    embedding.withUnsafeBufferPointer { embedding in
                        memories[index].withUnsafeMutableBufferPointer {
                            policy.decide(observation: observation, embedding: embedding, memory: $0, scratch: scratches[index])
                        }
                    }
                }
            }
            #expect(abs(scratches[0].value - scratches[1].value) < 1e-5)
            for index in 0..<shape.actionCount {
                #expect(abs(scratches[0].logits.pointer[index] - scratches[1].logits.pointer[index]) < 1e-5)
            }
        }
        #expect(zip(memories[0], memories[1]).allSatisfy { abs($0 - $1) < 1e-5 })
        // Another workload is decided for otherwise; an unknown one as zeros.
        #expect(policy.bound(to: [1, 1]).parameters != bound.parameters)
        #expect(policy.bound(to: []).parameters == policy.bound(to: [0, 0]).parameters)
    }

    @Test func decidingAllocatesNothing() {
        let policy = Policy(shape: shape, seed: 1)
        let scratch = policy.makeScratch()
        var generator = RandomGenerator(seed: 1)
        var memory = shape.emptyMemory()
        [Float](repeating: 0.1, count: 4).withUnsafeBufferPointer { observation in
            [Float(0.1), 0.2].withUnsafeBufferPointer { embedding in
                memory.withUnsafeMutableBufferPointer { memory in
                    let before = counter_allocations()
                    for _ in 0..<100 {
                        policy.decide(
                            observation: observation, embedding: embedding, memory: memory, scratch: scratch,
                            sampling: &generator)
                    }
                    #expect(counter_allocations() == before)
                }
            }
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude])
    func fallsBackToLegalNoOps(bad: Float) {
        let good = Policy(shape: shape, seed: 1)
        for index in stride(from: 0, to: good.parameters.count, by: 7) {
            var weights = good.parameters
            weights[index] = bad
            var memory = shape.emptyMemory()
            let policy = Policy(shape: shape, parameters: weights)
            let result = decide(policy, observation: [1, 2, 3, 4], mask: [1, 0, 1, 0, 1], memory: &memory)
            #expect([0, 2].contains(result.actions[0]) && result.actions[1] == 1)
            if !bad.isFinite { #expect(!result.isFinite && !policy.isFinite) }
            #expect(memory.allFinite && result.value.isFinite && result.logProbability.isFinite)
        }
    }

    @Test func fallsBackOnObservationsThatAreNotFinite() {
        var memory = shape.emptyMemory()
        let policy = Policy(shape: shape, seed: 1)
        let result = decide(policy, observation: [1, .nan, 3, 4], mask: [1, 1, 1, 1, 1], memory: &memory)
        #expect(!result.isFinite)
        #expect(result.actions[0] == 1 && result.actions[1] == 0)
        #expect(decide(policy, observation: [1, 2, 3, 4], mask: [], memory: &memory).isFinite)
    }

    @Test func fallsBackOnWrongSizes() {
        var memory: [Float] = [1]
        let policy = Policy(shape: shape, seed: 1)
        #expect(!decide(policy, observation: [1, 2], mask: [1], memory: &memory).isFinite)
    }

    @Test func neverTakesAMaskedAction() {
        let policy = Policy(shape: shape, seed: 3)
        var generator = RandomGenerator(seed: 4)
        var memory = shape.emptyMemory()
        for _ in 0..<500 {
            var mask = (0..<5).map { _ in UInt8(generator.below(2)) }
            mask[generator.below(3)] = 1
            mask[3 + generator.below(2)] = 1
            let observation = (0..<4).map { _ in generator.normal() }
            let result = decide(policy, observation: observation, mask: mask, memory: &memory)
            #expect(mask[Int(result.actions[0])] == 1 && mask[3 + Int(result.actions[1])] == 1)
        }
    }

    @Test func followsABias() {
        let policy = Policy(shape: shape, seed: 3)
        var memory = shape.emptyMemory()
        let result = decide(policy, observation: [1, 2, 3, 4], mask: [], memory: &memory, bias: [0, 0, 9, 0, 9])
        #expect(result.actions[0] == 2 && result.actions[1] == 1)
        #expect(Array(memory[3...]) == [0, 0, 1, 0, 1, 0])
    }

    @Test func memoryHoldsWhatWasReallyDone() {
        var memory = shape.emptyMemory()
        shape.record(actions: [2, 1], reward: 0.5, memory: &memory)
        #expect(memory == [0, 0, 0, 0, 0, 1, 0, 1, 0.5])
    }

    @Test func survivesEncoding() throws {
        let policy = Policy(shape: shape, seed: 9)
        let copy = try Policy(decoding: policy.encode())
        #expect(copy.shape == policy.shape && copy.parameters == policy.parameters)
        #expect(throws: CodingFailure.notThisFormat) { try Policy(decoding: [1, 2, 3]) }
        var damaged = policy.encode()
        damaged[damaged.count / 2] ^= 1
        #expect(throws: CodingFailure.damaged) { try Policy(decoding: damaged) }
    }
}

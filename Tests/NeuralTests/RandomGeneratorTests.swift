// The generator's numbers are a contract: a checkpoint made today must go on with the same numbers tomorrow.

import Neural
import Testing
@testable import Base

struct RandomGeneratorTests {
    @Test func continuesFromItsState() {
        var first = RandomGenerator(seed: 42)
        _ = first.next()
        var second = RandomGenerator(state: first.state)
        #expect((0..<10).map { _ in first.next() } == (0..<10).map { _ in second.next() })
    }

    @Test func drawsTheMomentsOfItsDistributions() {
        var generator = RandomGenerator(seed: 1)
        let count = 100_000
        var (uniform, normal, square) = (0.0, 0.0, 0.0)
        for _ in 0..<count {
            uniform += Double(generator.uniform())
            let value = Double(generator.normal())
            normal += value
            square += value * value
        }
        #expect(abs(uniform / Double(count) - 0.5) < 0.005)
        #expect(abs(normal / Double(count)) < 0.01)
        #expect(abs(square / Double(count) - 1) < 0.02)
    }

    @Test func drawsEveryIndexBelowABound() {
        var generator = RandomGenerator(seed: 2)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[generator.below(7)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    }
}

// The percentile over a mixture, against its definition.

@testable import Base
import Testing

@testable import ClusterModel
@testable import Experiments

@Suite struct LatencyMixtureTests {
    @Test func onePartHasItsClosedForm() {
        let parts = [LatencyMixture.Part(weight: 3, wait: 2, mean: 0.5)]
        let p99 = parts.withUnsafeBufferPointer { LatencyMixture.quantile(of: $0, tail: 0.01) }
        #expect(abs(p99 - (2 + 0.5 * logarithm(100))) < 1e-9)
    }

    @Test func theShareAboveTheQuantileIsTheTail() {
        var random = SimulationRandom(seed: 9)
        for _ in 0..<2000 {
            let parts = (0..<12).map { _ in
                LatencyMixture.Part(
                    weight: random.uniform(0...10), wait: random.uniform() < 0.3 ? random.uniform(0...20) : 0,
                    mean: random.uniform(0.01...2))
            }
            let x = parts.withUnsafeBufferPointer { LatencyMixture.quantile(of: $0, tail: 0.01) }
            let above = parts.reduce(0) { $0 + $1.weight * min(1, exponential(($1.wait - x) / $1.mean)) }
            #expect(abs(above / parts.reduce(0) { $0 + $1.weight } - 0.01) < 1e-4)
        }
    }

    @Test func noRequestsHaveNoLatency() {
        #expect([].withUnsafeBufferPointer { LatencyMixture.quantile(of: $0, tail: 0.01) } == 0)
    }
}

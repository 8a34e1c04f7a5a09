// Continuous actions: the ends of their ranges, rounding, and safety.

import Scaling
import Testing
@testable import Deciding

@Suite struct ContinuousActionsTests {
    private let profile = Profile()

    private func apply(_ values: [Float], to allocation: Allocation = .make()) -> Allocation {
        values.withUnsafeBufferPointer { ContinuousActions.apply($0, to: allocation, profile) }
    }

    @Test func coversTheRangesOfTheHeads() {
        #expect(apply([0, 0, 0]) == .make())
        #expect(apply([1, 1, 1]) == .make(replicas: 8, cpu: 1536, memoryMiB: 819))
        #expect(apply([-1, -1, -1]) == .make(replicas: 2, cpu: 512, memoryMiB: 410))
        #expect(apply([0.5, 0.25, 0.09]) == .make(replicas: 6, cpu: 1152))
        // Within half a replica, half a step and the dead zone nothing changes.
        #expect(apply([0.12, -0.12, -0.1]) == .make())
    }

    @Test func staysWithinTheLimitsWhateverComes() {
        var random = SplitMix(seed: 17)
        for _ in 0..<5000 {
            let values = (0..<3).map { _ in Float(random.wildValue(upTo: 3) ?? .nan) }
            let allocation =
                random.below(2) == 0
                ? Allocation(
                    replicas: random.wildInt(), cpuMillicores: random.wildInt(), memoryBytes: random.wildInt())
                : .make(replicas: random.below(25))
            let next = apply(values, to: allocation)
            #expect(profile.clamp(next) == next)
        }
    }
}

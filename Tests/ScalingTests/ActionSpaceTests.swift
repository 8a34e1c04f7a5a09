// Choices: what they do, when they are legal, and that a legal action never leaves the limits.

import Scaling
import Testing
@testable import Deciding

@Suite struct ActionSpaceTests {
    private let profile = Profile()

    private func mask(_ space: ActionSpace, _ allocation: Allocation, _ profile: Profile) -> [UInt8] {
        var mask = [UInt8](repeating: 9, count: space.choiceCount)
        mask.withUnsafeMutableBufferPointer { space.writeMask(for: allocation, profile, into: $0) }
        return mask
    }

    @Test func hasTheDocumentedSizes() {
        #expect(ActionSpace.standard.headSizes == [6, 5, 6])
        #expect(ActionSpace.paper.headSizes == [7])
        #expect(ActionSpace.exercise.headSizes == [5])
        #expect(Set(ActionSpace.all.map(\.version)).count == 3)
        for space in ActionSpace.all {
            #expect(space.apply(space.noop, to: .make(), profile) == .make())
            for (head, choices) in space.heads.enumerated() { #expect(choices.choices[space.noop[head]] == .none) }
        }
    }

    @Test func appliesAllHeadsAtOnce() {
        let space = ActionSpace.standard
        #expect(space.apply(Action([5, 0, 4]), to: .make(), profile) == .make(replicas: 8, cpu: 512, memoryMiB: 640))
        #expect(space.apply(Action([0, 4, 0]), to: .make(), profile) == .make(replicas: 2, cpu: 1536, memoryMiB: 410))
        // Relative memory leaves the grid, but is whole in MiB: 512 * 1.08 = 552.96.
        #expect(space.apply(Action([2, 2, 3]), to: .make(), profile) == .make(memoryMiB: 553))
        #expect(space.apply(Action([9, 99, 300]), to: .make(), profile) == .make())
    }

    @Test func oneDimensionSpacesFollowThePaper() {
        let allocations = (0..<7).map { ActionSpace.paper.apply(Action([$0]), to: .make(), profile) }
        #expect(
            allocations == [
                .make(), .make(replicas: 5), .make(replicas: 3), .make(cpu: 1152), .make(cpu: 896),
                .make(memoryMiB: 640),
                .make(memoryMiB: 384),
            ])
        let exercise = (0..<5).map { ActionSpace.exercise.apply(Action([$0]), to: .make(), profile) }
        #expect(exercise == Array(allocations[..<5]))
    }

    @Test func masksWhatWouldLeaveTheLimits() {
        let lowest = Allocation.make(replicas: 1, cpu: 128, memoryMiB: 128)
        #expect(mask(.standard, lowest, profile) == [0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1])
        let highest = Allocation.make(replicas: 20, cpu: 2048, memoryMiB: 3072)
        #expect(mask(.standard, highest, profile) == [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0])
        let near = Allocation.make(replicas: 18, cpu: 1920, memoryMiB: 2600)
        #expect(mask(.standard, near, profile) == [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0])
        #expect(mask(.exercise, lowest, profile) == [1, 1, 0, 1, 0])
    }

    @Test func masksCutsBelowTheMemoryThatIsNeeded() {
        let space = ActionSpace.standard
        // Of 512 MiB: x 0.8 is 410, x 0.92 is 471.
        let free = space.maskBits(for: .make(), profile)
        let first = UInt32(space.headSizes[0] + space.headSizes[1])
        #expect(space.maskBits(for: .make(), profile, memoryFloor: 410 << 20) == free)
        #expect(space.maskBits(for: .make(), profile, memoryFloor: 411 << 20) == free & ~(1 << first))
        #expect(space.maskBits(for: .make(), profile, memoryFloor: 600 << 20) == free & ~(3 << first))
        #expect(
            ActionSpace.paper.maskBits(for: .make(), profile, memoryFloor: 500 << 20)
                == ActionSpace.paper.maskBits(for: .make(), profile) & ~(1 << 6))
    }

    @Test func masksWhatChangesNothing() {
        var tiny = profile
        tiny.memory = Profile.Bounds(min: 1 << 20, max: 64 << 20, step: 1 << 20)
        // 2 MiB * 1.08 rounds to 2 MiB.
        let allocation = Allocation.make(memoryMiB: 2)
        #expect(mask(.standard, allocation, tiny)[14] == 0)
        #expect(mask(.standard, allocation, tiny)[16] == 1)
    }

    @Test func leadsBackIntoChangedLimits() {
        let outside = Allocation.make(replicas: 30, cpu: 64, memoryMiB: 4096)
        let mask = mask(.standard, outside, profile)
        #expect(mask[0] == 1 && mask[3] == 0)
        #expect(mask[6] == 0 && mask[9] == 1)
        #expect(mask[11] == 1 && mask[14] == 0)
    }

    @Test func legalActionsStayWithinAndDoWhatTheySay() {
        var random = SplitMix(seed: 8)
        for space in ActionSpace.all {
            for _ in 0..<5000 {
                let allocation = Allocation(
                    replicas: 1 + random.below(20), cpuMillicores: 128 + random.below(1921),
                    memoryBytes: (128 + random.below(2945)) << 20)
                let mask = mask(space, allocation, profile)
                var action = Action(count: space.heads.count)
                var position = 0
                var isNoop = true
                for (head, choices) in space.heads.enumerated() {
                    let legal = choices.choices.indices.filter { mask[position + $0] == 1 }
                    #expect(legal.contains(choices.noop))
                    action[head] = legal[random.below(legal.count)]
                    if action[head] != choices.noop { isNoop = false }
                    position += choices.choices.count
                }
                let next = space.apply(action, to: allocation, profile)
                #expect(profile.clamp(next) == next)
                #expect((next == allocation) == isNoop)
            }
        }
    }

    @Test func anyObservedAllocationIsSafe() {
        var random = SplitMix(seed: 18)
        for space in ActionSpace.all {
            for _ in 0..<5000 {
                let allocation = Allocation(
                    replicas: random.wildInt(), cpuMillicores: random.wildInt(), memoryBytes: random.wildInt())
                let target = Allocation(
                    replicas: random.wildInt(), cpuMillicores: random.wildInt(), memoryBytes: random.wildInt())
                let mask = mask(space, allocation, profile)
                var first = 0
                for head in space.heads {
                    #expect(mask[first + head.noop] == 1)
                    first += head.choices.count
                }
                let bits = space.maskBits(for: allocation, profile)
                let action = Action(space.headSizes.map { random.below($0) })
                for action in [action, space.nearest(to: target, from: allocation, profile, legal: bits)] {
                    let next = space.apply(action, to: allocation, profile)
                    #expect(profile.clamp(next) == next)
                }
            }
        }
    }

    @Test func nearestActionImitatesATarget() {
        let space = ActionSpace.standard
        #expect(space.nearest(to: .make(replicas: 8), from: .make(), profile, legal: .max) == Action([5, 2, 2]))
        #expect(
            space.nearest(to: .make(replicas: 3, cpu: 512, memoryMiB: 400), from: .make(), profile, legal: .max)
                == Action([1, 0, 0]))
        #expect(space.nearest(to: .make(), from: .make(), profile, legal: .max) == space.noop)
        // What is not legal is not imitated.
        let noMore = UInt32.max & ~(1 << 5)
        #expect(space.nearest(to: .make(replicas: 8), from: .make(), profile, legal: noMore) == Action([4, 2, 2]))
        #expect(ActionSpace.paper.nearest(to: .make(replicas: 9), from: .make(), profile, legal: .max) == Action([1]))
    }

    @Test func choicesHaveNames() {
        let names = (0..<6).map { ActionSpace.standard.choiceName(head: 0, index: $0, profile) }
        #expect(names == ["-2 replicas", "-1 replicas", "keep", "+1 replicas", "+2 replicas", "+4 replicas"])
        #expect(ActionSpace.standard.choiceName(head: 1, index: 0, profile) == "-512m cpu")
        #expect(ActionSpace.standard.choiceName(head: 2, index: 4, profile) == "memory x 1.25")
        #expect(ActionSpace.paper.choiceName(head: 0, index: 5, profile) == "+128Mi memory")
        #expect(ActionSpace.paper.choiceName(head: 3, index: 5, profile) == "unknown")
    }
}

// Choices: what they do, when they are legal, and that a legal action never leaves the limits.

import Scaling
import Testing
@testable import Deciding

@Suite struct ActionSpaceTests {
    private let profile = Profile()

    private func mask(_ space: ActionSpace, _ allocation: Allocation, _ profile: Profile) -> [UInt8] {
        var mask = [UInt8](repeating: 9, count: space.choiceCount)
        mask.withUnsafeMutableBufferPointer {
            space.writeMask(for: allocation, profile, memoryFloor: 256 << 20, into: $0)
        }
        return mask
    }

    @Test func hasTheDocumentedSizes() {
        #expect(ActionSpace.standard.headSizes == [8, 5, 5])
        #expect(ActionSpace.paper.headSizes == [7])
        #expect(ActionSpace.exercise.headSizes == [5])
        #expect(Set(ActionSpace.all.map(\.version)).count == 3)
        for space in ActionSpace.all {
            #expect(space.apply(space.noop, to: .make(), profile) == .make())
            for (head, choices) in space.heads.enumerated() { #expect(choices.choices[space.noop[head]] == .none) }
        }
    }

    private func applied(_ action: [Int], _ allocation: Allocation = .make(), floor: Int = 256) -> Allocation {
        ActionSpace.standard.apply(Action(action), to: allocation, profile, memoryFloor: floor << 20)
    }

    @Test func appliesAllHeadsAtOnce() {
        // Of 4 replicas, 1024m and 512 MiB; the floor is 256 MiB.
        #expect(applied([7, 0, 2]) == .make(replicas: 8, cpu: 512, memoryMiB: 282))
        #expect(applied([0, 3, 1]) == .make(replicas: 3, cpu: 1280, memoryMiB: 256))
        #expect(applied([4, 2, 0]) == .make(replicas: 5))
        #expect(applied([9, 99, 300]) == .make())
    }

    @Test func replicasMoveByShares() {
        let counts = (0..<8).map { applied([$0, 2, 0], .make(replicas: 10)).replicas }
        #expect(counts == [6, 8, 9, 10, 11, 12, 14, 20])
        // At least by one, and not beyond the limits.
        #expect((0..<8).map { applied([$0, 2, 0], .make(replicas: 1)).replicas } == [1, 1, 1, 1, 2, 2, 2, 2])
        #expect(applied([7, 2, 0], .make(replicas: 15)).replicas == 20)
    }

    @Test func memoryIsChosenOverTheFloor() {
        #expect((0..<5).map { applied([3, 2, $0]).memoryBytes >> 20 } == [512, 256, 282, 320, 384])
        // Less than a tenth down is not worth a resize; up always is.
        #expect(applied([3, 2, 1], .make(memoryMiB: 280)) == .make(memoryMiB: 280))
        #expect(applied([3, 2, 1], .make(memoryMiB: 250)) == .make(memoryMiB: 256))
        // Without a floor nothing is known, and nothing changed.
        #expect(applied([3, 2, 1], floor: 0) == .make())
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
        #expect(mask(.standard, lowest, profile) == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
        let highest = Allocation.make(replicas: 20, cpu: 2048, memoryMiB: 3072)
        #expect(mask(.standard, highest, profile) == [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1])
        #expect(mask(.exercise, lowest, profile) == [1, 1, 0, 1, 0])
    }

    @Test func masksCpuThatWasChangedJustNow() {
        let space = ActionSpace.standard
        let free = space.maskBits(for: .make(), profile, memoryFloor: 256 << 20)
        let waiting = space.maskBits(for: .make(), profile, memoryFloor: 256 << 20, mayResizeCpu: false)
        #expect(free & ~waiting == 0b11011 << 8)
        // The published actions have no such pause.
        let paper = ActionSpace.paper
        #expect(paper.maskBits(for: .make(), profile, mayResizeCpu: false) == paper.maskBits(for: .make(), profile))
    }

    @Test func masksCutsBelowTheMemoryThatIsNeeded() {
        #expect(
            ActionSpace.paper.maskBits(for: .make(), profile, memoryFloor: 500 << 20)
                == ActionSpace.paper.maskBits(for: .make(), profile) & ~(1 << 6))
    }

    @Test func masksWhatChangesNothing() {
        // The floor and a tenth more are within a tenth of what there is.
        let mask = mask(.standard, .make(memoryMiB: 283), profile)
        #expect(Array(mask[13...]) == [1, 0, 0, 1, 1])
    }

    @Test func leadsBackIntoChangedLimits() {
        let outside = Allocation.make(replicas: 30, cpu: 64, memoryMiB: 4096)
        let mask = mask(.standard, outside, profile)
        #expect(mask[2] == 1)
        #expect(mask[12] == 1)
        #expect(mask[14] == 1)
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
                let next = space.apply(action, to: allocation, profile, memoryFloor: 256 << 20)
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
        func nearest(_ target: Allocation, legal: UInt32 = .max) -> Action {
            space.nearest(to: target, from: .make(), profile, legal: legal, memoryFloor: 256 << 20)
        }
        #expect(nearest(.make(replicas: 8)) == Action([7, 2, 0]))
        let smaller = nearest(.make(replicas: 3, cpu: 512, memoryMiB: 330))
        #expect(applied([smaller[0], smaller[1], smaller[2]]) == .make(replicas: 3, cpu: 512, memoryMiB: 320))
        #expect(nearest(.make()) == space.noop)
        // What is not legal is not imitated.
        #expect(nearest(.make(replicas: 8), legal: .max & ~(1 << 7))[0] != 7)
        #expect(ActionSpace.paper.nearest(to: .make(replicas: 9), from: .make(), profile, legal: .max) == Action([1]))
    }

    @Test func choicesHaveNames() {
        let names = (0..<8).map { ActionSpace.standard.choiceName(head: 0, index: $0, profile) }
        #expect(
            names == [
                "-35 % replicas", "-15 % replicas", "-1 replicas", "keep", "+1 replicas", "+15 % replicas",
                "+35 % replicas", "+100 % replicas",
            ])
        #expect(ActionSpace.standard.choiceName(head: 1, index: 0, profile) == "cpu x 0.5")
        #expect(ActionSpace.standard.choiceName(head: 2, index: 3, profile) == "memory floor x 1.25")
        #expect(ActionSpace.paper.choiceName(head: 0, index: 5, profile) == "+128Mi memory")
        #expect(ActionSpace.paper.choiceName(head: 3, index: 5, profile) == "unknown")
    }
}

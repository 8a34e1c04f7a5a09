// What the load has to say to a policy: no less than it needs, and no more than it justifies or asks for.

import Scaling
import Testing
@testable import Base

@Suite struct GuardsOfLoadTests {
    /// Seen in a replay of the World Cup: 2 x 1024m at 39 % became 1 x 816m, which was saturated within the minute, and its queue
    /// took the memory.
    @Test func aPolicyLeavesNoLessThanThePresentLoadUses() {
        var situation = GuardSituation()
        situation.isPolicys = true
        situation.presentCores = 0.8
        var state = GuardState()
        func answer(_ proposed: Allocation, current: Allocation = .make(replicas: 2, cpu: 1024), rules: Allocation) -> Guarded {
            Guards.apply(
                proposed, current: current, rules: rules, quality: [], profile: Profile(), controls: Controls(),
                situation: situation, state: &state, time: 0)
        }
        let two = Allocation.make(replicas: 2, cpu: 1024)
        let saturated = answer(.make(replicas: 1, cpu: 816), rules: two)
        #expect(saturated.allocation.replicas == 2 && saturated.allocation.cpuMillicores == 816)
        #expect(saturated.records.contains(.cpuNeed) && saturated.override == nil)
        #expect(answer(.make(replicas: 1, cpu: 1024), rules: two).allocation.replicas == 1, "0.8 of 1.024 cores is 78 %")
        // One busy replica that the policy would keep, where the rules want two.
        situation.presentCores = 0.91
        let one = Allocation.make(replicas: 1, cpu: 1024)
        #expect(answer(one, current: one, rules: two).allocation.replicas == 2)
        #expect(answer(one, current: one, rules: one).allocation.replicas == 1, "the rules see no need")
        situation.missesInRow = 10
        #expect(answer(one, current: one, rules: one).allocation.replicas == 2, "but the objective is missed")
        situation.missesInRow = 0
        // Not for the rules, and not without a measurement.
        situation.isPolicys = false
        #expect(answer(one, rules: two).allocation.replicas == 1)
        situation.isPolicys = true
        situation.presentCores = nil
        #expect(answer(one, rules: two).allocation.replicas == 1)
    }

    /// Seen from outside: one replica of five at 70 % of its CPU missed the objective for 230 steps, and the policy held it.
    @Test func aPolicyDoesNotStayAtWhatGoesOnMissing() {
        var situation = GuardSituation()
        situation.isPolicys = true
        situation.isViolated = true
        situation.presentCores = 2.8
        var state = GuardState()
        func replicas(after misses: Int) -> Int {
            situation.missesInRow = misses
            let four = Allocation.make(replicas: 4, cpu: 1024)
            return Guards.apply(
                four, current: four, rules: four, quality: [], profile: Profile(), controls: Controls(),
                situation: situation, state: &state, time: 0
            ).allocation.replicas
        }
        #expect([0, 9, 10, 19, 20, 32].map(replicas) == [4, 4, 5, 5, 6, 6], "68 % of the CPU, then at most 60, then at most 50")
        situation.presentCores = 1.2
        #expect(replicas(after: 30) == 4, "a latency that no replica can help")
    }

    /// Seen from outside: when the rules took over 19 replicas of 1,950m they wanted more of 1,000m, got four more, and every replica
    /// had been made smaller already.
    @Test func replicasAreNotMadeSmallerBeforeOthersCanTakeTheirLoad() {
        var situation = GuardSituation()
        situation.presentCores = 12
        situation.readyReplicas = 8
        var state = GuardState()
        let current = Allocation.make(replicas: 8, cpu: 2000)
        func answer(_ wanted: Allocation) -> Guarded {
            Guards.apply(
                wanted, current: current, rules: wanted, quality: [], profile: Profile(), controls: Controls(),
                situation: situation, state: &state, time: 0)
        }
        let handedOver = answer(.make(replicas: 17, cpu: 1000))
        #expect(handedOver.allocation.replicas == 12 && handedOver.allocation.cpuMillicores == 2000)
        #expect(handedOver.records.contains(.cpuNeed))
        situation.presentCores = 6
        #expect(answer(.make(replicas: 9, cpu: 1000)).allocation == .make(replicas: 9, cpu: 1000))
    }

    /// Seen from outside: a cut that restarts the replicas was taken back in each minute of its own rolling update, and asked for again
    /// in the next.
    @Test func aRollingUpdateIsNotTurnedBack() {
        var state = GuardState()
        var profile = Profile()
        profile.resize = .restart
        func answer(_ wanted: Allocation, quality: ObservationQuality, isViolated: Bool = false) -> Allocation {
            var situation = GuardSituation()
            situation.isViolated = isViolated
            return Guards.apply(
                wanted, current: .make(memoryMiB: 768), rules: wanted, quality: quality, profile: profile, controls: Controls(),
                situation: situation, state: &state, time: 0
            ).allocation
        }
        #expect(answer(.make(memoryMiB: 512), quality: []) == .make(memoryMiB: 512))
        #expect(answer(.make(memoryMiB: 512), quality: .rollout) == .make(memoryMiB: 512), "as it was answered")
        #expect(answer(.make(memoryMiB: 768), quality: .rollout, isViolated: true) == .make(memoryMiB: 512), "what runs is what is left of the old")
        #expect(answer(.make(replicas: 2, memoryMiB: 512), quality: .rollout) == .make(memoryMiB: 512), "no replica fewer")
        #expect(answer(.make(memoryMiB: 1024), quality: .rollout) == .make(memoryMiB: 1024), "more is given")
        #expect(answer(.make(memoryMiB: 512), quality: [.rollout, .limitsChanged]) == .make(memoryMiB: 768), "its owner changed it")
    }

    /// Seen from outside: 144 applications kept their owners' memory for 66 hours, of which they needed 44 %.
    @Test func aPolicyDoesNotKeepMemoryThatNothingAsksFor() {
        var situation = GuardSituation()
        situation.isPolicys = true
        var state = GuardState()
        var profile = Profile()
        let current = Allocation.make(memoryMiB: 1024)
        func memory(_ wanted: Allocation, keep: Int) -> Int {
            Guards.apply(
                wanted, current: current, rules: current, quality: [], profile: profile, controls: Controls(),
                memory: MemoryNeed(keep: keep << 20, raise: 0), situation: situation, state: &state, time: 0
            ).allocation.memoryBytes >> 20
        }
        #expect(memory(current, keep: 600) == 660)
        #expect(memory(current, keep: 800) == 1024, "1.28 times the need is not worth a resize")
        #expect(memory(.make(memoryMiB: 900), keep: 600) == 900, "its own wish")
        situation.isMissedLately = true
        #expect(memory(current, keep: 600) == 1024, "not now")
        situation.isMissedLately = false
        // Where a resize restarts pods, as seldom as VPA does it.
        profile.resize = .restart
        situation.secondsSinceResize = 3600
        #expect(memory(current, keep: 600) == 1024)
        situation.secondsSinceResize = 43_200
        #expect(memory(current, keep: 600) == 660)
        situation.isPolicys = false
        #expect(memory(current, keep: 600) == 1024, "the rules have their own")
    }

    /// Seen from outside: from a start with 13 % of the CPU in use a policy took an hour and a half to come down.
    @Test func aPolicyDoesNotKeepReplicasThatNothingAsksFor() {
        var situation = GuardSituation()
        situation.isPolicys = true
        var profile = Profile()
        profile.maxReplicas = 40
        profile.guards.maxStepDown = 40
        profile.guards.stabilizationDownSeconds = 0
        let current = Allocation.make(replicas: 30, cpu: 1000)
        func replicas(used: Double?, rules: Int, wanted: Int = 30) -> Int {
            situation.foreseenCores = used
            var state = GuardState()
            return Guards.apply(
                .make(replicas: wanted, cpu: 1000), current: current, rules: .make(replicas: rules, cpu: 1000), quality: [],
                profile: profile, controls: Controls(), situation: situation, state: &state, time: 0
            ).allocation.replicas
        }
        #expect(replicas(used: 3.3, rules: 5) == 10, "a third of the CPU in use")
        #expect(replicas(used: 3.3, rules: 12) == 18, "half more than the rules want")
        #expect(replicas(used: 10, rules: 5) == 30)
        #expect(replicas(used: 3.3, rules: 5, wanted: 8) == 8, "its own wish")
        #expect(replicas(used: nil, rules: 5) == 30, "nobody knows")
        situation.isMissedLately = true
        #expect(replicas(used: 3.3, rules: 5) == 30, "not now")
    }

    @Test func aPolicyGrowsOnlyAsTheLoadJustifies() {
        var situation = GuardSituation()
        situation.isPolicys = true
        situation.usedCores = 0.8
        var state = GuardState()
        func answer(_ proposed: Allocation, rules: Allocation = .make()) -> Guarded {
            Guards.apply(
                proposed, current: .make(), rules: rules, quality: [], profile: Profile(), controls: Controls(),
                situation: situation, state: &state, time: 0)
        }
        // 0.8 cores in use justify four; what runs has 4.1.
        let wild = answer(.make(replicas: 8, cpu: 2048))
        #expect(wild.allocation == .make() && wild.records.contains(.unjustified))
        #expect(answer(.make(replicas: 6), rules: .make(replicas: 6)).allocation.replicas == 6)
        situation.usedCores = 2
        #expect(answer(.make(replicas: 7)).allocation.replicas == 7)
        // A policy that cannot see leaves it to the rules.
        situation.isBlind = true
        let blind = answer(.make(replicas: 8), rules: .make(replicas: 5))
        #expect(blind.allocation == .make(replicas: 5) && blind.override == .rules && blind.records.contains(.blind))
    }
}

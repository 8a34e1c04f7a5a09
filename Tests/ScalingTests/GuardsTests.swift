// The guards one by one, their precedence, and the property that matters: safe whatever is proposed and observed.

import Scaling
import Testing
@testable import Base

@Suite struct GuardsTests {
    private var profile = Profile()

    private func apply(
        _ proposed: Allocation, current: Allocation = .make(), quality: ObservationQuality = [],
        profile: Profile? = nil, controls: Controls = Controls(), memory: MemoryNeed = .none,
        capacity: Capacity? = nil
    ) -> Guarded {
        var state = GuardState()
        return Guards.apply(
            proposed, current: current, rules: .make(replicas: 5), quality: quality, profile: profile ?? self.profile,
            controls: controls, memory: memory, capacity: capacity, state: &state, time: 0)
    }

    @Test func memoryIsNotCutBelowWhatWasNeeded() {
        let need = MemoryNeed(keep: 400 << 20, raise: 0)
        let cut = apply(.make(memoryMiB: 300), memory: need)
        #expect(cut.allocation == .make(memoryMiB: 400))
        #expect(cut.records.map(\.rule) == [.memoryNeed] && cut.records[0].detail.contains("400Mi"))
        #expect(apply(.make(memoryMiB: 450), memory: need).records.isEmpty)
        // A limit that is lower already may stay, and is not cut further.
        #expect(
            apply(.make(memoryMiB: 200), current: .make(memoryMiB: 300), memory: need).allocation
                == .make(memoryMiB: 300))
    }

    @Test func memoryRisesAtOnceWhereItIsNotEnough() {
        let need = MemoryNeed(keep: 0, raise: 700 << 20)
        #expect(apply(.make(), memory: need).allocation == .make(memoryMiB: 700))
        #expect(apply(.make(memoryMiB: 900), memory: need).allocation == .make(memoryMiB: 900))
        #expect(apply(.make(), memory: MemoryNeed(keep: 0, raise: 1 << 60)).allocation == .make(memoryMiB: 3072))
        // Bad data raises nothing, but replicas that were killed are data enough.
        #expect(apply(.make(), quality: .frozen, memory: need).allocation == .make())
        #expect(
            apply(.make(), quality: [.missingCpu, .missingMemory, .oomKilled], memory: need).allocation
                == .make(memoryMiB: 700))
        var controls = Controls()
        controls.paused = true
        #expect(apply(.make(), controls: controls, memory: need).allocation == .make())
    }

    @Test func goodProposalsPassUnrecorded() {
        let guarded = apply(.make(replicas: 6, cpu: 1152))
        #expect(guarded.allocation == .make(replicas: 6, cpu: 1152))
        #expect(guarded.records.isEmpty && guarded.override == nil)
    }

    @Test func limitsClampEveryDimension() {
        let guarded = apply(
            Allocation(replicas: 5, cpuMillicores: 9999, memoryBytes: 1), current: .make())
        #expect(guarded.allocation == .make(replicas: 5, cpu: 2048, memoryMiB: 128))
        #expect(guarded.records.map(\.rule) == [.limits, .limits])
        #expect(guarded.records.map(\.field) == [.cpu, .memory])
        #expect(guarded.records[0].before == 9999 && guarded.records[0].after == 2048)
    }

    @Test func stepsAreLimited() {
        let up = apply(.make(replicas: 12))
        #expect(up.allocation.replicas == 8)
        #expect(up.records.map(\.rule.name) == ["maxStepUp"])
        #expect(up.records[0].detail == "at most 4 replicas more in one decision")
        #expect(apply(.make(replicas: 1), current: .make(replicas: 10)).allocation.replicas == 8)
        // The way into the limits is not limited.
        var profile = profile
        profile.minReplicas = 10
        #expect(apply(.make(replicas: 12), current: .make(replicas: 1), profile: profile).allocation.replicas == 12)
    }

    @Test func badDataHoldsAndNeverScalesDown() {
        let lower = Allocation.make(replicas: 2, cpu: 512, memoryMiB: 256)
        let higher = Allocation.make(replicas: 6, cpu: 1536, memoryMiB: 1024)
        for quality in [
            ObservationQuality.missingMetrics, .stale, .clockJump, .outOfOrder, .duplicate, .frozen, .resent,
        ] {
            for proposed in [lower, higher] {
                let guarded = apply(proposed, quality: quality)
                #expect(guarded.allocation == .make())
                #expect(guarded.override == .hold)
                #expect(guarded.records.map(\.rule) == [.badData, .badData, .badData])
                #expect(guarded.records[0].detail == quality.reasons[0])
            }
        }
        for quality in [ObservationQuality.zeroed, .gap, .missingCpu, .missingObjective] {
            #expect(apply(lower, quality: quality).allocation == .make())
            #expect(apply(higher, quality: quality).allocation == higher)
        }
        #expect(apply(lower, quality: .missingMemory).allocation == .make(replicas: 2, cpu: 512))
        // What is only told changes nothing.
        #expect(apply(lower, quality: [.replicasChanged, .limitsChanged, .notApplied]).allocation == lower)
    }

    @Test func memoryMayRiseAfterOOMKillsEvenWithoutMetrics() {
        let guarded = apply(
            .make(replicas: 3, memoryMiB: 640), quality: [.missingCpu, .missingMemory, .oomKilled])
        #expect(guarded.allocation == .make(memoryMiB: 640))
    }

    @Test func nothingIsTakenAwayWhileTheObjectiveIsMissed() {
        var situation = GuardSituation()
        situation.isViolated = true
        let lower = Allocation.make(replicas: 2, cpu: 512, memoryMiB: 256)
        var state = GuardState()
        func answer(_ situation: GuardSituation, _ proposed: Allocation) -> Guarded {
            Guards.apply(
                proposed, current: .make(), rules: .make(), quality: [], profile: Profile(), controls: Controls(),
                situation: situation, state: &state, time: 0)
        }
        let guarded = answer(situation, lower)
        #expect(guarded.allocation == .make() && guarded.records.contains(.objectiveMissed))
        #expect(answer(situation, .make(replicas: 6)).allocation == .make(replicas: 6))
    }

    @Test func aFreezeUpGivesNothingMore() {
        var controls = Controls()
        controls.freezeUp = true
        #expect(apply(.make(replicas: 6, cpu: 512), controls: controls).allocation == .make(cpu: 512))
        controls.freezeDown = true
        #expect(apply(.make(replicas: 6, cpu: 512), controls: controls).allocation == .make())
    }

    @Test func largeApplicationsMoveBySharesOfThemselves() {
        var profile = Profile()
        profile.maxReplicas = 1000
        let current = Allocation.make(replicas: 400)
        #expect(apply(.make(replicas: 900), current: current, profile: profile).allocation.replicas == 450)
        #expect(apply(.make(replicas: 10), current: current, profile: profile).allocation.replicas == 375)
    }

    @Test func aCountOfZeroIsNotBelieved() {
        var state = GuardState()
        func answer(_ proposed: Allocation, _ current: Allocation, _ quality: ObservationQuality) -> Allocation {
            Guards.apply(
                proposed, current: current, rules: proposed, quality: quality, profile: profile, controls: Controls(),
                state: &state, time: 0
            ).allocation
        }
        #expect(answer(.make(replicas: 9), .make(replicas: 8), []).replicas == 9)
        #expect(answer(.make(replicas: 1), .make(replicas: 0), .noReplicas).replicas == 9)
        #expect(answer(.make(replicas: 1), .make(replicas: 0, cpu: 0, memoryMiB: 0), .noReplicas) == .make(replicas: 9))
    }

    @Test func stabilizationWaitsForTheHighestRequest() {
        var profile = profile
        profile.guards.stabilizationDownSeconds = 120
        var state = GuardState()
        func answer(_ replicas: Int, current: Int, at time: Double) -> Guarded {
            Guards.apply(
                .make(replicas: replicas), current: .make(replicas: current), rules: .make(), quality: [],
                profile: profile,
                controls: Controls(), state: &state, time: time)
        }
        #expect(answer(8, current: 6, at: 0).allocation.replicas == 8)
        let held = answer(6, current: 8, at: 60)
        #expect(held.allocation.replicas == 8)
        #expect(held.records.map(\.rule) == [.stabilization])
        #expect(held.records[0].detail == "the highest count asked for in the last 120 s")
        // Scaling up does not wait, and at 130 s the eight is forgotten.
        #expect(answer(9, current: 8, at: 70).allocation.replicas == 9)
        #expect(answer(7, current: 9, at: 200).allocation.replicas == 7)
    }

    @Test func reversalBudgetHoldsTurnsDownwards() {
        var profile = profile
        profile.guards.reversalsPerHour = 3
        var state = GuardState()
        var replicas = 5
        func answer(_ next: Int, at time: Double) -> Guarded {
            let guarded = Guards.apply(
                .make(replicas: next), current: .make(replicas: replicas), rules: .make(), quality: [],
                profile: profile,
                controls: Controls(), state: &state, time: time)
            replicas = guarded.allocation.replicas
            return guarded
        }
        // up, down, up, down: three turns.
        for (minute, count) in [6, 5, 6, 5].enumerated() {
            #expect(answer(count, at: Double(minute) * 60).allocation.replicas == count)
        }
        // On in the same direction is no turn; a turn upwards is let through although the budget is spent.
        #expect(answer(4, at: 240).allocation.replicas == 4)
        #expect(answer(6, at: 300).allocation.replicas == 6)
        let held = answer(5, at: 360)
        #expect(held.allocation.replicas == 6)
        #expect(held.records.map(\.rule) == [.reversalBudget])
        #expect(held.records[0].detail == "the direction changed 4 times within the hour")
        // An hour later the turns are forgotten.
        #expect(answer(5, at: 4200).allocation.replicas == 5)
    }

    @Test func capacityCutsGrowthOnly() {
        let capacity = Capacity(cpuMillicores: 8192, memoryBytes: 4096 << 20)
        #expect(apply(.make(replicas: 8), capacity: capacity).allocation.replicas == 8)
        let cut = apply(.make(replicas: 8, cpu: 1152), capacity: capacity)
        #expect(cut.allocation == .make(replicas: 8))
        #expect(cut.records.map(\.rule) == [.capacity])
        #expect(
            apply(.make(replicas: 8), capacity: Capacity(cpuMillicores: 6000, memoryBytes: 1 << 40)).allocation.replicas
                == 5)
        // Already above the total: nothing is taken away.
        #expect(
            apply(.make(replicas: 6, cpu: 2048), capacity: Capacity(cpuMillicores: 1, memoryBytes: 1)).allocation
                == .make())
        #expect(
            apply(.make(replicas: 3), capacity: Capacity(cpuMillicores: 1, memoryBytes: 1)).allocation
                == .make(replicas: 3))
    }

    @Test func peopleOverrideInTheDocumentedOrder() {
        var controls = Controls()
        controls.killSwitch = true
        let killed = apply(.make(replicas: 8), controls: controls)
        #expect(killed.allocation == .make(replicas: 5) && killed.override == .rules)
        controls.pin = .make(replicas: 12, cpu: 4096, memoryMiB: 1024)
        let pinned = apply(.make(replicas: 8), quality: .stale, controls: controls)
        // A pin passes step limits and bad data, but never the profile's limits.
        #expect(pinned.allocation == .make(replicas: 12, cpu: 2048, memoryMiB: 1024) && pinned.override == .pin)
        controls.paused = true
        let paused = apply(.make(replicas: 8), controls: controls)
        #expect(paused.allocation == .make() && paused.override == .hold)
        #expect(paused.records.last?.rule == .pause)
        controls = Controls()
        controls.freezeDown = true
        let frozen = apply(.make(replicas: 2, cpu: 1152, memoryMiB: 256), controls: controls)
        #expect(frozen.allocation == .make(cpu: 1152) && frozen.override == nil)
        #expect(frozen.records.map(\.detail) == ["scaling down is frozen", "scaling down is frozen"])
        controls.pin = .make(replicas: 2)
        #expect(apply(.make(), controls: controls).allocation == .make())
    }

    @Test func pinsExpire() {
        var controls = Controls()
        controls.pin = .make(replicas: 7)
        controls.pinUntil = 100
        var state = GuardState()
        for (time, expected) in [(99.0, 7), (100, 4)] {
            let guarded = Guards.apply(
                .make(), current: .make(), rules: .make(), quality: [], profile: profile,
                controls: controls.inForce(at: time), state: &state, time: time)
            #expect(guarded.allocation.replicas == expected)
        }
    }

    /// Never outside the limits; never down on bad data, unless a person or a limit demands it.
    @Test func holdsForAnythingProposedAndObserved() throws {
        var random = SplitMix(seed: 15)
        for seed in 0..<300 {
            var profile = Profile()
            profile.minReplicas = 1 + random.below(4)
            profile.maxReplicas = profile.minReplicas + random.below(30)
            profile.guards.maxStepUp = random.below(6)
            profile.guards.maxStepDown = random.below(6)
            profile.guards.stabilizationDownSeconds = [0, 120, 600][random.below(3)]
            profile.guards.reversalsPerHour = random.below(15)
            var state = GuardState()
            var checker = ObservationChecker()
            var answered: Allocation?
            var time = Double(seed) * 1e6
            for _ in 0..<100 {
                time += [0, 30, 60, 60, 60, 4000, -100, -1e5, .nan][random.below(9)]
                if !time.isFinite { time = 0 }
                var observation = random.wildObservation()
                observation.time = random.below(3) == 0 ? random.wildValue(upTo: 1e6) : time
                let checked = checker.check(observation, answered: answered, profile: profile, now: time)
                let quality = checked.quality
                observation = checked.observation
                let current = observation.allocation(otherwise: answered ?? .make())
                let proposed =
                    random.below(2) == 0
                    ? Allocation(
                        replicas: random.wildInt(), cpuMillicores: random.wildInt(), memoryBytes: random.wildInt())
                    : .make(replicas: random.below(30), cpu: 128 * random.below(20))
                var controls = Controls()
                controls.killSwitch = random.below(10) == 0
                controls.paused = random.below(10) == 0
                controls.freezeDown = random.below(10) == 0
                let guarded = Guards.apply(
                    proposed, current: current, rules: .make(replicas: random.below(30)), quality: quality,
                    profile: profile,
                    controls: controls,
                    capacity: random.below(3) == 0
                        ? Capacity(cpuMillicores: random.wildInt(), memoryBytes: random.wildInt()) : nil,
                    state: &state, time: time)
                let answer = guarded.allocation
                #expect(profile.clamp(answer) == answer)
                if quality.forbidsDown || controls.freezeDown || controls.paused {
                    // Not below what is there, as far as that is believable and within the limits.
                    var floor = profile.clamp(current)
                    // What is under way is not turned back.
                    if quality.isUpdating, let before = answered, !controls.paused, !controls.freezeDown { floor = floor.sizesNotAbove(before) }
                    #expect(answer.replicas >= floor.replicas)
                    #expect(answer.cpuMillicores >= floor.cpuMillicores)
                    #expect(answer.memoryBytes >= floor.memoryBytes)
                }
                if quality.holds, !quality.contains(.noReplicas), current.replicas > 0,
                    current.cpuMillicores > 0, current.memoryBytes > 0
                {
                    #expect(answer == profile.clamp(current))
                }
                // The records tell the whole way from the proposal to the answer.
                for field in GuardRecord.Field.allCases {
                    var value = field.value(of: proposed)
                    for record in guarded.records where record.field == field {
                        #expect(record.before == value && !record.detail.isEmpty)
                        value = record.after
                    }
                    #expect(value == field.value(of: answer))
                }
                answered = answer
                let bytes = ByteWriter.encoding { state.encode(into: &$0) }
                var reader = ByteReader(bytes)
                state = try GuardState(from: &reader)
                #expect(ByteWriter.encoding { state.encode(into: &$0) } == bytes)
            }
        }
    }
}

extension GuardRecord.Field {
    fileprivate func value(of allocation: Allocation) -> Int {
        switch self {
        case .replicas: allocation.replicas
        case .cpu: allocation.cpuMillicores
        case .memory: allocation.memoryBytes
        }
    }
}

// The checker, with one test for each of the ways in which metrics have hurt people; and the reasons of decisions.

import Scaling
import Testing
@testable import Base

@Suite struct ObservationQualityTests {
    private let profile = Profile()

    /// Sends observations a minute apart and returns what was noticed about each.
    private func check(_ observations: [Observation], answered: Allocation? = nil) -> [[String]] {
        var checker = ObservationChecker()
        return observations.enumerated().map { index, observation in
            checker.check(observation, answered: answered, profile: profile, now: Double(index) * 60).quality.reasons
        }
    }

    @Test func healthyObservationsAreGood() {
        #expect(check([.make(), .make(cpu: 0.71), .make(cpu: 0.69)]) == [[], [], []])
    }

    @Test func missingMetrics() {
        #expect(check([Observation(replicas: 3)]) == [["missingMetrics", "missingCpu", "missingMemory"]])
        #expect(check([.make(cpu: nil)]) == [["missingCpu"]])
        #expect(check([.make(memory: nil)]) == [["missingMemory"]])
        // A latency that never was there is not missed; one that disappears is, unless no request arrives.
        #expect(check([.make(latency: nil)]) == [[]])
        #expect(check([.make(), .make(cpu: 0.6, latency: nil)]) == [[], ["missingObjective"]])
        #expect(check([.make(), .make(cpu: 0.1, latency: nil, rate: 0)]) == [[], []])
    }

    @Test func whatCannotBeReadCountsAsMissingAndIsNamed() {
        #expect(check([.make(cpu: .nan)]) == [["missingCpu", "notFinite"]])
        #expect(check([.make(), .make(latency: .infinity)]).last == ["missingObjective", "notFinite"])
        #expect(check([.make(memory: -0.1)]) == [["missingMemory", "negative"]])
        #expect(check([.make(cpu: 35)]) == [["missingCpu", "impossible"]])
        #expect(check([.make(replicas: -1)]) == [["negative"]])
        var checker = ObservationChecker()
        let checked = checker.check(.make(cpu: 35, memory: -0.5), answered: nil, profile: profile, now: 0)
        #expect(checked.observation.cpuUtilization == nil && checked.observation.memoryUtilization == nil)
        #expect(checked.warnings.contains { $0.contains("cpuUtilization") && $0.contains("35 %") })
        #expect(checked.warnings.contains { $0.contains("negative: memoryUtilization") })
    }

    @Test func aJumpIsBelievedOnceItIsConfirmed() {
        var checker = ObservationChecker()
        func use(_ cpu: Double, _ rate: Double, at minute: Double) -> CheckedObservation {
            checker.check(.make(cpu: cpu, rate: rate), answered: nil, profile: profile, now: minute * 60)
        }
        _ = use(0.4, 80, at: 0)
        let jump = use(7, 90_000, at: 1)
        #expect(jump.quality.contains(.unconfirmed))
        #expect(jump.observation.cpuUtilization == 1.5 && jump.observation.requestRate == nil)
        let confirmed = use(6.5, 88_000, at: 2)
        #expect(confirmed.quality.isEmpty && confirmed.observation.cpuUtilization == 6.5)
        #expect(confirmed.observation.requestRate == 88_000)
    }

    @Test func aRollingUpdatesSurgeIsNoWish() {
        var checker = ObservationChecker()
        var now = 0.0
        func seen(_ replicas: Int, answered: Int) -> CheckedObservation {
            now += 60
            return checker.check(
                .make(replicas: replicas, cpu: 0.6 + now / 1e5), answered: .make(replicas: answered), profile: profile,
                now: now)
        }
        _ = seen(120, answered: 120)
        for _ in 0..<ObservationChecker.surgeMax {
            let surge = seen(150, answered: 120)
            #expect(surge.observation.replicas == 120 && surge.quality.contains(.rollout))
        }
        // It lasts: somebody wants as many.
        let lasting = seen(150, answered: 120)
        #expect(lasting.observation.replicas == 150 && lasting.quality.contains(.replicasChanged))
        // More than a rolling update can add is followed at once.
        #expect(seen(200, answered: 120).observation.replicas == 200)
    }

    @Test func whatIsAtItsCeilingIsNotFrozen() {
        let full = Observation.make(cpu: 1, latency: 10)
        #expect(check(Array(repeating: full, count: 9)).last == [])
        let slow = Observation.make(cpu: 0.3, latency: 10)
        #expect(check(Array(repeating: slow, count: 9)).last == ["frozen"])
    }

    @Test func idleIsRecognisedWithoutARequestRate() {
        let busy = Observation.make(cpu: 0.5, rate: nil)
        let idle = (0..<4).map { Observation.make(cpu: 0.012 + Double($0) / 1e4, latency: nil, rate: nil) }
        let noticed = check([busy] + idle)
        #expect(noticed == [[], ["missingObjective"], ["missingObjective"], [], []])
    }

    @Test func staleAndFromTheFuture() {
        var checker = ObservationChecker()
        func reasons(measured: Double, now: Double) -> [String] {
            checker.check(.make(cpu: measured / 1e4, time: measured), answered: nil, profile: profile, now: now).quality.reasons
        }
        #expect(reasons(measured: 1000, now: 1120) == [])
        #expect(reasons(measured: 1001, now: 1122) == ["stale"])
        #expect(reasons(measured: 1300, now: 1170) == ["clockJump"])
    }

    @Test func outOfOrderAndDuplicates() {
        var checker = ObservationChecker()
        func reasons(measured: Double, now: Double) -> [String] {
            checker.check(.make(cpu: now / 1e4, time: measured), answered: nil, profile: profile, now: now).quality.reasons
        }
        #expect(reasons(measured: 1000, now: 1000) == [])
        #expect(reasons(measured: 990, now: 1001) == ["outOfOrder"])
        #expect(reasons(measured: 1060, now: 1060) == [])
        // Two recommenders on one application send the same moment twice.
        #expect(reasons(measured: 1060, now: 1062) == ["duplicate"])
        // The very same again is a retry.
        var observation = Observation.make(cpu: 0.4, time: 2000)
        #expect(checker.check(observation, answered: nil, profile: profile, now: 2000).quality.contains(.gap))
        #expect(
            checker.check(observation, answered: nil, profile: profile, now: 2001).quality == [.duplicate, .resent])
        observation.time = 1940
        // A clients' clock that was set back is followed after a while.
        let back = (0..<5).map { step in
            observation.time = 1000 + 60 * Double(step)
            observation.cpuUtilization = 0.3 + Double(step) / 100
            return checker.check(observation, answered: nil, profile: profile, now: 2060).quality
        }
        #expect(back.prefix(3).allSatisfy { $0.contains(.outOfOrder) } && !back[3].contains(.outOfOrder))
    }

    @Test func ourOwnClockGoesBack() {
        var checker = ObservationChecker()
        func reasons(_ now: Double) -> [String] {
            checker.check(.make(cpu: now / 1e5), answered: nil, profile: profile, now: now).quality.reasons
        }
        #expect(reasons(5000) == [])
        #expect(reasons(4000) == ["clockJump"])
        #expect(reasons(4060) == ["clockJump"])
        // Then the new clock is followed.
        #expect(reasons(4120) == ["clockJump"] && reasons(4180) == [])
    }

    /// A week has one minute like this: histories go on there, whatever year it is said to be.
    @Test func aClockThatIsSetByYearsGoesOnWithinAWeek() {
        var checker = ObservationChecker()
        func time(_ now: Double) -> Double {
            checker.check(.make(cpu: now / 1e10), answered: nil, profile: profile, now: now).time
        }
        let (start, week) = (1_780_000_000.0, 604_800.0)
        #expect(time(start) == start && time(start + 60) == start + 60)
        // What a silence or a change of an hour may be is left alone.
        #expect(time(start - 3600) == start - 3600 && time(start + 30 * 86_400) == start + 30 * 86_400)
        var last = start + 30 * 86_400
        for years in [10.0, -10, -30, 25, 0] {
            let now = start + years * 31_557_600
            let after = time(now)
            #expect(after >= last && after < last + week)
            #expect((after - now).truncatingRemainder(dividingBy: week) == 0)
            #expect(time(now + 60) == after + 60)
            last = after + 60
        }
    }

    @Test func aGapOfAnHour() {
        var checker = ObservationChecker()
        #expect(checker.check(.make(), answered: nil, profile: profile, now: 0).quality.reasons == [])
        let after = checker.check(.make(cpu: 0.2), answered: nil, profile: profile, now: 3600).quality
        #expect(after.reasons == ["gap"] && after.forbidsDown && !after.holds)
        #expect(checker.check(.make(cpu: 0.21), answered: nil, profile: profile, now: 3660).quality.isGood)
    }

    @Test func zeroedMetrics() {
        #expect(check([.make(memory: 0)]) == [["missingMemory", "zeroed"]])
        #expect(check([.make(cpu: 0)]) == [["missingCpu", "zeroed"]])
        #expect(check([.make(latency: 0)]) == [["zeroed"]])
        // Load that vanishes at once is doubted five times, then believed. An application that was idle is.
        let idle = Observation.make(cpu: 0, latency: nil, rate: 0)
        #expect(check([.make()] + Array(repeating: idle, count: 7)).map { $0.contains("zeroed") }
                == [false, true, true, true, true, true, false, false])
        #expect(check([idle, idle]) == [[], []])
    }

    @Test func frozenMetrics() {
        let noticed = check(Array(repeating: .make(), count: 8))
        #expect(noticed == [[], [], [], [], [], ["frozen"], ["frozen"], ["frozen"]])
        // A new value thaws them. One coarse metric, or an idle application, may well repeat itself.
        #expect(check(Array(repeating: .make(), count: 7) + [.make(cpu: 0.71)]).last == [])
        let coarse = Observation.make(memory: nil, latency: nil, rate: nil)
        #expect(check(Array(repeating: coarse, count: 9)).last == ["missingMemory"])
        let idle = Observation.make(cpu: 0.001, memory: 0.2, latency: nil, rate: 0)
        #expect(check(Array(repeating: idle, count: 9)).last == [])
    }

    @Test func replicasThatNobodyAskedFor() {
        let answered = Allocation.make(replicas: 6)
        #expect(check([.make(replicas: 4), .make(replicas: 6, cpu: 0.5)], answered: answered).last == [])
        #expect(
            check([.make(replicas: 4), .make(replicas: 3, cpu: 0.5)], answered: answered).last == ["replicasChanged"])
        // Not carried out is not the same as changed by someone else.
        #expect(check([.make(replicas: 4), .make(replicas: 4, cpu: 0.5)], answered: answered).last == [])
        var resized = Observation.make(cpu: 0.5)
        resized.cpuMillicores = 700
        var before = Observation.make()
        before.cpuMillicores = 1024
        #expect(check([before, resized], answered: .make()).last == ["limitsChanged"])
        #expect(check([.make(replicas: 4), .make(replicas: 0, cpu: 0.5)]).last == ["noReplicas"])
    }

    @Test func notAppliedIsTold() {
        var observation = Observation.make()
        observation.applied = false
        #expect(check([observation]) == [["notApplied"]])
        #expect(check([.make(oomKills: 1)]) == [["oomKilled"]])
    }

    @Test func stateSurvivesEncoding() throws {
        var random = SplitMix(seed: 16)
        var checker = ObservationChecker()
        for step in 0..<500 {
            let observation = random.wildObservation()
            let bytes = ByteWriter.encoding { checker.encode(into: &$0) }
            var reader = ByteReader(bytes)
            var copy = try ObservationChecker(from: &reader)
            #expect(reader.isAtEnd)
            let now = Double(step) * 60 + (step % 100 < 50 ? 0 : 3e8)
            let a = checker.check(observation, answered: .make(), profile: profile, now: now)
            let b = copy.check(observation, answered: .make(), profile: profile, now: now)
            #expect(a.quality == b.quality && a.unreadable == b.unreadable && a.time == b.time)
        }
    }
}

@Suite struct DecisionReasonTests {
    private func reason(
        _ observation: Observation, _ proposed: Allocation, quality: ObservationQuality = [],
        controls: Controls = Controls()
    ) -> String {
        let profile = Profile()
        var state = GuardState()
        let guarded = Guards.apply(
            proposed, current: .make(), rules: proposed, quality: quality, profile: profile, controls: controls,
            state: &state, time: 0)
        return DecisionReason.of(
            observation, parts: Reward.step(observation, profile), quality: quality, current: .make(), guarded: guarded,
            profile: profile
        ).rawValue
    }

    @Test func namesWhatTheObservationShows() {
        #expect(reason(.make(latency: 0.9), .make(replicas: 5)) == "LatencyAboveSLO")
        #expect(reason(.make(cpu: 0.9), .make(replicas: 5)) == "CpuAboveTarget")
        #expect(reason(.make(cpu: 0.4), .make(replicas: 5)) == "Headroom")
        #expect(reason(.make(cpu: 0.4, memory: 0.95), .make(memoryMiB: 600)) == "MemoryNearLimit")
        #expect(reason(.make(oomKills: 1), .make(memoryMiB: 600)) == "OOMKilled")
        #expect(reason(.make(cpu: 0.3), .make(replicas: 3)) == "CpuBelowTarget")
        #expect(reason(.make(cpu: 0.3), .make(memoryMiB: 400)) == "MemoryBelowTarget")
        #expect(reason(.make(cpu: 0.01), .make(replicas: 3)) == "Idle")
        #expect(reason(.make(), .make()) == "Hold")
    }

    @Test func namesWhoDecidedOtherwise() {
        #expect(reason(.make(), .make(replicas: 3), quality: .stale) == "BadData")
        #expect(reason(.make(cpu: nil), .make(replicas: 3), quality: .missingCpu) == "BadData")
        var controls = Controls()
        controls.freezeDown = true
        #expect(reason(.make(), .make(replicas: 3), controls: controls) == "HeldByGuard")
        controls.paused = true
        #expect(reason(.make(), .make(replicas: 3), controls: controls) == "Paused")
        controls = Controls()
        controls.pin = .make(replicas: 9)
        #expect(reason(.make(), .make(), controls: controls) == "Pinned")
    }
}

// The kinds of harm that autoscalers have done to people, each as a short life of an application under the rules.

import Base
import Deciding
import Scaling
import Testing

/// An application that uses what it uses, whatever it is given.
private struct Life {
    var core: DecisionCore
    var now = 1_790_000_000.0
    var given: Allocation
    private(set) var kills = 0
    private var count = 0

    init(_ given: Allocation, change: (inout Profile) -> Void = { _ in }) {
        var profile = Profile()
        profile.minReplicas = 2
        profile.maxReplicas = 60
        profile.cpu = .init(min: 100, max: 4000, step: 100)
        profile.memory = .init(min: 128 << 20, max: 8192 << 20, step: 64 << 20)
        change(&profile)
        core = DecisionCore(profile)
        self.given = given
    }

    /// What a healthy minute looks like; the last digits move, as in life.
    mutating func healthy(cpu: Double = 0.66, memory: Double = 0.7, latency: Double? = 0.12, rate: Double? = 80)
        -> Observation
    {
        count += 1
        let noise = 1 + Double(count % 7) / 1000
        var seen = Observation(replicas: given.replicas)
        seen.cpuMillicores = given.cpuMillicores
        seen.memoryBytes = given.memoryBytes
        seen.cpuUtilization = cpu * noise
        seen.memoryUtilization = memory * noise
        seen.latencySeconds = latency.map { $0 * noise }
        seen.requestRate = rate.map { $0 * noise }
        return seen
    }

    /// One step of an application that takes so many cores in all and so much memory in each replica.
    mutating func use(cores: Double, mebibytes: Double, every seconds: Double = 60) {
        let busy = cores * 1000 / (Double(given.replicas) * Double(given.cpuMillicores))
        var seen = healthy(cpu: min(1, busy), memory: 0, latency: 0.05 / max(0.02, 1 - min(busy, 0.98)))
        let limit = Double(given.memoryBytes) / 1_048_576
        if mebibytes > limit {
            kills += 1
            seen.oomKills = given.replicas
            seen.memoryUtilization = 0.25
        } else {
            seen.oomKills = 0
            seen.memoryUtilization = mebibytes / limit
        }
        see(seen, after: seconds)
    }

    @discardableResult
    mutating func see(_ observation: Observation, after seconds: Double = 60, at time: Double? = nil) -> Settlement {
        now += seconds
        var observation = observation
        observation.time = time ?? now
        let perception = core.perceive(observation, at: now)
        let settled = core.settle(perception, proposed: nil)
        given = settled.guarded.allocation
        return settled
    }
}

private func size(_ replicas: Int, _ cpu: Int = 1000, _ mebibytes: Int = 1024) -> Allocation {
    Allocation(replicas: replicas, cpuMillicores: cpu, memoryBytes: mebibytes << 20)
}

@Suite struct StoryTests {
    @Test func aCachedObservationTakesNothingAndTeachesNothing() {
        var life = Life(size(14))
        for _ in 0..<6 { life.see(life.healthy()) }
        let before = life.given
        var old = life.healthy(cpu: 8, memory: 3)
        old.replicas = 2
        #expect(life.see(old, at: life.now - 7000).source == .hold && life.given == before)
        for _ in 0..<10 {
            life.see(life.healthy())
            #expect((13...15).contains(life.given.replicas) && life.given.memoryBytes <= 1300 << 20)
        }
    }

    @Test func aPercentForAShareIsAMissingMetric() {
        var life = Life(size(5))
        for _ in 0..<4 { life.see(life.healthy()) }
        life.see(life.healthy(cpu: 42))
        #expect(life.given.replicas == 5)
    }

    @Test func oneHighSampleDoesNotClimbLater() {
        var life = Life(size(8))
        for _ in 0..<6 { life.see(life.healthy(cpu: 0.55)) }
        life.see(life.healthy(cpu: 8.7))
        let peak = life.given.replicas
        #expect(peak <= 16)
        for step in 0..<40 {
            life.see(life.healthy(cpu: 0.28))
            #expect(life.given.replicas <= peak, "step \(step)")
        }
        #expect(life.given.replicas <= 6)
    }

    @Test func aRollingUpdateDoesNotRatchet() {
        var life = Life(size(96)) { $0.maxReplicas = 900 }
        for _ in 0..<4 { life.see(life.healthy()) }
        for _ in 0..<6 {
            var surge = life.healthy()
            surge.replicas = 120
            life.see(surge)
            #expect((92...100).contains(life.given.replicas))
        }
        var told = life.healthy()
        told.existingReplicas = 120
        told.rolloutInProgress = true
        life.see(told)
        #expect((92...100).contains(life.given.replicas))
    }

    @Test func minutesOfLittleUseAreNoEvidenceAboutMemory() {
        var life = Life(size(4, 1000, 3000))
        for _ in 0..<120 {
            life.see(life.healthy(memory: 0.1))
            #expect(life.given.memoryBytes >= 3000 << 20)
        }
    }

    @Test func aWeeklyJobIsKilledOnceAtMost() {
        var life = Life(size(3, 1000, 1536))
        for _ in 0..<4 {
            for _ in 0..<670 { life.use(cores: 0.8, mebibytes: 400, every: 900) }
            for _ in 0..<15 { life.use(cores: 1.5, mebibytes: 1250) }
        }
        #expect(life.kills <= 1, "\(life.kills)")
        // Between the jobs it is not simply left at the owner's limit for ever: the first week showed 400 MiB.
        #expect(life.given.memoryBytes < 3000 << 20)
    }

    @Test func anOwnersNewSizeIsFollowed() {
        var life = Life(size(4, 600))
        for _ in 0..<5 { life.see(life.healthy()) }
        var larger = life.healthy(cpu: 0.25)
        larger.cpuMillicores = 1800
        life.see(larger)
        for _ in 0..<10 {
            life.see(life.healthy(cpu: 0.5))
            #expect(life.given.cpuMillicores >= 1500)
        }
    }

    @Test func whoSwitchesOffFindsItOff() {
        var life = Life(size(6))
        for _ in 0..<3 { life.see(life.healthy()) }
        var off = Observation(replicas: 0)
        off.requestRate = 0
        let settled = life.see(off)
        #expect(life.given.replicas == 0 && settled.reason == .autoscalingOff)
        var back = life.healthy()
        back.replicas = 3
        life.see(back)
        #expect((3...4).contains(life.given.replicas))
    }

    @Test func anIdleNightWithoutRequestCountsScalesDown() {
        var life = Life(size(11))
        for _ in 0..<8 { life.see(life.healthy(rate: nil)) }
        for _ in 0..<45 { life.see(life.healthy(cpu: 0.015, memory: 0.4, latency: nil, rate: nil)) }
        #expect(life.given.replicas <= 3)
    }

    @Test func aLostLatencyKeepsWhatIsThereAndNothingClimbs() {
        var life = Life(size(9))
        for _ in 0..<30 { life.use(cores: 5, mebibytes: 500) }
        for _ in 0..<60 {
            life.see(life.healthy(cpu: min(1, 5000 / Double(life.given.replicas * life.given.cpuMillicores)), latency: nil))
            #expect((7...14).contains(life.given.replicas))
        }
    }

    @Test func nothingIsTakenWhileTheObjectiveIsMissed() {
        var life = Life(size(9))
        for _ in 0..<20 {
            life.see(life.healthy(cpu: 0.15, latency: 4))
            #expect(life.given.replicas >= 9 && life.given.memoryBytes >= 1024 << 20)
        }
    }

    @Test func anApplicationAtItsCeilingIsHelped() {
        var life = Life(size(12))
        for _ in 0..<3 { life.see(life.healthy()) }
        for _ in 0..<16 {
            var full = Observation(replicas: life.given.replicas)
            full.cpuUtilization = 1
            full.memoryUtilization = 0.6
            full.latencySeconds = 30
            full.requestRate = 700
            life.see(full)
        }
        #expect(life.given.replicas == 60)
    }
}

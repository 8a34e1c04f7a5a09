// The reward's formula, its missing parts, and that nothing undesired ever pays.

import Scaling
import Testing

@Suite struct RewardTests {
    private let profile = Profile()

    @Test func weighsObjectiveAndUtilization() {
        let parts = Reward.step(.make(cpu: 0.6, memory: 0.4, latency: 1.0), profile)
        #expect(parts.sloPreservation == 0.5)
        #expect(parts.utilization == 0.5)
        #expect(abs(parts.value! - (0.7 * 0.5 + 0.3 * 0.5)) < 1e-12)
        #expect(parts.violated)
    }

    @Test func capsPreservationAndUtilizationAtOne() {
        let parts = Reward.step(.make(cpu: 1.4, memory: 1.1, latency: 0.01), profile)
        #expect(parts == RewardParts(sloPreservation: 1, utilization: 1, value: 1, violated: false))
    }

    @Test func latencyAtTheObjectiveIsNoViolation() {
        #expect(!Reward.step(.make(latency: 0.5), profile).violated)
        #expect(Reward.step(.make(latency: 0.5000001), profile).violated)
    }

    @Test func throughputObjectiveIsInverted() {
        var profile = profile
        profile.objective = .throughput(perSecond: 100)
        var observation = Observation.make()
        observation.throughput = 80
        #expect(Reward.step(observation, profile).sloPreservation == 0.8)
        observation.throughput = 120
        #expect(Reward.step(observation, profile).sloPreservation == 1)
    }

    @Test func withoutObjectivePreservationIsOne() {
        var profile = profile
        profile.objective = .none
        #expect(Reward.step(.make(latency: nil), profile).sloPreservation == 1)
    }

    @Test func callersPreservationWins() {
        var observation = Observation.make(latency: 0.1)
        observation.sloPreservation = 0.25
        let parts = Reward.step(observation, profile)
        #expect(parts.sloPreservation == 0.25 && parts.violated)
    }

    @Test func halfMeasuredStepsHaveNoReward() {
        #expect(Reward.step(.make(latency: nil), profile).value == nil)
        #expect(Reward.step(.make(cpu: nil, memory: nil), profile).value == nil)
        #expect(Reward.step(.make(cpu: .nan, memory: -1, latency: .infinity), profile).value == nil)
        #expect(Reward.step(Observation(replicas: 1), profile).value == nil)
        // One utilisation is enough, and no latency can be measured without requests.
        #expect(Reward.step(.make(cpu: 0.4, memory: nil), profile).utilization == 0.4)
        #expect(Reward.step(.make(latency: nil, rate: 0), profile).sloPreservation == 1)
    }

    @Test(arguments: [(0.25, 0.25), (-3, 0), (1.5, 1), (1000, 1), (0, 0), (1, 1)])
    func explicitRewardReplacesTheValueWithinItsRange(_ given: Double, _ counts: Double) {
        var observation = Observation.make(latency: nil)
        observation.reward = given
        #expect(Reward.step(observation, profile).value == counts)
        // What was measured is another matter, and here there is nothing.
        #expect(Reward.measured(observation, profile) == nil)
        #expect(Reward.measured(.make(), profile) == Reward.step(.make(), profile).value)
    }

    @Test func trainingPaysForTheWholeBill() throws {
        func reward(_ allocation: Allocation, oomKills: Int = 0, latency: Double = 0.1) throws -> Double {
            let observation = Observation.make(cpu: 0.5, memory: 0.5, latency: latency, oomKills: oomKills)
            return try #require(
                Reward.penalized(
                    Reward.step(observation, profile), observation: observation, previous: allocation,
                    decided: allocation, profile: profile, need: 2))
        }
        let usual = try reward(.make())
        // Twice the replicas at the same use cost more, whatever the utilisation; so do kills and violations.
        #expect(try reward(.make(replicas: 8)) < usual)
        #expect(try reward(.make(), oomKills: 1) < usual)
        #expect(try reward(.make(), latency: 0.6) < usual)
        // Unmeasured service is not paid for.
        let blind = Observation.make(latency: nil)
        #expect(
            Reward.penalized(
                Reward.step(blind, profile), observation: blind, previous: .make(), decided: .make(), profile: profile)
                == nil)
    }

    /// Who gives thresholds speaks in rewards: that is what is learned for then.
    @Test func anOwnerWhoGivesThresholdsIsLearnedForByTheReward() {
        var profile = profile
        var observation = Observation.make()
        observation.reward = 0.25
        func learned() -> Double? {
            Reward.penalized(
                Reward.step(observation, profile), observation: observation, previous: .make(), decided: .make(), profile: profile, need: 2)
        }
        let bill = learned()
        #expect((bill ?? 0) < 0)
        profile.thresholds.serving = 0.7
        #expect(learned() == 0.25)
        observation.reward = nil
        #expect(learned() == Reward.measured(observation, profile))
    }

    @Test func nothingUndesiredEverPays() {
        var random = SplitMix(seed: 3)
        for _ in 0..<10_000 {
            let observation = random.wildObservation()
            let parts = Reward.step(observation, profile)
            if let value = parts.value { #expect(value >= 0 && value <= 1) }
            let penalized = Reward.penalized(
                parts, observation: observation, previous: .make(), decided: .make(replicas: 1 + random.below(8)),
                profile: profile)
            if let penalized { #expect(penalized <= 0 && penalized.isFinite) }
        }
    }
}

// The lifecycle's statistics: how seldom it is wrong, how soon it is right; and that damaged state throws.

import Agents
import Scaling
import Testing
@testable import Base

@Suite struct LifecycleTests {
    /// An agent that serves, one episode in ten left to the rules (0.84), until its stage changes.
    private func serve(seed: UInt64, gain: Double, drop: Double = 0, after: Int = 0, episodes: Int) -> Int? {
        var random = SplitMix(seed: seed)
        var lifecycle = Lifecycle()
        let profile = Profile()
        func episode(policy: Double?, rules: Double?) -> Bool {
            let events = lifecycle.episodeEnded(
                policyReward: policy, rulesReward: rules, candidateEstimate: nil, profile: profile)
            return events.contains { !$0.isAlarm }
        }
        for _ in 0..<20 { _ = episode(policy: nil, rules: 0.84 + 0.03 * random.normal()) }
        _ = lifecycle.force(.serving, hold: false)
        for number in 0..<episodes {
            let noise = 0.03 * random.normal()
            let isRules = number % 10 == 9
            let reward = 0.84 + gain - (number >= after ? drop : 0) + noise
            if episode(policy: isRules ? nil : reward, rules: isRules ? 0.84 + noise : nil) { return number }
        }
        return nil
    }

    /// Rewards of episodes deviate by 0.03, a good policy gains 0.02.
    @Test(arguments: 1...5) func aConvergedAgentRaisesNoFalseAlarm(seed: UInt64) {
        #expect(serve(seed: seed, gain: 0.02, episodes: 1000) == nil)
    }

    @Test(arguments: 1...5) func aChangeOfTheWorkloadIsNoticedWithinTenEpisodes(seed: UInt64) throws {
        let noticed = try #require(serve(seed: seed, gain: 0.02, drop: 0.073, after: 100, episodes: 200))
        #expect((100..<110).contains(noticed))
    }

    @Test(arguments: 1...5) func aSabotagedPolicyIsStoppedAtItsSecondEpisode(seed: UInt64) {
        #expect(serve(seed: seed, gain: -0.3, episodes: 10) == 1)
    }

    /// Each episode of the rules costs what the policy is ahead by: where that is clear on the same loads, few are enough.
    @Test(arguments: [(0.06, 0.02, 40), (0.02, 0.02, 10), (0.06, 0.6, 10), (-0.06, 0.02, 10)])
    func whoIsClearlyAheadLeavesFewEpisodesToTheRules(lead: Double, deviation: Double, interval: Int) {
        var random = SplitMix(seed: 1)
        var lifecycle = Lifecycle()
        let profile = Profile()
        for _ in 0..<10 {
            _ = lifecycle.episodeEnded(policyReward: nil, rulesReward: -0.5, candidateEstimate: nil, profile: profile)
        }
        _ = lifecycle.force(.serving, hold: true)
        for number in 0..<20 {
            if number < 10 { #expect(lifecycle.controlInterval(profile) == 10) }
            let paired = PairedOutcome(measured: lead + deviation * random.normal(), replayed: lead, loss: Lifecycle.lostValue)
            _ = lifecycle.episodeEnded(
                policyReward: -0.5 + lead, rulesReward: nil, paired: paired, candidateEstimate: nil, profile: profile)
        }
        #expect(lifecycle.controlInterval(profile) == interval)
        lifecycle.versionChanged()
        #expect(lifecycle.controlInterval(profile) == 10)
    }

    @Test func damagedStateThrows() {
        var lifecycle = Lifecycle()
        for _ in 0..<10 {
            _ = lifecycle.episodeEnded(policyReward: 0.8, rulesReward: 0.8, candidateEstimate: nil, profile: Profile())
        }
        var writer = ByteWriter()
        lifecycle.encode(into: &writer)
        for length in 0..<writer.bytes.count {
            var reader = ByteReader(Array(writer.bytes[..<length]))
            #expect(throws: ByteReader.Failure.self) { try Lifecycle(from: &reader) }
        }
        var bytes = writer.bytes
        bytes[1] = 9
        var reader = ByteReader(bytes)
        #expect(throws: ByteReader.Failure.self) { try Lifecycle(from: &reader) }
    }

    @Test func rewardsThatAreNotNumbersAreIgnored() {
        var lifecycle = Lifecycle()
        for reward in [Double.nan, .infinity, -.infinity] {
            _ = lifecycle.episodeEnded(
                policyReward: reward, rulesReward: reward, candidateEstimate: nil, profile: Profile())
        }
        #expect(lifecycle.rulesReward == nil && lifecycle.policyReward == nil)
    }
}

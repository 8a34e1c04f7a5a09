// What the paired test finds, and how soon: on made-up differences, and on those of whole lives in the cluster simulator.
//
// AWARE_PAIRED_APPLICATIONS=8 prints the figures of the guide, from 8 applications with four policies each.

import Synchronization
import BasePolicy
import Foundation
import Learning
import Scaling
import Testing

@testable import Agents
@testable import Base
@testable import ClusterModel
@testable import Experiments

@Suite(.timeLimit(.minutes(10))) struct PairedTestTests {
    /// Episodes until the alarm, `nil` for never.
    private static func alarm(_ outcomes: some Sequence<PairedOutcome>) -> Int? {
        var test = PairedTest()
        for (index, outcome) in outcomes.enumerated() where test.add(outcome) { return index + 1 }
        return nil
    }

    /// False alarms in so many episodes, beginning anew after each.
    private static func alarms(_ outcomes: [PairedOutcome]) -> Int {
        var test = PairedTest()
        return outcomes.count { outcome in
            guard test.add(outcome) else { return false }
            test = PairedTest()
            return true
        }
    }

    // MARK: Made-up differences

    /// The load of an episode moves both by 0.05; the replay tells 0.7 of it and adds an error of its own.
    private static func outcomes(_ count: Int, difference: Double, loss: Double = Lifecycle.lostValue, seed: UInt64) -> [PairedOutcome] {
        var random = SplitMix(seed: seed)
        let unit = loss / Lifecycle.lostValue
        return (0..<count).map { _ in
            let load = 0.05 * random.normal()
            return PairedOutcome(
                measured: difference + unit * (load + 0.04 * random.normal()), replayed: unit * (0.7 * load + 0.02 * random.normal()), loss: loss)
        }
    }

    @Test func aTenthOfTheBillIsFoundWithinFiftyEpisodes() {
        let found = (1...200).map { Self.alarm(Self.outcomes(50, difference: -0.04, seed: $0)) }
        #expect(found.count { $0 != nil } >= 180, "\(found.count { $0 != nil }) of 200")
    }

    @Test func halfAPointOfRewardIsFoundWithinFiftyEpisodes() {
        let found = (1...200).map { Self.alarm(Self.outcomes(50, difference: -0.0067, loss: Lifecycle.lostReward, seed: $0)) }
        #expect(found.count { $0 != nil } >= 180, "\(found.count { $0 != nil }) of 200")
    }

    @Test func aPolicyAsGoodAsTheRulesIsSuspectedOnceInTwoThousandEpisodes() {
        let alarms = (1...50).reduce(0) { $0 + Self.alarms(Self.outcomes(2000, difference: 0, seed: $1)) }
        #expect(alarms <= 50, "\(alarms) in 50 times 2,000")
        let better = (1...50).reduce(0) { $0 + Self.alarms(Self.outcomes(2000, difference: 0.02, seed: $1)) }
        #expect(better == 0)
    }

    @Test func whatIsNoNumberIsIgnoredAndDamagedStateThrows() throws {
        var test = PairedTest()
        #expect(!test.add(PairedOutcome(measured: .nan, replayed: 0, loss: 0.03)) && !test.add(PairedOutcome(measured: 0, replayed: .infinity, loss: 0.03)))
        #expect(test == PairedTest())
        for outcome in Self.outcomes(20, difference: -0.01, seed: 1) { _ = test.add(outcome) }
        var writer = ByteWriter()
        test.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        #expect(try PairedTest(from: &reader) == test)
        for length in 0..<writer.bytes.count {
            var reader = ByteReader(Array(writer.bytes[..<length]))
            #expect(throws: ByteReader.Failure.self) { try PairedTest(from: &reader) }
        }
    }

    // MARK: What follows from it

    @Test func aServingPolicyThatLosesALittleGoesAndOneThatDoesNotStays() throws {
        func serve(_ difference: Double) -> Lifecycle.Transition? {
            var lifecycle = Lifecycle()
            let profile = Profile()
            for _ in 0..<20 { _ = lifecycle.episodeEnded(policyReward: nil, rulesReward: -0.4, candidateEstimate: nil, profile: profile) }
            _ = lifecycle.force(.serving, hold: false)
            // Its own rewards show nothing: the load was easy whenever it acted.
            for outcome in Self.outcomes(100, difference: difference, seed: 5) {
                let events = lifecycle.episodeEnded(
                    policyReward: -0.4 + 0.1 * outcome.replayed, rulesReward: nil, paired: outcome, candidateEstimate: nil, profile: profile)
                if let change = events.first(where: { !$0.isAlarm }) { return change }
            }
            return nil
        }
        let change = try #require(serve(-0.05))
        #expect(change.reason == .losesToRules && change.to == .offline && change.episode < 71)
        #expect(serve(0.01) == nil)
    }

    @Test func aLifecycleOfBeforeThePairedTestIsRead() throws {
        let lifecycle = Lifecycle()
        var writer = ByteWriter()
        var test = ByteWriter()
        lifecycle.encode(into: &writer)
        PairedTest().encode(into: &test)
        var reader = ByteReader([2] + writer.bytes.dropFirst().dropLast(test.bytes.count))
        #expect(try Lifecycle(from: &reader) == lifecycle)
        #expect(reader.isAtEnd)
    }

    @Test func theJudgesOwnErrorsAreTakenOffAndABurstIsNoError() throws {
        var agreement = ReplayAgreement()
        #expect(agreement.isEmpty && agreement.optimism == 0 && !agreement.isPoor)
        for _ in 0..<9 { agreement.rulesActed(measured: -0.4, replayed: -0.4) }
        agreement.rulesActed(measured: -3, replayed: -0.4)
        #expect(agreement.ofRules.median == 0 && !agreement.isPoor)
        for _ in 0..<30 {
            let outcome = agreement.policyActed(measured: -0.42, replayed: -0.38, rules: -0.4, loss: 0.03)
            #expect(abs(outcome.measured + 0.02) < 1e-9 && abs(outcome.replayed - 0.02) < 1e-9)
        }
        // 0.04 too high, believed 30 / 40 of it after 30 episodes.
        #expect(abs(agreement.optimism - 0.03) < 1e-9)
        #expect(agreement.wrong == 30 && agreement.judged == 30)
        var writer = ByteWriter()
        agreement.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        #expect(try ReplayAgreement(from: &reader) == agreement)
        for _ in 0..<30 { agreement.rulesActed(measured: -0.8, replayed: -0.4) }
        #expect(agreement.isPoor)
    }

    // MARK: Lives

    /// Lives that serve the base policy, or a disturbed copy of it, whatever becomes of it, beside rules that are calibrated every
    /// day. The differences of their episodes, moved to a known mean and drawn again in blocks of eight, are what the test gets.
    @Test func figuresOfTheGuide() throws {
        let count = Int(ProcessInfo.processInfo.environment["AWARE_PAIRED_APPLICATIONS"] ?? "")
        let base = try Policy(decoding: BasePolicy.bytes)
        var lives: [[PairedOutcome]] = []
        for index in 0..<(count ?? 1) {
            for scale in count == nil ? [0] : [0, 0.1, 0.2, 0.3] {
                let life = try Self.life(index, disturbed: scale, base, episodes: count == nil ? 40 : 108)
                lives.append(life.outcomes)
                print("paired: application \(index), disturbed by \(scale): \(life.text)")
            }
        }
        var random = SimulationRandom(seed: 1)
        var (quiet, found, runs) = (0, [Int](), 0)
        for life in lives {
            let mean = life.map(\.measured).mean
            func drawn(_ length: Int, _ difference: Double) -> [PairedOutcome] {
                (0..<length / 8).flatMap { _ in
                    let first = Int(random.next() % UInt64(life.count))
                    return (0..<8).map { offset in
                        var outcome = life[(first + offset) % life.count]
                        outcome.measured += difference - mean
                        return outcome
                    }
                }
            }
            for _ in 0..<20 {
                runs += 1
                quiet += Self.alarms(drawn(2000, 0))
                found.append(Self.alarm(drawn(400, -0.04)) ?? 400)
            }
        }
        found.sort()
        let within = Double(found.count { $0 <= 50 }) / Double(runs)
        print("paired: \(runs) runs: \(Double(quiet) / Double(runs)) false alarms in 2,000 episodes; a tenth of the bill: median \(found[runs / 2]), within 50 episodes \(100 * within) %")
        #expect(Double(quiet) / Double(runs) < (count == nil ? 4 : 1.5) && within > (count == nil ? 0.6 : 0.85))
    }

    private static func life(
        _ index: Int, disturbed scale: Double, _ base: Policy, episodes: Int
    ) throws -> (outcomes: [PairedOutcome], text: String) {
        let application = SyntheticApplication.split(seed: 1).test[index]
        let life = try ServedLife(application, profile: application.profile, base: base, seed: UInt64(index + 1))
        for _ in 0..<20 { try life.episode() }
        var random = SimulationRandom(seed: UInt64(index * 10) + UInt64(scale * 10))
        let policy = Policy(shape: base.shape, parameters: base.parameters.map { $0 * Float(1 + scale * random.normal()) })
        let model = ModelVersion(
            application: 1, version: 50, parent: 0, created: 0, algorithm: "import", episode: 0, diagnostics: [:], weights: policy.encode())
        try life.order(.adopt(model))
        try life.order(.promote(version: 50, policy))
        try life.order(.stage(.serving, hold: true))
        let before = try #require(life.store.contents.withLock { $0.trainer })
        var learner = try ApplicationLearner(decoding: before, base: base, seed: 0) { _ in policy }
        var (outcomes, truth): ([PairedOutcome], [Double]) = ([], [])
        for _ in 0..<episodes {
            let rewards = try life.episode()
            let saved = try #require(life.store.contents.withLock { $0.trainer })
            var now = try ApplicationLearner(decoding: saved, base: base, seed: 0) { version in
                try life.store.model(of: 1, version: version).map { try Policy(decoding: $0.weights) }
            }
            now.agreement = learner.agreement
            let summary = try #require(life.store.contents.withLock { $0.episodes.last })
            let source = LearningSource(application: 1, profile: application.profile, base: base, store: life.store, budget: 50)
            let measured = try source.values(summary).compactMap { $0 }.mean
            if let outcome = try now.pair(summary, measured: measured, source) {
                outcomes.append(outcome)
                truth.append(rewards.gain)
            }
            learner = now
        }
        let replayed = learner.agreement
        let text = String(
            format: "truth %.4f +- %.4f, paired %.4f +- %.4f, replays of the rules %.4f +- %.4f, of the policy %.4f +- %.4f, wrong %d of %d",
            truth.mean, truth.deviation, outcomes.map(\.measured).mean, outcomes.map(\.measured).deviation, replayed.ofRules.median,
            replayed.ofRules.deviation, replayed.ofPolicy.median, replayed.ofPolicy.deviation, replayed.wrong, replayed.judged)
        return (outcomes, text)
    }
}

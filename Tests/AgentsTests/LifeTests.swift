// Whole lives of agents in the cluster simulator: promotion by the judge, a change of workload, quiet, sabotage, holds.
// The rules are as their profile sets them, but for the last test.
//
// AWARE_LIFE_FOLDER=DIR runs the long forms (1,000 quiet episodes in ten lives) and leaves a plot and the events of the
// life with the changed workload in DIR.

@testable import Base
import BasePolicy
import Foundation
import Learning
import Scaling
@testable import ClusterModel
@testable import Experiments
import Testing

@testable import Agents

@Suite(.serialized, .timeLimit(.minutes(5))) struct LifeTests {
    private static let folder = ProcessInfo.processInfo.environment["AWARE_LIFE_FOLDER"]
    private static let applications = SyntheticApplication.split(seed: 1).test

    private static func life(_ index: Int, usesBase: Bool, isCalibrated: Bool = false, seed: UInt64? = nil) throws -> ServedLife {
        let application = applications[index]
        var profile = application.profile
        profile.fallback.calibrate = isCalibrated
        return try ServedLife(
            application, profile: profile, base: usesBase ? try Policy(decoding: BasePolicy.bytes) : nil,
            seed: seed ?? UInt64(index + 1))
    }

    private static func transitions(_ life: ServedLife) -> [Event] { life.events.filter { $0.kind == "transition" } }

    @Test func theBasePolicyActsOnlyAfterItWasJudgedBetterThanTheRules() throws {
        let life = try Self.life(1, usesBase: true)
        #expect(try life.live(atMost: 20) { $0.stage == .serving } != nil)
        let ready = try #require(life.events.firstIndex { $0.to == "online" })
        let judgement = try #require(life.events[...ready].last { $0.kind == "judgement" })
        let (difference, error) = (
            try #require(judgement.figures["judgedDifference"]), try #require(judgement.figures["judgedError"])
        )
        #expect(difference >= error && judgement.figures["judgedWindows"] ?? 0 >= 10)
        #expect(life.episodes.prefix(judgement.episode ?? 0).allSatisfy { $0.controller == .rules })
        let version = try #require(life.store.model(of: 1, version: 1))
        #expect(version.diagnostics["judgedDifference"] == difference && version.diagnostics["base"] == 1)
        #expect(Self.transitions(life).map(\.to) == ["offline", "online", "serving"])
        // Once it serves, one episode in ten is still the rules', so that what they earn is known; one in forty when it is clearly ahead.
        for _ in 0..<20 { try life.episode() }
        #expect((1...2).contains(life.episodes.suffix(20).count { $0.controller == .control }))
        #expect(life.table.activePolicy(of: 1)?.controlInterval == 40)
        let served = life.episodes.suffix(20).reduce(0) { $0 + $1.agent.value }
        #expect(served > life.episodes.suffix(20).reduce(0) { $0 + $1.rules.value })
    }

    @Test func withoutABasePolicyTheApplicationPractisesWhereNobodyIsHurt() throws {
        let life = try Self.life(0, usesBase: false)
        #expect(try life.live(atMost: 20) { $0.stage == .online } != nil)
        #expect(life.episodes.allSatisfy { $0.controller == .rules })
        let version = try #require(life.store.model(of: 1, version: 1))
        #expect(version.diagnostics["judgedDifference"] ?? -1 > 0)
        for _ in 0..<10 { try life.episode() }
        #expect(life.episodes.suffix(10).reduce(0) { $0 + $1.gain } > 0)
    }

    /// Found by search. The policies that 10 test applications had reached service with, with a base policy and without,
    /// played 21 changes of workload greedily against the rules under the same load, 25 episodes after each change:
    /// `WorkloadUpdate.all`, load x 0.1, 0.2 and 3, CPU work and I/O x 0.3 and 3, memory x 0.4, 2 and 3, and pairs of
    /// these. Of 420 such plays the policy lost more than 1 R an episode (of 100) in 17, and the rules lost far more
    /// than it in most. What hurts is what practice has not seen: a policy of application 5 that practised in a fitted
    /// simulator alone falls 8 R below the rules when requests wait 1.8 times as long for I/O, 42 R when 3 times.
    ///
    /// Since memory has a floor and policies are judged by the bill, the larger files of `file-size` are no harm any more; since
    /// guards take back what nothing asks for, nor is that database. What is left is a fifth of the load.
    private static let harmful = [(application: 7, change: WorkloadUpdate("fewer-requests", load: 0.2))]

    @Test(arguments: harmful)
    func aChangedWorkloadIsNoticedTheRulesTakeOverAndRetrainingEndsInServing(_ application: Int, _ change: WorkloadUpdate) throws {
        let life = try Self.life(application, usesBase: false)
        for _ in 0..<80 { try life.episode() }
        try #require(life.stage == .serving)
        life.apply(change)
        _ = try #require(try life.live(atMost: 10) { $0.stage != .serving }, "noticed within ten episodes")
        let first = try #require(Self.transitions(life).last)
        #expect(first.from == "serving")
        #expect(["RewardDropped", "Unsteady", "BelowRules", "JudgedBelowRules"].contains(first.reason))
        if life.stage != .offline {
            #expect(try life.live(atMost: 10) { $0.stage == .offline } != nil, "the rules take over")
        }
        let until = life.episodes.count
        #expect(life.episodes[80..<until].reduce(0) { $0 + $1.rules.reward - $1.agent.reward } < 1.5, "in all, mean step rewards")
        // The step that the policy had already begun ends an episode of its own.
        try life.episode()
        #expect(try life.episode().controller == .rules)
        #expect(try life.live(atMost: 60) { $0.stage == .serving } != nil, "retrained")
        for _ in 0..<40 { try life.episode() }
        #expect(life.episodes.suffix(40).reduce(0) { $0 + $1.gain } > 0)
        try Self.report(life, change, after: 80)
    }

    /// What a reader of the closing note wants to see of that life.
    private static func report(_ life: ServedLife, _ change: WorkloadUpdate, after episode: Int) throws {
        guard let folder else { return }
        func smoothed(_ value: (ServedLife.Episode) -> Double) -> [(x: Double, y: Double)] {
            life.episodes.indices.map { index in
                let window = life.episodes[max(0, index - 4)...index]
                return (Double(index + 1), window.reduce(0) { $0 + value($1) } / Double(window.count))
            }
        }
        let stages = life.episodes.enumerated().map { index, rewards in
            (x: Double(index + 1), y: rewards.controller == .policy ? 0.72 : 0.7)
        }
        let plot = Plot(
            title: "\(change.name) after episode \(episode): noticed, stopped, retrained", xLabel: "episode",
            yLabel: "reward, mean of 5 episodes",
            lines: [
                .init(name: "agent", points: smoothed(\.agent.reward)),
                .init(name: "rules under the same load", points: smoothed(\.rules.reward)),
                .init(name: "upper: policy acts, lower: rules act", points: stages, isScatter: true),
            ])
        try plot.svg.write(toFile: folder + "/life-\(change.name).svg", atomically: true, encoding: .utf8)
        let lines = life.events.map(ServedLife.line).joined(separator: "\n")
        try (lines + "\n").write(toFile: folder + "/life-\(change.name).txt", atomically: true, encoding: .utf8)
    }

    /// Measured by itself the rules' reward comes out too low: a control episode begins in what the policy left.
    @Test func controlEpisodesMeasureWhatTheRulesWouldEarn() throws {
        for index in 0..<3 {
            let life = try Self.life(index, usesBase: true)
            _ = try life.live(atMost: 60) { $0.stage == .serving }
            for _ in 0..<200 { try life.episode() }
            let rules = life.episodes.suffix(200).filter { $0.controller != .policy }.map(\.rules.reward).mean
            let measured = try #require(life.table.activePolicy(of: 1)?.rulesReward)
            #expect(abs(measured - rules) < 0.02, "\(index): \(measured) against \(rules) under the rules alone")
        }
    }

    /// Without control episodes the judge says what the rules would earn; the promises stay the same.
    @Test func withoutControlEpisodesTheRulesRewardIsModelled() throws {
        var profile = Self.applications[1].profile
        profile.controlEpisodes = false
        profile.fallback.calibrate = false
        let life = try ServedLife(
            Self.applications[1], profile: profile, base: try Policy(decoding: BasePolicy.bytes), seed: 2)
        _ = try #require(try life.live(atMost: 60) { $0.stage == .serving })
        let before = Self.transitions(life).count
        for _ in 0..<220 { try life.episode() }
        #expect(life.episodes.suffix(220).allSatisfy { $0.controller == .policy })
        #expect(Self.transitions(life).count == before, "\(life.events.map(ServedLife.line))")
        let rules = life.episodes.suffix(200).reduce(0) { $0 + $1.rules.reward } / 200
        let modelled = try #require(life.table.activePolicy(of: 1)?.rulesReward)
        #expect(abs(modelled - rules) < 0.02, "\(modelled) against \(rules)")
        try Self.promoteSabotaged(life, seed: 4)
        #expect(try life.live(atMost: 9) { $0.stage == .offline } != nil)
    }

    /// The long form also lives without the base policy: of those five lives one left service three times in 1,000
    /// episodes, first because of a flash crowd in its first two; the others and the five with the base policy never.
    @Test func withoutAnyChangeThereIsNoAlarm() throws {
        for (index, usesBase) in (0..<5).flatMap({ [($0, true), ($0, false)] }) where usesBase || Self.folder != nil {
            let life = try Self.life(index, usesBase: usesBase)
            #expect(try life.live(atMost: 60) { $0.stage == .serving } != nil)
            let before = life.events.count
            for _ in 0..<(Self.folder == nil ? 100 : 1000) { try life.episode() }
            let events = life.events.dropFirst(before)
            let left = events.count { $0.kind == "alarm" || $0.from == "serving" }
            #expect(left <= (usesBase ? 0 : 3), "\(index), base \(usesBase): \(events.map(ServedLife.line))")
        }
    }

    private static func sabotaged(_ policy: Policy, seed: UInt64) -> Policy {
        var random = SimulationRandom(seed: seed)
        return Policy(shape: policy.shape, parameters: policy.parameters.map { _ in Float(random.normal()) })
    }

    /// Puts a sabotaged version on duty in a life that serves.
    private static func promoteSabotaged(_ life: ServedLife, seed: UInt64) throws {
        let bad = sabotaged(try Policy(decoding: BasePolicy.bytes), seed: seed)
        let model = ModelVersion(
            application: 1, version: 50, parent: 0, created: 0, algorithm: "import", episode: 0, diagnostics: [:],
            weights: bad.encode())
        try life.order(.adopt(model))
        try life.order(.promote(version: 50, bad))
    }

    @Test func aSabotagedVersionIsStoppedAndTheGoodOneComesBack() throws {
        let life = try Self.life(1, usesBase: true)
        _ = try life.live(atMost: 30) { $0.stage == .serving }
        // A stage that a person holds does not outlive the promotion of a serving version.
        try life.order(.stage(.offline, hold: true))
        try Self.promoteSabotaged(life, seed: 3)
        #expect(life.stage == .serving)
        #expect(try life.live(atMost: 9) { $0.stage == .offline } != nil)
        #expect(try life.live(atMost: 40) { $0.stage == .serving } != nil)
        #expect(life.table.activePolicy(of: 1)?.version == 1, "rolled back to the version that had proved itself")
    }

    /// Rules that are calibrated every day in a simulator of the application are as good as the base policy on these generated
    /// loads, which have no season that it could know: over ten applications and 200 episodes its value was 0.012 above theirs
    /// (0.04 is a tenth of the bill), -0.0002 without application 8. So either may act; what must not happen is that it costs.
    /// Application 2 is one of the worst.
    @Test(arguments: [2, 7]) func againstCalibratedRulesLittleIsLost(_ index: Int) throws {
        let life = try Self.life(index, usesBase: true, isCalibrated: true)
        for _ in 0..<100 { try life.episode() }
        let lost = life.episodes.dropFirst(20).map { -$0.gain }.mean
        #expect(lost < 0.04, "\(index): \(lost)")
        #expect(Self.transitions(life).count { $0.from == "serving" } <= 1)
        #expect(life.events.contains { $0.kind == "calibration" })
    }

    /// Random weights do one thing for ever. Most starve the application; some give it all there is, and the reward of
    /// those is only 6 to 9 R (of 100) below the rules'. A few stand still where they were (4 of 64): they need not be
    /// stopped while they are hardly worse than the rules.
    @Test(arguments: 0..<8) func aSabotagedVersionNeverActsForTheWholeOfItsWindow(_ index: Int) throws {
        for seed in Self.folder == nil ? [3, 4] : Array<UInt64>(1...16) {
            let life = try Self.life(index, usesBase: true)
            try #require(try life.live(atMost: 60) { $0.stage == .serving } != nil)
            try Self.promoteSabotaged(life, seed: seed)
            let start = life.episodes.count
            let stopped = try life.live(atMost: 10) { $0.stage == .offline }
            let lost = life.episodes[start...].reduce(0) { $0 + $1.rules.reward - $1.agent.reward }
            if Self.folder != nil {
                print("sabotage of \(index) by \(seed): stopped after \(stopped ?? 0), lost \(lost * 100) R")
            }
            #expect((stopped ?? 10) < 10 || lost < 0.1, "\(index), \(seed): \(lost)")
            #expect(lost < 1.5)
        }
    }
}

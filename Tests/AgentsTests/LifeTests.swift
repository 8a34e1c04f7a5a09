// Whole lives of agents in the cluster simulator: promotion by the judge, a change of workload, quiet, sabotage, holds.
//
// AWARE_LIFE_FOLDER=DIR runs the long forms (1,000 quiet episodes in ten lives) and leaves a plot and the events of the
// life with the changed workload in DIR.

import BasePolicy
import Foundation
import Learning
import Scaling
import Simulator
import Testing

@testable import Agents

@Suite(.serialized, .timeLimit(.minutes(5))) struct LifeTests {
    private static let folder = ProcessInfo.processInfo.environment["AWARE_LIFE_FOLDER"]
    private static let applications = SyntheticApplication.split(seed: 1).test

    private static func life(_ index: Int, usesBase: Bool, seed: UInt64? = nil) throws -> SimulatedLife {
        let application = applications[index]
        return try SimulatedLife(
            application, profile: application.profile, base: usesBase ? try Policy(decoding: BasePolicy.bytes) : nil,
            seed: seed ?? UInt64(index + 1))
    }

    private static func transitions(_ life: SimulatedLife) -> [Event] { life.events.filter { $0.kind == "transition" } }

    @Test func theBasePolicyActsOnlyAfterItWasJudgedBetterThanTheRules() throws {
        let life = try Self.life(1, usesBase: true)
        #expect(try life.live(atMost: 20) { $0.stage == .serving } != nil)
        let judgement = try #require(life.events.first { $0.kind == "judgement" })
        let (difference, error) = (
            try #require(judgement.figures["judgedDifference"]), try #require(judgement.figures["judgedError"])
        )
        #expect(difference >= error && judgement.figures["judgedWindows"] ?? 0 >= 10)
        #expect(life.rewards.prefix(judgement.episode ?? 0).allSatisfy { $0.actor == .rules })
        let version = try #require(life.store.model(of: 1, version: 1))
        #expect(version.diagnostics["judgedDifference"] == difference && version.diagnostics["base"] == 1)
        #expect(Self.transitions(life).map(\.to) == ["offline", "online", "serving"])
        // Once it serves, one episode in ten is still the rules', so that what they earn is known.
        for _ in 0..<20 { try life.episode() }
        #expect(life.rewards.suffix(20).count { $0.actor == .control } == 2)
        let served = life.rewards.suffix(20).reduce(0) { $0 + $1.served }
        #expect(served > life.rewards.suffix(20).reduce(0) { $0 + $1.rules })
    }

    @Test func withoutABasePolicyTheApplicationPractisesWhereNobodyIsHurt() throws {
        let life = try Self.life(0, usesBase: false)
        #expect(try life.live(atMost: 20) { $0.stage == .online } != nil)
        #expect(life.rewards.allSatisfy { $0.actor == .rules })
        let version = try #require(life.store.model(of: 1, version: 1))
        #expect(version.diagnostics["judgedDifference"] ?? -1 > 0)
        for _ in 0..<10 { try life.episode() }
        #expect(life.rewards.suffix(10).reduce(0) { $0 + $1.served - $1.rules } > 0)
    }

    /// The load falls to 0.4 of what it was, and the policy that had practised on the high one is lost on it.
    @Test func aChangedWorkloadIsNoticedTheRulesTakeOverAndRetrainingEndsInServing() throws {
        let change = try #require(WorkloadUpdate.all.first { $0.name == "load-high-to-low" })
        let life = try Self.life(5, usesBase: false)
        for _ in 0..<100 { try life.episode() }
        try #require(life.stage == .serving)
        life.apply(change)
        let noticed = try #require(try life.live(atMost: 10) { $0.stage != .serving })
        #expect(noticed <= 10)
        let first = try #require(Self.transitions(life).last)
        #expect(first.from == "serving" && ["RewardDropped", "Unsteady", "BelowRules"].contains(first.reason))
        #expect(try life.live(atMost: 50) { $0.stage == .offline } != nil, "the rules take over")
        let demotion = try #require(Self.transitions(life).last)
        #expect(demotion.reason == "BelowRules")
        // The step that the policy had already begun ends an episode of its own.
        try life.episode()
        #expect(try life.episode().actor == .rules)
        #expect(try life.live(atMost: 60) { $0.stage == .serving } != nil, "retrained")
        for _ in 0..<20 { try life.episode() }
        #expect(life.stage == .serving)
        #expect(life.rewards.suffix(20).reduce(0) { $0 + $1.served - $1.rules } > 0)
        try Self.report(life, change: 100)
    }

    /// What a reader of the closing note wants to see of that life.
    private static func report(_ life: SimulatedLife, change: Int) throws {
        guard let folder else { return }
        func smoothed(_ value: (SimulatedLife.EpisodeRewards) -> Double) -> [(x: Double, y: Double)] {
            life.rewards.indices.map { index in
                let window = life.rewards[max(0, index - 4)...index]
                return (Double(index + 1), window.reduce(0) { $0 + value($1) } / Double(window.count))
            }
        }
        let stages = life.rewards.enumerated().map { index, rewards in
            (x: Double(index + 1), y: rewards.actor == .policy ? 0.72 : 0.7)
        }
        let plot = Plot(
            title: "Load x 0.4 after episode \(change): noticed, stopped, retrained", xLabel: "episode",
            yLabel: "reward, mean of 5 episodes",
            lines: [
                .init(name: "agent", points: smoothed(\.served)),
                .init(name: "rules under the same load", points: smoothed(\.rules)),
                .init(name: "upper: policy acts, lower: rules act", points: stages, isScatter: true),
            ])
        try plot.svg.write(toFile: folder + "/life.svg", atomically: true, encoding: .utf8)
        let lines = life.events.map(SimulatedLife.line).joined(separator: "\n")
        try (lines + "\n").write(toFile: folder + "/life.txt", atomically: true, encoding: .utf8)
    }

    @Test func withoutAnyChangeThereIsNoAlarm() throws {
        for (index, usesBase) in (0..<5).flatMap({ [($0, true), ($0, false)] }) where usesBase || Self.folder != nil {
            let life = try Self.life(index, usesBase: usesBase)
            #expect(try life.live(atMost: 60) { $0.stage == .serving } != nil)
            let before = life.events.count
            for _ in 0..<(Self.folder == nil ? 100 : 1000) { try life.episode() }
            #expect(
                life.events.count == before,
                "\(index), base \(usesBase): \(life.events.dropFirst(before).map(SimulatedLife.line))")
        }
    }

    private static func sabotaged(_ policy: Policy, seed: UInt64) -> Policy {
        var random = SimulationRandom(seed: seed)
        return Policy(shape: policy.shape, parameters: policy.parameters.map { _ in Float(random.normal()) })
    }

    @Test func aSabotagedVersionIsStoppedBeforeItsWindowEndsAndTheGoodOneComesBack() throws {
        let life = try Self.life(1, usesBase: true)
        _ = try life.live(atMost: 30) { $0.stage == .serving }
        let bad = Self.sabotaged(try Policy(decoding: BasePolicy.bytes), seed: 3)
        let model = ModelVersion(
            application: 1, version: 2, parent: 0, created: 0, algorithm: "import", episode: 0, diagnostics: [:],
            weights: bad.encode())
        // A stage that a person holds does not outlive the promotion of a serving version.
        try life.order(.stage(.offline, hold: true))
        try life.order(.adopt(model))
        try life.order(.promote(version: 2, bad))
        #expect(life.stage == .serving)
        let start = life.rewards.count
        let stopped = try #require(try life.live(atMost: 10) { $0.stage == .offline })
        #expect(stopped < 10)
        let lost = life.rewards[start...].reduce(0) { $0 + $1.rules - $1.served }
        #expect(lost > 0 && lost < 3)
        #expect(try life.live(atMost: 40) { $0.stage == .serving } != nil)
        #expect(life.table.assignment(of: 1)?.version == 1, "rolled back to the version that had proved itself")
    }
}

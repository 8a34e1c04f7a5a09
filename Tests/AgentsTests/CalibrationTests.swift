// Rules that fit: what calibration does for an application in the simulator, what it may not do, and how it is taken back.

@testable import Agents
@testable import Base
import BasePolicy
@testable import ClusterModel
@testable import Experiments
import Foundation
import Learning
import Scaling
import Synchronization
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct CalibrationTests {
    private static let applications = SyntheticApplication.split(seed: 1).test

    /// An application that rules alone decide for.
    private static func life(_ index: Int, _ change: (inout Profile) -> Void = { _ in }) throws -> ServedLife {
        var profile = applications[index].profile
        profile.algorithm = .rules
        change(&profile)
        return try ServedLife(applications[index], profile: profile, base: nil, seed: UInt64(index + 1))
    }

    private static func calibrations(_ life: ServedLife) -> [Event] { life.events.filter { $0.kind == "calibration" } }

    @Test func calibratedRulesMissLessAndAreWorthMoreThanTheProfiles() throws {
        for index in [0, 7] {
            let (fitted, standard) = (try Self.life(index), try Self.life(index) { $0.fallback.calibrate = false })
            for _ in 0..<45 {
                try fitted.episode()
                try standard.episode()
            }
            func violations(_ life: ServedLife) throws -> Double {
                try life.store.episodes(of: 1, after: 15, limit: 30).map(\.violations).mean
            }
            let (with, without) = (try violations(fitted), try violations(standard))
            #expect(without > 0.03 && with < without / 2 && with < 0.025, "\(index): \(with) against \(without)")
            let (value, before) = (fitted.episodes.suffix(30).map(\.agent.value).mean, standard.episodes.suffix(30).map(\.agent.value).mean)
            #expect(value > before, "\(index): \(value) against \(before)")
            #expect(Self.calibrations(standard).isEmpty && fitted.episodes.allSatisfy { $0.controller == .rules })
            // The twin that follows the calibration lives the same life.
            #expect(fitted.episodes.suffix(30).allSatisfy { abs($0.agent.reward - $0.rules.reward) < 0.05 })
        }
    }

    /// What a few hours did not show is not counted on.
    @Test func nothingIsSavedBeforeADayWasRecordedAndThenInSteps() throws {
        let life = try Self.life(3) {
            $0.fallback.cpuTarget = 0.3
            $0.bill.maxViolations = 0.2
        }
        for _ in 0..<14 { try life.episode() }
        #expect(Self.calibrations(life).isEmpty, "\(life.events.map(ServedLife.line))")
        for _ in 0..<40 { try life.episode() }
        let targets = [0.3] + Self.calibrations(life).compactMap { $0.figures["cpuTarget"] }
        #expect(targets.count > 1, "\(life.events.map(ServedLife.line))")
        #expect(zip(targets, targets.dropFirst()).allSatisfy { $1 - $0 < RulesCalibrator.riseMax + 1e-9 }, "\(targets)")
        #expect(Self.calibrations(life).allSatisfy { $0.reason != "FirstRecord" })
    }

    @Test func theProfileBoundsTheTarget() throws {
        let life = try Self.life(0) {
            $0.fallback.cpuTargetMin = 0.6
            $0.fallback.memoryMargin = 0.3
        }
        for _ in 0..<20 { try life.episode() }
        let all = Self.calibrations(life)
        #expect(!all.isEmpty && all.allSatisfy { $0.figures["cpuTarget"] ?? 0 >= 0.6 && $0.figures["memoryMargin"] ?? 0 >= 0.3 })
        #expect(try #require(life.agent.calibration).cpuTarget >= 0.6)
    }

    @Test func anOperatorTakesACalibrationBackForADay() throws {
        let life = try Self.life(0)
        #expect(throws: CommandError.notCalibrated) { try life.order(.uncalibrate) }
        for _ in 0..<5 { try life.episode() }
        let first = try #require(life.table.activePolicy(of: 1)?.calibration)
        #expect(first.cpuTarget < 0.7)
        try life.order(.uncalibrate)
        #expect(life.table.activePolicy(of: 1)?.calibration == nil && Self.calibrations(life).last?.reason == "TakenBack")
        for _ in 0..<9 { try life.episode() }
        #expect(life.agent.calibration == nil && Self.calibrations(life).last?.reason == "TakenBack")
        for _ in 0..<20 { try life.episode() }
        #expect(Self.calibrations(life).last?.reason == "DayRecorded")
    }

    /// Everything that a decision depends on survives a restart in the middle of an episode.
    @Test func aCalibrationSurvivesARestartInMidEpisode() throws {
        let full = Calibration(cpuTarget: 0.45, memoryMargin: 0.3, cpuMillicores: 512, ofConfigured: 1024, thrift: 0.25)
        var state = AgentState(application: 1, profile: Profile(), exploration: 1)
        let active = ActivePolicy(
            stage: .offline, policy: nil, version: 0, explores: false, rulesReward: nil, calibration: full)
        _ = state.decide(
            Observation(replicas: 2), at: 0, clientID: nil, warnings: [], active: active, scratch: nil, seq: 1)
        #expect(state.calibration == full)
        var other = AgentState(application: 1, profile: Profile(), exploration: 1)
        try other.decode(state.encode())
        #expect(other.calibration == full)
    }

    /// A team that sends a day of what its own autoscaler did gets rules that fit and a judged candidate before it asks for
    /// anything; what acts first are the rules.
    @Test func aHistoryAloneGivesRulesThatFitAndAJudgedCandidate() throws {
        let application = Self.applications[0]
        let past = try ServedLife(application, profile: application.profile, base: nil, seed: 1)
        for _ in 0..<15 { try past.episode() }
        let decisions = past.store.contents.withLock { $0.decisions.values.sorted { $0.seq < $1.seq } }
        let life = try ServedLife(
            application, profile: application.profile, base: try Policy(decoding: BasePolicy.bytes), seed: 1)
        life.store.contents.withLock {
            $0.external = zip(decisions, decisions.dropFirst()).map { step, next in
                ExternalTransition(
                    time: step.time, controller: "hpa", observation: step.observation, desired: step.desired, reward: nil,
                    next: next.observation)
            }
        }
        try life.trainer.train(life.agent)
        let active = try #require(life.table.activePolicy(of: 1))
        #expect(active.stage == .offline && active.version == 1 && active.policy != nil)
        #expect(try #require(active.calibration).cpuTarget < 0.7)
        let judgement = try #require(life.events.first { $0.kind == "judgement" })
        #expect(judgement.figures["judgedWindows"] ?? 0 >= 50 && judgement.figures["judgedDifference"] != nil)
        #expect(life.store.model(of: 1, version: 1)?.diagnostics["judgedBill"] != nil)
        let count = life.events.count
        try life.trainer.train(life.agent)
        #expect(life.events.count == count, "learned from once")
        #expect(try life.episode().controller == .rules)
        #expect(try life.live(atMost: 10) { $0.stage != .offline } != nil)
    }

    /// A size goes with the size that its owner configured, and no longer than that.
    @Test func anOwnersNewSizeVoidsTheCalibratedOne() {
        let calibration = Calibration(cpuTarget: 0.5, memoryMargin: 0.15, cpuMillicores: 512, ofConfigured: 1024)
        #expect(Rules.Options(Profile(), calibration, configuredCpu: 1024).fixedCpu == 512)
        #expect(Rules.Options(Profile(), calibration, configuredCpu: 2048).fixedCpu == 2048)
        var profile = Profile()
        profile.fallback.calibrate = false
        #expect(Rules.Options(profile, calibration, configuredCpu: 1024).cpuTarget == 0.7)
    }

    /// Who changes `fallback` wants his own values, at once, and another search.
    /// One that was stored before it named its fallback is read over and forgotten: its neighbours must still be found.
    @Test func bothStoredFormsAreRead() throws {
        var calibration = Calibration(cpuTarget: 0.4, memoryMargin: 0.2, cpuMillicores: 700, ofConfigured: 500, thrift: 0.25)
        calibration.fallback.cpuTargetMax = 0.7
        func bytes(_ encode: (inout ByteWriter) -> Void) -> [UInt8] {
            var writer = ByteWriter()
            encode(&writer)
            return writer.bytes
        }
        for value in [calibration, nil] {
            var reader = ByteReader(bytes { Calibration.encode(value, into: &$0) })
            #expect(try Calibration.decode(from: &reader) == value && reader.isAtEnd)
        }
        let older = bytes { writer in
            writer.write(true)
            for number in [0.4, 0.2] { writer.write(number) }
            for size in [700, -1] as [Int32] { writer.write(size) }
            writer.write(0.25)
            writer.write(7 as UInt8)
        }
        var reader = ByteReader(older)
        #expect(try Calibration.decode(from: &reader) == nil)
        #expect(try reader.integer(UInt8.self) == 7 && reader.isAtEnd)
        reader = ByteReader([3])
        #expect(throws: ByteReader.Failure.malformed) { try Calibration.decode(from: &reader) }
    }

    @Test func aChangedFallbackVoidsWhatWasFoundForTheOldOne() throws {
        let life = try Self.life(0)
        for _ in 0..<5 { try life.episode() }
        let found = try #require(life.agent.calibration)
        var profile = life.agent.profile
        #expect(found.applies(to: profile) && Rules.Options(profile, found, configuredCpu: 1024).cpuTarget == found.cpuTarget)
        profile.fallback.cpuTarget = 0.8
        #expect(!found.applies(to: profile) && Rules.Options(profile, found, configuredCpu: 1024).cpuTarget == 0.8)
        life.agent.update(profile: profile, revision: 2)
        for _ in 0..<2 { try life.episode() }
        let event = try #require(Self.calibrations(life).last)
        #expect(event.reason == "FirstRecord" && event.from.hasPrefix("80 %"), "\(ServedLife.line(event))")
    }
}

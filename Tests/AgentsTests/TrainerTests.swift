// From recorded episodes to a policy on duty, and on after being killed as if nothing had been.

@testable import Deciding
import Foundation
import Learning
import Scaling
import Store
import Testing

@testable import Agents
import Operations

@Suite(.serialized, .timeLimit(.minutes(15))) struct TrainerTests {
    /// Short episodes, short windows and thresholds that any sane policy reaches, so that all stages are passed.
    private static var profile: Profile {
        var profile = Profile()
        profile.episodeSteps = 6
        profile.thresholds.window = 2
        profile.thresholds.online = 0.01
        profile.thresholds.serving = 0.01
        profile.thresholds.deviation = 1
        return profile
    }

    /// A trainer on `database`, as a process that has just started would have it.
    private static func trainer(_ database: Store.Database, _ table: ServingTable, _ agent: Agent) throws -> Trainer {
        let trainer = Trainer(store: database, table: table, base: nil, threads: 1, seed: 11)
        _ = try trainer.restore(agent)
        trainer.start()
        return trainer
    }

    private struct Outcome: Equatable {
        var models: [[UInt8]]
        var state: [UInt8]
        var optimizer: [UInt8]?
        var desired: [Allocation]
        var stages: [Stage]
    }

    /// Runs an application for `episodes`; `crashes`: numbers of episodes after whose training the process is lost.
    private static func run(episodes: Int, profile: Profile = profile, crashes: Set<Int> = []) async throws -> Outcome {
        try await withDatabase { database in
            var table = ServingTable()
            var subject = try Subject(database, table: table, profile: profile)
            var trainer = try Self.trainer(database, table, subject.agent)
            var desired: [Allocation] = []
            var stages: [Stage] = []
            var finished = 0
            while finished < episodes {
                let (decision, closed) = try await subject.decide()
                desired.append(decision.desired)
                stages.append(decision.stage)
                guard closed else { continue }
                finished += 1
                trainer.enqueue(subject.agent)
                let number = finished
                let current = trainer
                let isTrained = try await eventually { current.trainedEpisode(of: subject.agent.id) >= number }
                try #require(isTrained, "\(trainer.lastFailure ?? "the trainer is stuck")")
                if crashes.contains(finished) {
                    // What was published is gone with the process; what was persisted is not.
                    await trainer.stop()
                    table = ServingTable()
                    let stored = try database.agent(of: subject.agent.id, last: decision.seq)
                    trainer = try Self.trainer(database, table, subject.agent)
                    try subject.agent.restore(
                        state: stored.state, decisions: stored.decisions,
                        policy: table.activePolicy(of: subject.agent.id)?.policy)
                    subject.moved(to: table)
                }
            }
            await trainer.stop()
            let id = subject.agent.id
            let saved = try #require(try database.trainerState(of: id))
            let versions = try database.models(of: id, before: .max, limit: 1000).map(\.version).reversed()
            return Outcome(
                models: try versions.map { try #require(try database.model(of: id, version: $0)).weights },
                state: saved.state, optimizer: saved.optimizer, desired: desired, stages: stages)
        }
    }

    @Test func learningChangesWhatIsDecided() async throws {
        // Out of reach: it stays online, where it learns.
        var profile = Self.profile
        profile.thresholds.serving = 1
        let outcome = try await Self.run(episodes: 40, profile: profile)
        #expect(outcome.models.count > 1)
        let policies = try outcome.models.map { try Policy(decoding: $0) }
        let (first, last) = (try #require(policies.first), try #require(policies.last))
        var dice = Dice(seed: 1)
        var difference: Float = 0
        for _ in 0..<20 {
            let state = (0..<StateEncoder.count).map { _ in Float(dice.uniform()) }
            let (a, b) = (first.makeScratch(), last.makeScratch())
            state.withUnsafeBufferPointer {
                first.decide(observation: $0, scratch: a)
                last.decide(observation: $0, scratch: b)
            }
            difference = max(difference, zip(a.probabilities, b.probabilities).map { abs($0 - $1) }.max() ?? 0)
        }
        #expect(difference > 0.001)
    }

    @Test func anApplicationPassesThroughItsStages() async throws {
        // What is learned from so few steps may be sent back once or twice before it is good enough to serve.
        let stages = try await Self.run(episodes: 80).stages
        let order = stages.reduce(into: [Stage]()) { if $0.last != $1 { $0.append($1) } }
        #expect(order.starts(with: [.offline, .online]) && order.contains(.serving), "\(order)")
    }

    @Test func aKilledTrainerContinuesAsIfItHadNotBeen() async throws {
        let whole = try await Self.run(episodes: 30)
        #expect(whole == (try await Self.run(episodes: 30)), "the same run twice")
        // Lost in every stage, before the first version, right after one, and twice in a row.
        let interrupted = try await Self.run(episodes: 30, crashes: [1, 2, 3, 6, 7, 12, 20, 29])
        #expect(interrupted.desired == whole.desired)
        #expect(interrupted.models == whole.models)
        #expect(interrupted.optimizer == whole.optimizer)
        #expect(interrupted.state == whole.state)
    }

    @Test func rulesAloneNeedNoModel() async throws {
        var profile = Self.profile
        profile.algorithm = .rules
        let outcome = try await Self.run(episodes: 6, profile: profile)
        #expect(outcome.models.isEmpty)
    }

    @Test func deletedApplicationsAreForgotten() async throws {
        try await withDatabase { database in
            let table = ServingTable()
            var subject = try Subject(database, table: table, profile: Self.profile)
            let trainer = try Self.trainer(database, table, subject.agent)
            while try await !subject.decide().closed {}
            trainer.enqueue(subject.agent)
            #expect(try await eventually { trainer.trainedEpisode(of: subject.agent.id) == 1 })
            trainer.forget(subject.agent)
            #expect(trainer.trainedEpisode(of: subject.agent.id) == 0)
            await trainer.stop()
        }
    }
}

// Learning in the simulated cluster: the world is sound, and training on it gets better and repeats itself.

@testable import Base
@testable import Deciding
import Dispatch
import Learning
import Neural
import Scaling
import Testing

@testable import ClusterModel
@testable import Experiments

private func curriculum() -> ClusterCurriculum {
    var curriculum = ClusterCurriculum(applications: SyntheticApplication.generate(count: 20, seed: 3))
    curriculum.staySteps = 50...50
    return curriculum
}

@Suite struct ClusterEnvironmentTests {
    @Test func observationsAreFiniteAndLegalActionsExist() {
        var generator = RandomGenerator(seed: 1)
        var world = ClusterEnvironment(curriculum())
        world.reset(using: &generator)
        var state = [Float](repeating: .nan, count: world.observationSize)
        var mask = [UInt8](repeating: 0, count: world.heads.reduce(0, +))
        for _ in 0..<500 {
            state.withUnsafeMutableBufferPointer { world.observe(into: $0) }
            mask.withUnsafeMutableBufferPointer { world.legal(into: $0) }
            #expect(state.allSatisfy { $0.isFinite && abs($0) <= 4 })
            var actions: [Int32] = []
            var offset = 0
            for head in world.heads {
                let legal = (0..<head).filter { mask[offset + $0] == 1 }
                actions.append(Int32(legal[generator.below(legal.count)]))
                offset += head
            }
            let outcome = actions.withUnsafeBufferPointer { world.step($0, using: &generator) }
            #expect(outcome.reward.isFinite && outcome.reward <= 0)
        }
    }

    @Test func trainingApplicationsAreNotTested() {
        let test = SyntheticApplication.split(seed: 1).test
        let training = ClusterCurriculum.applications(count: 2000, seed: 9, excluding: test)
        #expect(training.count == 2000)
        #expect(Set(training.map(\.name)).isDisjoint(with: test.map(\.name)))
    }
}

@Suite struct ClusterTrainerTests {
    private func options(_ episodes: Int) -> ClusterTrainer.Options {
        var options = ClusterTrainer.Options()
        options.episodes = episodes
        return options
    }

    @Test func sameSeedSameWeights() {
        func train(_ seed: UInt64) -> [Float] {
            var trainer = ClusterTrainer(curriculum: curriculum(), options: options(64), seed: seed)
            trainer.run()
            return trainer.policy.parameters
        }
        #expect(train(1) == train(1))
        #expect(train(1) != train(2))
    }

    @Test func threadsDoNotChangeTheWeights() {
        func train(_ parallelFor: ParallelFor) -> [Float] {
            var trainer = ClusterTrainer(curriculum: curriculum(), options: options(64), seed: 1)
            trainer.run(parallelFor: parallelFor)
            return trainer.policy.parameters
        }
        let backwards: ParallelFor = { count, unit in for index in (0..<count).reversed() { unit(index) } }
        let parallel: ParallelFor = { count, unit in
            nonisolated(unsafe) let unit = unit
            DispatchQueue.concurrentPerform(iterations: count) { unit($0) }
        }
        let alone = train(sequentially)
        #expect(train(backwards) == alone)
        #expect(train(parallel) == alone)
    }

    @Test func aRunGoesOnFromItsCheckpointWithTheSameBytes() throws {
        var options = options(7 * 32)
        options.renewal = 2
        var whole = ClusterTrainer(curriculum: curriculum(), options: options, seed: 1)
        whole.run()
        var first = ClusterTrainer(curriculum: curriculum(), options: options, seed: 1)
        for _ in 0..<4 { _ = first.update() }
        #expect(first.isAtCheckpoint)
        let bytes = first.encode()
        // Whatever happens after the checkpoint is lost, and done again.
        _ = first.update()
        var second = ClusterTrainer(curriculum: curriculum(), options: options, seed: 1)
        try second.restore(from: bytes)
        #expect(second.episodesDone == 128)
        second.run()
        #expect(second.encode() == whole.encode())
    }

    @Test func aCheckpointOfOtherOptionsIsRefused() throws {
        let trainer = ClusterTrainer(curriculum: curriculum(), options: options(64), seed: 1)
        var other = ClusterTrainer(curriculum: curriculum(), options: options(96), seed: 1)
        #expect(throws: CodingFailure.self) { try other.restore(from: trainer.encode()) }
        #expect(throws: ByteReader.Failure.self) { try other.restore(from: Array(trainer.encode().prefix(100))) }
    }

    @Test func aFewHundredEpisodesTeachALot() {
        var trainer = ClusterTrainer(curriculum: curriculum(), options: options(768), seed: 1)
        var costs: [Double] = []
        trainer.run { progress in
            costs.append(-progress.pricedReward)
            return true
        }
        #expect(costs.count == 24 && trainer.isDone)
        let first = costs.prefix(3).reduce(0, +) / 3
        let last = costs.suffix(6).reduce(0, +) / 6
        #expect(last < 0.8 * first, "\(costs)")
    }

    /// What only the critic may see does not reach the actor, and is gone in the end.
    @Test func theActorNeverSeesTheFuture() {
        var trainer = ClusterTrainer(curriculum: curriculum(), options: options(96), seed: 1)
        _ = trainer.update()
        #expect(trainer.ppo.shape.observationSize == StateEncoder.count + ClusterEnvironment.hiddenCount)
        let first = trainer.ppo.network.actor.layers[0]
        let hidden = first.weight.suffix(ClusterEnvironment.hiddenCount * first.outputs)
        #expect(hidden.allSatisfy { trainer.ppo.parameters.values[$0] == 0 })
        let critic = trainer.ppo.network.critic.layers[0]
        #expect(critic.weight.suffix(critic.outputs).contains { trainer.ppo.parameters.values[$0] != 0 })
        trainer.run()
        #expect(trainer.policy.shape == .cluster(recurrentSize: 0) && trainer.ppo.shape == trainer.policy.shape)
    }
}

@Suite struct LearnerTrainingTests {
    @Test func otherAlgorithmsLearnInTheClusterToo() {
        // First and last fifth of 320 episodes, as played.
        func gain(_ learner: some Learner) -> Double {
            var training = LearnerTraining(
                learner, curriculum: curriculum(), episodes: 320, episodesPerUpdate: ClusterPresets.episodesPerUpdate,
                seed: 1)
            var rewards: [Double] = []
            training.run { _, reward in
                rewards.append(reward)
                return true
            }
            #expect(rewards.count == 20 && training.episodesDone == 320)
            return (rewards.suffix(4).reduce(0, +) - rewards.prefix(4).reduce(0, +)) / 4
        }
        let shape = PolicyShape.cluster(recurrentSize: 0)
        #expect(gain(REINFORCE(shape: shape, options: ClusterPresets.reinforce(episodes: 320), seed: 1)) > 0.03)
        #expect(gain(DQN(shape: shape, options: ClusterPresets.dqn, seed: 1)) > 0.03)
    }
}

@Suite struct EncoderTrainerTests {
    /// 200 applications, 6 epochs: most of the variance of the first two; none without learning.
    @Test func embeddingsTellWhatAnApplicationIs() throws {
        var options = EncoderTrainer.Options()
        options.epochs = 6
        options.batch = 4
        options.episodeSteps = 60
        var trainer = EncoderTrainer(options: options, seed: 1)
        let applications = ClusterCurriculum.applications(
            count: 200, seed: 1001, excluding: SyntheticApplication.validation)
        let curve = trainer.train(on: applications, policy: nil, traces: [])
        #expect(curve.count == 6 && curve[5] > curve[0])
        let explained = trainer.explained(
            on: SyntheticApplication.validation, episodes: 2, policy: nil, traces: [], seed: 9)
        #expect(explained[0] > 0.7 && explained[1] > 0.3, "\(explained)")
        let encoder = trainer.frozen(policy: nil, traces: [], seed: 1)
        #expect(encoder.references.count == 24 && encoder.references.contains { $0.name == "ml" })
        // An application is nearer to itself under other loads than to what is least like it.
        let ml = SyntheticApplication(segments: [Segment.all[2]], seed: 77)
        let vector = encoder.embedding(
            of: EncoderTrainer.trajectories(of: ml, count: 2, policy: nil, traces: [], seed: 5))
        func similarity(_ name: String) -> Float {
            TrajectoryEncoder.similarity(vector, encoder.references.first { $0.name == name }?.vector ?? [])
        }
        #expect(similarity("ml") > similarity("light-json") + 0.1)
    }
}

@Suite struct TransferTests {
    @Test func theForecastFollowsATrend() {
        var features = TransferFeatures()
        for step in 0..<40 { features.observe(rate: 100 + 10 * Double(step), cores: 4, reward: 0.8) }
        #expect(features.forecast > 490 && features.forecast < 505)
        var values = [Float](repeating: 0, count: TransferFeatures.count)
        values.withUnsafeMutableBufferPointer { features.write(into: $0, cores: 4) }
        #expect(values[0] > 0 && abs(values[1] - 0.8) < 1e-5 && values[2] == 0)
    }

    @Test func theTablePointsToTheBetterSize() {
        var features = TransferFeatures()
        for _ in 0..<5 {
            features.observe(rate: 100, cores: 4, reward: 0.9)
            features.observe(rate: 100, cores: 8, reward: 0.6)
        }
        var values = [Float](repeating: 0, count: TransferFeatures.count)
        values.withUnsafeMutableBufferPointer { features.write(into: $0, cores: 8) }
        #expect(abs(values[1] - 0.6) < 0.01 && values[2] == -1)
    }

    @Test func transferredPoliciesPlayWithTheirOwnState() {
        var scenario = Scenario(
            applications: Array(SyntheticApplication.split(seed: 1).test.prefix(1)),
            sources: [.generated(.drawn)], seed: 1)
        scenario.windows = 1
        for isExtended in [false, true] {
            let arm = Arm.transfer(isExtended: isExtended, episodes: 64, adaptation: 32, traces: [], seed: 1)
            let cell = scenario.play(arm, application: 0)
            #expect(cell.total.steps == 100 && cell.setting.hasPrefix("from "))
        }
    }
}

@Suite struct ClusterValidationTests {
    private func score(bill: Double, oomKills: Double) -> ValidationScore {
        ValidationScore(
            resize: "inPlace", steps: 100, applications: 40, billAtEqualViolations: bill,
            worstBillAtEqualViolations: bill + 0.1, violationsPercent: 1, oomKills: oomKills, changes: 3)
    }

    @Test func theLowestBillWithinTheConstraintsIsChosen() {
        let candidates = [
            [score(bill: 0.7, oomKills: 0.03)], [score(bill: 0.8, oomKills: 0.01)], [score(bill: 0.78, oomKills: 0.02)],
        ]
        #expect(ClusterValidation.best(of: candidates) == 2)
        #expect(ClusterValidation.best(of: Array(candidates.prefix(1))) == 0)
        #expect(ClusterValidation.best(of: []) == nil)
        #expect(abs(candidates[0][0].excess - 0.5) < 1e-9)
        #expect(abs(score(bill: 0.95, oomKills: 0).excess - 0.5) < 1e-9)
    }

    @Test func validationApplicationsAreNeitherTrainedOnNorTested() {
        let validation = Set(SyntheticApplication.validation.map(\.name))
        let trained = Set(ClusterCurriculum.base(seed: 1, traces: []).applications.map(\.name))
        let split = SyntheticApplication.split(seed: 1)
        #expect(validation.count == 40 && trained.count == 2000)
        #expect(validation.isDisjoint(with: trained) && validation.isSubset(of: split.training.map(\.name)))
        #expect(trained.isDisjoint(with: split.test.map(\.name)))
    }

    @Test func aPolicyIsJudgedBesideTheRules() throws {
        let validation = ClusterValidation(
            applications: Array(SyntheticApplication.validation.prefix(1)), traces: [], windows: 1, modes: [.restart],
            longSteps: nil)
        let scores = validation.score([Policy(shape: .cluster(recurrentSize: 0), seed: 1)])
        let score = try #require(scores.first?.first)
        #expect(scores.count == 1 && scores[0].count == 1 && score.resize == "restart" && score.applications == 1)
        #expect(score.billAtEqualViolations > 0.2 && score.billAtEqualViolations <= score.worstBillAtEqualViolations)
    }
}

@Suite struct BillFrontierTests {
    @Test func theFrontierIsTheLowerEdgeOfWhatTheRulesReach() {
        let frontier = BillFrontier([(0.1, 1), (0.02, 2), (0.05, 2.5), (0.06, 1.5), (0.2, 1.2)])
        #expect(frontier.points.map(\.bill) == [2, 1.5, 1])
        #expect(frontier.bill(at: 0.04) == 1.75)
        #expect(frontier.bill(at: 0) == 2)
        #expect(frontier.bill(at: 1) == 1)
        #expect(BillFrontier([]).bill(at: 0.5) == nil)
    }

    @Test func rulesAreCalibratedToTheirBudgets() {
        var scenario = Scenario(
            applications: Array(SyntheticApplication.validation.prefix(1)), sources: [.generated(.drawn)],
            seed: 5)
        scenario.windows = 1
        scenario.steps = 60
        let result = BillStudy(scenario).run(policies: [], part: .test)
        let rules = result.rules()
        #expect(rules.map(\.setting) == BillStudy.budgets)
        #expect(rules.allSatisfy { $0.point.steps == 60 && $0.point.billOverNeed > 0.3 })
        // More violations allowed never cost more.
        #expect(rules.last!.point.billOverNeed <= rules.first!.point.billOverNeed)
        #expect(result.sources == ["generated"])
    }
}

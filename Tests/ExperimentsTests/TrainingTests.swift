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
    curriculum.staySteps = 50
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
            #expect(outcome.reward.isFinite && outcome.reward <= 1)
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
        func train(_ spread: ParallelFor) -> [Float] {
            var trainer = ClusterTrainer(curriculum: curriculum(), options: options(64), seed: 1)
            trainer.run(spread: spread)
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
        // Seed 1, 20 applications: R of the first update about 60, of the last about 78.
        var trainer = ClusterTrainer(curriculum: curriculum(), options: options(512), seed: 1)
        var rewards: [Double] = []
        trainer.run { progress in
            rewards.append(progress.r)
            return true
        }
        #expect(rewards.count == 16 && trainer.isDone)
        let last = rewards.suffix(4).reduce(0, +) / 4
        #expect(last > rewards[0] + 8, "\(rewards)")
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
            sources: [.generated(name: "generated")], seed: 1)
        scenario.windows = 1
        for isExtended in [false, true] {
            let arm = Arm.transfer(isExtended: isExtended, episodes: 64, adaptation: 32, traces: [], seed: 1)
            let cell = scenario.play(arm, application: 0)
            #expect(cell.total.steps == 100 && cell.setting.hasPrefix("from "))
        }
    }
}

@Suite struct ClusterValidationTests {
    private func score(reward: Double, oomKills: Double) -> ValidationScore {
        ValidationScore(
            resize: "inPlace", reward: reward, referenceReward: 80, wins: 1, applications: 1, oomKills: oomKills,
            referenceOomKills: 1, violationsPercent: 0.5, referenceViolationsPercent: 1, coreHours: 1,
            referenceCoreHours: 1, changes: 1, referenceChanges: 1)
    }

    @Test func goalsComeBeforeReward() {
        let candidates = [
            [score(reward: 90, oomKills: 1.5)], [score(reward: 86, oomKills: 0.9)], [score(reward: 87, oomKills: 1)],
        ]
        #expect(ClusterValidation.best(of: candidates) == 2)
        #expect(ClusterValidation.best(of: Array(candidates.prefix(1))) == 0)
        #expect(ClusterValidation.best(of: []) == nil)
        #expect(abs(candidates[0][0].excess - 0.5) < 1e-9)
        #expect(abs(score(reward: 80, oomKills: 1).excess - 0.3) < 1e-9)
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
            applications: Array(SyntheticApplication.validation.prefix(1)), traces: [], windows: 1, modes: [.restart])
        let scores = validation.score(Policy(shape: .cluster(), seed: 1))
        let score = try #require(scores.first)
        #expect(scores.count == 1 && score.resize == "restart" && score.applications == 1)
        #expect(score.referenceReward > 50 && score.reward.isFinite && score.coreHours > 0)
    }
}

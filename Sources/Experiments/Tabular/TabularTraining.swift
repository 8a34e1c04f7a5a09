// One training run in the tabular environment: what the published `testing/main.py` does, for any algorithm.

import Base
import Learning
import Neural
import Scaling

/// What one iteration saw. Means over its steps, except the return.
public struct TabularIteration: Sendable, Hashable {
    /// Mean sum of rewards of the episodes as they were played, exploration included.
    public var meanReturn: Double
    public var utilization: Double
    public var sloPreservation: Double

    public init(meanReturn: Double, utilization: Double, sloPreservation: Double) {
        self.meanReturn = meanReturn
        self.utilization = utilization
        self.sloPreservation = sloPreservation
    }
}

/// A run that is carried out iteration by iteration, whatever it is that learns in it.
public protocol TabularRun: Sendable {
    /// Iterations done.
    var iterations: Int { get }
    var stepsPerIteration: Int { get }
    /// Plays an iteration's episodes and learns from them.
    mutating func advance() -> TabularIteration
    /// Mean return over loads 1 to 8 without exploration.
    func evaluate() -> Double
    /// The world as it stands.
    var world: TabularEnvironment { get }
    /// What is done in `world`, without exploration.
    func action(_ world: TabularEnvironment, using generator: inout RandomGenerator) -> Int
    /// Everything that the next iteration depends on: a run decoded from it goes on with the same bytes.
    func encode() -> [UInt8]
    init(decoding bytes: [UInt8]) throws
}

/// A learner, its world and its random state: everything that a run's next iteration depends on.
public struct TabularTraining<Algorithm: Learner>: TabularRun {
    public private(set) var learner: Algorithm
    public let episodeSteps: Int
    public let episodesPerIteration: Int
    public private(set) var iterations = 0
    public private(set) var world: TabularEnvironment
    private var generator: RandomGenerator

    public init(
        _ learner: Algorithm, reward: TabularReward = .published, masksIllegal: Bool = false,
        criticalIsSaturated: Bool = false, table: TabularTable? = nil, episodeSteps: Int, episodesPerIteration: Int, seed: UInt64
    ) {
        self.learner = learner
        self.episodeSteps = episodeSteps
        self.episodesPerIteration = episodesPerIteration
        world = TabularEnvironment(reward: reward, masksIllegal: masksIllegal)
        world.criticalIsSaturated = criticalIsSaturated
        world.table = table
        generator = RandomGenerator(seed: seed)
    }

    public var stepsPerIteration: Int { episodeSteps * episodesPerIteration }

    public mutating func advance() -> TabularIteration { iterate().0 }

    /// The same, with what the algorithm says of its update.
    public mutating func iterate() -> (TabularIteration, Algorithm.Diagnostics) {
        let policy = learner.policy
        let scratch = policy.makeScratch()
        var episodes: [Episode] = []
        for _ in 0..<episodesPerIteration {
            episodes.append(
                policy.play(
                    &world, steps: episodeSteps, exploration: learner.exploration, embedding: learner.embedding,
                    scratch: scratch, using: &generator))
        }
        iterations += 1
        let iteration = TabularIteration(episodes, observationSize: world.observationSize)
        return (iteration, learner.update(episodes))
    }

    public func evaluate() -> Double {
        TabularEvaluation(reward: world.reward, masksIllegal: world.masksIllegal, table: world.table).meanReturn(
            of: learner.policy, embedding: learner.embedding, steps: episodeSteps)
    }

    public func action(_ world: TabularEnvironment, using generator: inout RandomGenerator) -> Int {
        let scratch = learner.policy.makeScratch()
        withUnsafeTemporaryAllocation(of: Float.self, capacity: world.observationSize) { observation in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: TabularEnvironment.actions.count) { mask in
                world.observe(into: observation)
                world.legal(into: mask)
                learner.embedding.withUnsafeBufferPointer { embedding in
                    learner.policy.decide(
                        observation: .init(observation), embedding: embedding, mask: .init(mask), scratch: scratch)
                }
            }
        }
        return Int(scratch.actions[0])
    }

    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(world.reward.rawValue)
        writer.write(world.masksIllegal)
        writer.write(world.criticalIsSaturated)
        for value in [episodeSteps, episodesPerIteration, iterations] { writer.write(UInt64(value)) }
        generator.encode(into: &writer)
        writer.write(learner.encode())
        return writer.bytes
    }

    /// - Throws: `CodingFailure` or `ByteReader.Failure` when the bytes are not a run of this algorithm.
    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        guard let reward = TabularReward(rawValue: try reader.string()) else { throw CodingFailure.damaged }
        let masksIllegal = try reader.bool()
        let criticalIsSaturated = try reader.bool()
        var sizes: [Int] = []
        for _ in 0..<3 {
            guard let size = Int(exactly: try reader.integer(UInt64.self)), size <= 1 << 32 else {
                throw CodingFailure.damaged
            }
            sizes.append(size)
        }
        let generator = try RandomGenerator(from: &reader)
        let learner = try Algorithm(decoding: try reader.byteArray())
        guard reader.isAtEnd else { throw CodingFailure.wrongSize }
        self.init(
            learner, reward: reward, masksIllegal: masksIllegal, criticalIsSaturated: criticalIsSaturated,
            episodeSteps: sizes[0], episodesPerIteration: sizes[1], seed: 0)
        self.generator = generator
        iterations = sizes[2]
    }
}

extension TabularIteration {
    init(_ episodes: [Episode], observationSize: Int) {
        meanReturn = episodes.reduce(0) { $0 + Double($1.totalReward) } / Double(Swift.max(episodes.count, 1))
        var (steps, utilization, slo) = (0.0, 0.0, 0.0)
        for episode in episodes {
            for start in stride(from: 0, to: episode.observations.count, by: observationSize) {
                utilization += Double(episode.observations[start])
                slo += Double(episode.observations[start + 1])
                steps += 1
            }
        }
        self.utilization = utilization / Swift.max(steps, 1)
        sloPreservation = slo / Swift.max(steps, 1)
    }
}

/// How good a way of acting is: the mean return over the eight loads, without exploration.
public struct TabularEvaluation: Sendable {
    public var reward: TabularReward
    public var masksIllegal: Bool
    public var table: TabularTable?

    public init(reward: TabularReward = .published, masksIllegal: Bool = false, table: TabularTable? = nil) {
        self.reward = reward
        self.masksIllegal = masksIllegal
        self.table = table
    }

    private func world(_ load: Int) -> TabularEnvironment {
        var world = TabularEnvironment(reward: reward, fixedLoad: load, masksIllegal: masksIllegal)
        world.table = table
        return world
    }

    public func meanReturn(of policy: Policy, embedding: [Float] = [], steps: Int) -> Double {
        let scratch = policy.makeScratch()
        // Greedy play of a constant load draws nothing that matters; the seed is arbitrary.
        var generator = RandomGenerator(seed: 0)
        return mean { load in
            var world = world(load)
            let episode = policy.play(
                &world, steps: steps, greedy: true, embedding: embedding, scratch: scratch, using: &generator)
            return episode.rewards.reduce(0) { $0 + Double($1) }
        }
    }

    /// The same for any function from the world as it stands to an action.
    public func meanReturn(steps: Int, choosing action: (TabularEnvironment) -> Int) -> Double {
        var generator = RandomGenerator(seed: 0)
        return mean { load in
            var world = world(load)
            world.reset(using: &generator)
            return (0..<steps).reduce(0) { total, _ in total + world.step(action(world)) }
        }
    }

    private func mean(_ total: (Int) -> Double) -> Double {
        TabularEnvironment.loads.reduce(0) { $0 + total($1) } / Double(TabularEnvironment.loads.count)
    }
}

// Tabular Q-learning over (containers, load): the exercise's task 2.1.

import Base
import Learning
import Neural
import Scaling

/// A run of Q-learning. It sees the two numbers that the six observed ones are computed from.
public struct TabularQLearning: TabularRun {
    public private(set) var learner: QLearning
    public let episodeSteps: Int
    public private(set) var iterations = 0
    public private(set) var world: TabularEnvironment
    private var generator: RandomGenerator

    public init(
        reward: TabularReward = .published, table: TabularTable? = nil, options: QLearning.Options = .init(), episodeSteps: Int, seed: UInt64
    ) {
        learner = QLearning(
            stateCount: TabularEnvironment.stateCount, actionCount: TabularEnvironment.effects.count, options: options,
            seed: seed)
        world = TabularEnvironment(reward: reward)
        world.table = table
        generator = RandomGenerator(seed: seed)
        self.episodeSteps = episodeSteps
    }

    private static let episodes = 20
    public var stepsPerIteration: Int { Self.episodes * episodeSteps }

    public mutating func advance() -> TabularIteration {
        var tally = TabularTally()
        for _ in 0..<Self.episodes {
            world.reset(using: &generator)
            for _ in 0..<episodeSteps {
                let before = world
                let action = learner.explore(before.stateIndex)
                let reward = world.step(action)
                learner.observe(state: before.stateIndex, action: action, reward: reward, next: world.stateIndex)
                tally.add(before: before, reward: reward)
            }
        }
        iterations += 1
        return tally.iteration(episodes: Self.episodes)
    }

    public func evaluate() -> Double {
        TabularEvaluation(reward: world.reward, table: world.table).meanReturn(steps: episodeSteps) { learner.best($0.stateIndex) }
    }

    public func action(_ world: TabularEnvironment, using generator: inout RandomGenerator) -> Int { learner.best(world.stateIndex) }

    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(world.reward.rawValue)
        writer.write(UInt32(truncatingIfNeeded: episodeSteps))
        writer.write(UInt32(truncatingIfNeeded: iterations))
        generator.encode(into: &writer)
        learner.encode(into: &writer)
        return writer.bytes
    }

    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        guard let reward = TabularReward(rawValue: try reader.string()) else { throw CodingFailure.damaged }
        self.init(reward: reward, episodeSteps: Int(try reader.integer(UInt32.self)), seed: 0)
        iterations = Int(try reader.integer(UInt32.self))
        generator = try RandomGenerator(from: &reader)
        learner = try QLearning(from: &reader)
        guard reader.isAtEnd, learner.values.count == TabularEnvironment.stateCount * TabularEnvironment.effects.count
        else { throw CodingFailure.wrongSize }
    }
}

// Ways of acting in the tabular environment that learn nothing, or keep a plain table.

import Base
import Learning
import Neural
import Scaling

/// The rules' counterpart of a tabular policy: HPA's proportional rule, one container at a time.
public enum TabularRules {
    /// Towards ceil(n * utilisation / target); out when there is no container.
    /// - Parameter target: utilisation to keep; Kubernetes' examples and the fallback of a profile take 0.7.
    public static func action(_ world: TabularEnvironment, target: Double = 0.7) -> Int {
        guard world.containers > 0 else { return 1 }
        let state = world.state
        // Utilisation says no more than "full" where the queue grows; HPA then sees demand above capacity.
        let demand = Double(world.load) / 1.5
        let desired = (state.utilization < 1 ? state.utilization * Double(world.containers) : demand) / target
        let wanted = Int(desired.rounded(.up))
        if wanted > world.containers && world.containers < TabularEnvironment.maxContainers { return 1 }
        return wanted < world.containers ? 2 : 0
    }
}

/// Acts without learning: by the rules, or at random.
public struct TabularBaseline: TabularRun {
    public enum Kind: String, Sendable { case random, rules }

    public let kind: Kind
    public let episodeSteps: Int
    public private(set) var iterations = 0
    public private(set) var world: TabularEnvironment
    private var generator: RandomGenerator

    public init(_ kind: Kind, reward: TabularReward = .published, table: TabularTable? = nil, episodeSteps: Int, seed: UInt64) {
        self.kind = kind
        self.episodeSteps = episodeSteps
        world = TabularEnvironment(reward: reward)
        world.table = table
        generator = RandomGenerator(seed: seed)
    }

    private static let episodes = 20
    public var stepsPerIteration: Int { Self.episodes * episodeSteps }

    public mutating func advance() -> TabularIteration {
        var tally = TabularTally()
        for _ in 0..<Self.episodes {
            world.reset(using: &generator)
            for _ in 0..<episodeSteps {
                let action = action(world, using: &generator)
                let before = world
                tally.add(before: before, reward: world.step(action))
            }
        }
        iterations += 1
        return tally.iteration(episodes: Self.episodes)
    }

    public func action(_ world: TabularEnvironment, using generator: inout RandomGenerator) -> Int {
        kind == .rules ? TabularRules.action(world) : generator.below(TabularEnvironment.effects.count)
    }

    public func evaluate() -> Double {
        var generator = generator
        let rounds = kind == .rules ? 1 : 100
        return (0..<rounds).reduce(0) { total, _ in
            total
                + TabularEvaluation(reward: world.reward, table: world.table).meanReturn(steps: episodeSteps) {
                    action($0, using: &generator)
                }
        } / Double(rounds)
    }

    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(kind.rawValue)
        writer.write(world.reward.rawValue)
        writer.write(UInt32(truncatingIfNeeded: episodeSteps))
        writer.write(UInt32(truncatingIfNeeded: iterations))
        generator.encode(into: &writer)
        return writer.bytes
    }

    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.string()), let reward = TabularReward(rawValue: try reader.string())
        else { throw CodingFailure.damaged }
        self.init(kind, reward: reward, episodeSteps: Int(try reader.integer(UInt32.self)), seed: 0)
        iterations = Int(try reader.integer(UInt32.self))
        generator = try RandomGenerator(from: &reader)
        guard reader.isAtEnd else { throw CodingFailure.wrongSize }
    }
}

/// Adds up what an iteration reports.
struct TabularTally {
    private var steps = 0.0
    private var total = 0.0
    private var utilization = 0.0
    private var slo = 0.0

    /// - Parameter before: the world as it was observed when the action was chosen.
    mutating func add(before world: TabularEnvironment, reward: Double) {
        let state = world.state
        steps += 1
        total += reward
        utilization += state.utilization
        slo += state.sloPreservation
    }

    func iteration(episodes: Int) -> TabularIteration {
        TabularIteration(
            meanReturn: total / Double(Swift.max(episodes, 1)), utilization: utilization / Swift.max(steps, 1),
            sloPreservation: slo / Swift.max(steps, 1))
    }
}

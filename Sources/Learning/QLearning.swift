// Tabular Q-learning (Watkins 1989): the simplest of all, for the exercise's task 2.1 and as a yardstick.

import Neural
import Scaling

/// One value for every state and action.
public struct QLearning: Sendable {
    public struct Options: Sendable, Hashable {
        /// Weight of the next state's value.
        public var discount: Double = 0.9
        /// Share by which a value moves towards its target.
        public var learningRate: Double = 0.2
        /// Share of random actions, at first and in the end; it falls linearly.
        public var firstExploration: Float = 1
        public var lastExploration: Float = 0.05
        /// Transitions until the end of that fall.
        public var explorationSteps = 50_000

        public init() {}
    }

    public let actionCount: Int
    public var options: Options
    /// (states, actions).
    public private(set) var values: [Double]
    public private(set) var transitions = 0
    private var generator: RandomGenerator

    public init(stateCount: Int, actionCount: Int, options: Options = Options(), seed: UInt64) {
        precondition(stateCount > 0 && actionCount > 0, "a table has states and actions")
        self.actionCount = actionCount
        self.options = options
        values = [Double](repeating: 0, count: stateCount * actionCount)
        generator = RandomGenerator(seed: seed)
    }

    /// The best action of a state; the first of equals.
    public func best(_ state: Int) -> Int {
        let row = state * actionCount
        return (1..<actionCount).reduce(0) { values[row + $1] > values[row + $0] ? $1 : $0 }
    }

    /// The best action, or now and then any.
    public mutating func explore(_ state: Int) -> Int {
        let progress = Swift.min(Float(transitions) / Float(Swift.max(options.explorationSteps, 1)), 1)
        let share = options.firstExploration + progress * (options.lastExploration - options.firstExploration)
        return generator.uniform() < share ? generator.below(actionCount) : best(state)
    }

    /// Q(s, a) += rate * (r + discount * max Q(s', .) - Q(s, a)).
    public mutating func observe(state: Int, action: Int, reward: Double, next: Int, terminated: Bool = false) {
        let following = terminated ? 0 : values[next * actionCount + best(next)]
        let index = state * actionCount + action
        values[index] += options.learningRate * (reward + options.discount * following - values[index])
        transitions += 1
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt32(truncatingIfNeeded: actionCount))
        writer.write(options.discount)
        writer.write(options.learningRate)
        writer.write(options.firstExploration)
        writer.write(options.lastExploration)
        writer.write(UInt64(options.explorationSteps))
        writer.write(UInt64(transitions))
        writer.write(values)
        generator.encode(into: &writer)
    }

    /// - Throws: `ByteReader.Failure` when the bytes hold no table.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        actionCount = Int(try reader.integer(UInt32.self))
        options = Options()
        options.discount = try reader.double()
        options.learningRate = try reader.double()
        options.firstExploration = try reader.float()
        options.lastExploration = try reader.float()
        options.explorationSteps = try reader.count()
        transitions = try reader.count()
        values = try reader.doubles()
        generator = try RandomGenerator(from: &reader)
        guard actionCount > 0, !values.isEmpty, values.count % actionCount == 0 else { throw .malformed }
    }
}

// Tabular Q-learning (Watkins 1989): the simplest of all, for the exercise's task 2.1 and as a yardstick.

import Base
import Neural

/// One value for every state and action.
public struct QLearning: Sendable {
    public struct Options: Sendable, Hashable {
        /// Weight of the next state's value.
        public var discount: Double = 0.9
        /// Share by which a value moves towards its target.
        public var learningRate: Double = 0.2
        /// Value of everything that was never tried: above what can be earned, so that all of it gets tried
        /// (Sutton and Barto 2018, section 2.6). Rewards are at most 1, so 1 / (1 - discount) is the most there is.
        public var optimism: Double = 10
        /// Share of random actions.
        public var exploration: Float = 0.05

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
        values = [Double](repeating: options.optimism, count: stateCount * actionCount)
        generator = RandomGenerator(seed: seed)
    }

    /// The best action of a state; the first of equals.
    public func best(_ state: Int) -> Int {
        let row = state * actionCount
        return (1..<actionCount).reduce(0) { values[row + $1] > values[row + $0] ? $1 : $0 }
    }

    /// The best action, or now and then any.
    public mutating func explore(_ state: Int) -> Int {
        generator.uniform() < options.exploration ? generator.below(actionCount) : best(state)
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
        writer.write(options.optimism)
        writer.write(options.exploration)
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
        options.optimism = try reader.double()
        options.exploration = try reader.float()
        transitions = try reader.count()
        values = try reader.doubles()
        generator = try RandomGenerator(from: &reader)
        guard actionCount > 0, !values.isEmpty, values.count % actionCount == 0 else { throw .malformed }
    }
}

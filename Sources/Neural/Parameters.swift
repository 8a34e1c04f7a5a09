// All weights of a network in one buffer, with a name for every part.

/// Where each tensor of a network lies in its one buffer. Because there is one buffer, the optimiser, the copy to a
/// target network, a snapshot, a checkpoint and the gradient's norm are one loop each.
public struct ParameterLayout: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        public let name: String
        public let range: Range<Int>
    }

    public private(set) var entries: [Entry] = []
    public private(set) var count = 0

    public init() {}

    /// Reserves `count` floats behind what is there.
    public mutating func add(_ name: String, count size: Int) -> Range<Int> {
        let range = count..<count + size
        entries.append(Entry(name: name, range: range))
        count = range.upperBound
        return range
    }

    /// The range of a tensor; nil when there is none of that name.
    public subscript(name: String) -> Range<Int>? { entries.first { $0.name == name }?.range }
}

/// A layout with its values.
public struct ParameterBuffer: Sendable {
    public let layout: ParameterLayout
    public var values: [Float]

    /// Zeros.
    public init(layout: ParameterLayout) {
        self.layout = layout
        values = [Float](repeating: 0, count: layout.count)
    }

    /// - Precondition: as many values as the layout has.
    public init(layout: ParameterLayout, values: [Float]) {
        precondition(values.count == layout.count, "the layout has \(layout.count) values")
        self.layout = layout
        self.values = values
    }

    /// The values of one tensor; empty when there is none of that name.
    public subscript(name: String) -> ArraySlice<Float> {
        get { layout[name].map { values[$0] } ?? [] }
        set {
            guard let range = layout[name] else { return }
            precondition(newValue.count == range.count, "\(name) holds \(range.count) values")
            values.replaceSubrange(range, with: newValue)
        }
    }

    /// Moves every value by `rate` of its distance to `source`: the soft update of a target network (Lillicrap 2015).
    public mutating func approach(_ source: ParameterBuffer, rate: Float) {
        precondition(values.count == source.values.count, "only equal networks can follow each other")
        for index in values.indices { values[index] += rate * (source.values[index] - values[index]) }
    }
}

extension [Float] {
    /// Whether every value is a number. One pass without a branch: anything times zero is zero unless it is not finite.
    public var allFinite: Bool {
        var sum: Float = 0
        for value in self { sum += value * 0 }
        return sum == 0
    }
}

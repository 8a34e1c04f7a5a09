// The rewards that decide about an agent's stage: those of the last few episodes, and all before in three numbers.

import Base
import Scaling

/// The rewards of the last episodes, oldest first.
struct RewardWindow: Sendable, Equatable {
    private(set) var values: [Double] = []

    var count: Int { values.count }

    /// Adds a reward and returns the ones that no longer fit.
    @discardableResult
    mutating func append(_ value: Double, size: Int) -> [Double] {
        values.append(value)
        let excess = max(0, values.count - max(1, size))
        defer { values.removeFirst(excess) }
        return Array(values.prefix(excess))
    }

    mutating func removeAll() { values.removeAll() }

    mutating func shift(by difference: Double) { values = values.map { $0 + difference } }

    var mean: Double { values.mean }
    var deviation: Double { values.deviation }

    func encode(into writer: inout ByteWriter) { writer.write(values) }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        values = try reader.doubles()
        guard values.allSatisfy(\.isFinite) else { throw .malformed }
    }
}

/// Mean and deviation of any number of rewards (Welford's method).
struct RunningStatistics: Sendable, Equatable {
    private(set) var count = 0
    private(set) var mean = 0.0
    private var squares = 0.0

    mutating func add(_ value: Double) {
        count += 1
        let difference = value - mean
        mean += difference / Double(count)
        squares += difference * (value - mean)
    }

    var deviation: Double { count > 1 ? (squares / Double(count - 1)).squareRoot() : 0 }

    func encode(into writer: inout ByteWriter) {
        writer.write(Int64(count))
        writer.write(mean)
        writer.write(squares)
    }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let stored = try reader.integer(Int64.self)
        mean = try reader.double()
        squares = try reader.double()
        guard stored >= 0, stored < 1 << 48, mean.isFinite, squares >= 0, squares.isFinite else { throw .malformed }
        count = Int(stored)
    }
}

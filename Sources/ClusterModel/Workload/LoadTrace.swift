// Recorded load: reading `minute,requests` and `second,requests`, and turning it into requests per sub-step.

import Base

/// A recorded series of request counts at equal intervals.
public struct LoadTrace: Sendable, Equatable {
    public enum Failure: Error, Equatable, CustomStringConvertible {
        /// The first line is neither `minute,requests` nor `second,requests`.
        case header
        /// Line `number` (from 1) is not two numbers, goes back in time, or is off the grid of the first two lines.
        case line(number: Int)
        /// Fewer than two rows, or more than `LoadTrace.rowsMax`.
        case length

        public var description: String {
            switch self {
            case .header: "its first line is neither minute,requests nor second,requests (aware import-trace makes such files)"
            case .line(let number): "line \(number): two numbers are expected, times rising by the distance of the first two"
            case .length: "it has fewer than 2 rows, or more than \(LoadTrace.rowsMax)"
            }
        }
    }

    /// Rows that are read at most; five years of minutes.
    public static let rowsMax = 3_000_000
    /// A hole of more rows than this is an outage of the log, and no window may touch it; smaller ones are bridged.
    static let bridgedRowsMax = 3
    /// So many rows of zero requests in a busy trace are an outage of the log.
    static let silentRowsMin = 30

    public let name: String
    /// Seconds between two rows of the file.
    public let intervalSeconds: Double
    /// Requests in each interval; `nil` where the log has a hole.
    public let requests: [Double?]

    /// A trace from memory. `intervalSeconds` must be positive.
    public init(name: String, intervalSeconds: Double, requests: [Double?]) {
        precondition(intervalSeconds > 0)
        self.name = name
        self.intervalSeconds = intervalSeconds
        self.requests = Self.bridged(requests)
    }

    /// Reads a file's bytes. Lines end with LF or CR LF; the interval is the distance of the first two rows.
    public init(name: String, parsing bytes: [UInt8]) throws(Failure) {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let unit: Double
        switch lines.first.map({ Self.trimmed($0) }) {
        case .some(let head) where head.elementsEqual("minute,requests".utf8): unit = 60
        case .some(let head) where head.elementsEqual("second,requests".utf8): unit = 1
        default: throw .header
        }
        var rows: [(time: Int, requests: Double)] = []
        for (index, raw) in lines.enumerated().dropFirst() {
            let line = Self.trimmed(raw)
            if line.isEmpty { continue }
            guard let row = Self.row(line), row.time > (rows.last?.time ?? -1) else {
                throw .line(number: index + 1)
            }
            rows.append(row)
            guard rows.count <= Self.rowsMax else { throw .length }
        }
        guard rows.count >= 2 else { throw .length }
        let interval = rows[1].time - rows[0].time
        let count = (rows[rows.count - 1].time - rows[0].time) / interval + 1
        guard count <= Self.rowsMax else { throw .length }
        var values = [Double?](repeating: nil, count: count)
        for (index, row) in rows.enumerated() {
            let offset = row.time - rows[0].time
            guard offset.isMultiple(of: interval) else { throw .line(number: index + 2) }
            values[offset / interval] = row.requests
        }
        self.name = name
        intervalSeconds = Double(interval) * unit
        requests = Self.bridged(values)
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// `time,requests`: a whole number that is not negative, and a number that is not negative.
    private static func row(_ line: ArraySlice<UInt8>) -> (time: Int, requests: Double)? {
        guard let comma = line.firstIndex(of: UInt8(ascii: ",")),
            let time = Int(String(decoding: line[..<comma], as: UTF8.self)), time >= 0, time < 1 << 40,
            let requests = Double(String(decoding: line[(comma + 1)...], as: UTF8.self)),
            requests.isFinite, requests >= 0
        else { return nil }
        return (time, requests)
    }

    /// Makes holes of silent logs and bridges short holes.
    private static func bridged(_ values: [Double?]) -> [Double?] {
        var result = withoutSilence(values)
        var last: Int?
        for index in result.indices {
            guard let value = result[index] else { continue }
            if let last, let start = result[last], index - last > 1, index - last <= bridgedRowsMax + 1 {
                for hole in last + 1..<index {
                    result[hole] = start + (value - start) * Double(hole - last) / Double(index - last)
                }
            }
            last = index
        }
        return result
    }

    /// A log that usually has requests in every row and then none for half an hour was off (NASA's two outages), so
    /// those rows become holes. In a sparse trace, where most rows are empty, zeros are data.
    private static func withoutSilence(_ values: [Double?]) -> [Double?] {
        let idle = values.count { $0 == 0 }
        guard idle * 4 < values.count else { return values }
        var result = values
        var start = 0
        while start < values.count {
            var end = start
            while end < values.count, values[end] == 0 { end += 1 }
            if end - start >= silentRowsMin { for index in start..<end { result[index] = nil } }
            start = max(end, start + 1)
        }
        return result
    }

    /// Seconds of simulated time that one row is played in. Minutes are played as they are. Coarser traces are sped up
    /// to one row a minute and traces of seconds slowed down to one row a sub-step, so that an episode of 100 minutes
    /// shows their seasons and all of their bursts.
    public var playedIntervalSeconds: Double {
        intervalSeconds >= 60 ? 60 : max(intervalSeconds, Cluster.subStepSeconds)
    }

    /// Sub-steps that the whole trace lasts when played.
    public var subStepCount: Int { Int(Double(requests.count) * playedIntervalSeconds / Cluster.subStepSeconds) }

    /// Load of sub-steps `range`, in arbitrary units, interpolated linearly between the middles of rows;
    /// `nil` when the range leaves the trace or touches a hole.
    public func shape(_ range: Range<Int>) -> [Double]? {
        guard range.lowerBound >= 0, range.upperBound <= subStepCount else { return nil }
        let scale = Cluster.subStepSeconds / playedIntervalSeconds
        var result: [Double] = []
        result.reserveCapacity(range.count)
        for index in range {
            let position = (Double(index) + 0.5) * scale - 0.5
            let left = min(max(Int(position.rounded(.down)), 0), requests.count - 1)
            let right = min(left + 1, requests.count - 1)
            guard let a = requests[left], let b = requests[right] else { return nil }
            result.append(a + (b - a) * min(max(position - Double(left), 0), 1))
        }
        return result
    }

    /// `count` windows of `steps` decision steps (12 sub-steps each) that start at places drawn from `seed`, free of
    /// holes and never idle throughout. Fewer are returned when the trace does not have them.
    /// - Parameter part: The share of the trace to draw from, as fractions; training and test windows must not overlap.
    public func windows(
        count: Int, steps: Int, seed: UInt64, part: Range<Double> = 0..<1, subStepsPerStep: Int = 12
    ) -> [[Double]] {
        let length = steps * subStepsPerStep
        let first = Int(Double(subStepCount) * part.lowerBound)
        let last = Int(Double(subStepCount) * part.upperBound) - length
        guard last >= first, count > 0 else { return [] }
        var random = SimulationRandom(seed: seed)
        var found: [[Double]] = []
        for _ in 0..<count * 40 where found.count < count {
            let start = Int.random(in: first...last, using: &random)
            guard let window = shape(start..<start + length), window.reduce(0, +) > 0 else { continue }
            found.append(window)
        }
        return found
    }
}

/// Scaling of windows to an application.
public enum LoadLevel {
    /// A share of capacity, log-uniform between 0.15 and 0.9.
    public static func draw(using random: inout SimulationRandom) -> Double {
        exponential(random.uniform(logarithm(0.15)...logarithm(0.9)))
    }

    /// `window` in requests per second, such that its peak is `level` x `capacity`.
    public static func scale(_ window: [Double], to level: Double, of capacity: Double) -> [Double] {
        guard let peak = window.max(), peak > 0 else { return window }
        return window.map { $0 / peak * level * capacity }
    }
}

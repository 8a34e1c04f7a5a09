// A team's own past, minute by minute: what came in, what was used, what ran. Replayed to see what other controllers do.

import Base

/// What a history can tell of a minute. Sums are over all replicas.
public enum HistoryMeasure: String, CaseIterable, Sendable {
    /// Requests per second. The only one that must be known.
    case requestRate
    /// Cores used, or the share of the limit.
    case cpuCores, cpuUtilization
    /// Bytes used by all replicas, or the share of the limit.
    case memoryBytes, memoryUtilization
    /// At the objective's percentile.
    case latencySeconds
    case replicas
    /// Limits of one replica: millicores and bytes.
    case cpuLimit, memoryLimit
    /// Containers killed for memory.
    case oomKills

    /// Settings keep their value until the next reading; what is measured moves between two readings.
    var isSetting: Bool { self == .replicas || self == .cpuLimit || self == .memoryLimit }
}

/// A history cannot be used. The text says what is wrong, where, and what is allowed.
public struct HistoryError: Error, CustomStringConvertible, Equatable {
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// The longest stretch of a past in which the requests are known without a hole.
public struct History: Sendable {
    /// Sub-steps of load a minute.
    public static let subSteps = 12
    /// Shorter stretches tell nothing; longer ones are cut to their end.
    public static let minutesMin = 240
    public static let minutesMax = 14 * 1440
    /// A hole of at most so many seconds is bridged, or of two readings where these are further apart.
    static let bridgedSeconds = 900.0

    /// When the stretch begins: seconds since 1970, or since the beginning of a file that counts from 0.
    public var start: Double
    /// Requests per second in each sub-step of five seconds.
    public var load: [Double]
    /// By minute; `nil` where nothing was measured. Measures that were never seen are left out.
    public var minutes: [HistoryMeasure: [Double?]]
    /// What a reader of the results should know of the data.
    public var notes: [String]

    public var minuteCount: Int { load.count / Self.subSteps }

    /// - Parameter readings: of each measure, in any order; values that are not finite or negative are left out.
    public init(_ readings: [HistoryMeasure: [(time: Double, value: Double)]]) throws(HistoryError) {
        var series = readings.mapValues { list in
            list.filter { $0.time.isFinite && $0.value.isFinite && $0.value >= 0 }.sorted { $0.time < $1.time }
        }.filter { !$0.value.isEmpty }
        let left = readings.values.reduce(0) { $0 + $1.count } - series.values.reduce(0) { $0 + $1.count }
        guard let requests = series[.requestRate], let first = requests.first, let last = requests.last else {
            throw HistoryError("there is no reading of requests in it, and without them nothing can be replayed")
        }
        guard last.time - first.time < 3 * 366 * 86_400 else {
            throw HistoryError("its readings lie more than three years apart; is the column of times in seconds?")
        }
        notes = left > 0 ? ["\(left) readings that are negative or not numbers were left out"] : []
        let begin = (first.time / 60).rounded(.down) * 60
        let count = Int((last.time - begin) / 60) + 1
        let width = 60 / Double(Self.subSteps)
        let fine = Self.grid(requests, from: begin, width: width, count: count * Self.subSteps, holds: false)
        let stretch = try Self.longest(fine, &notes)
        start = begin + 60 * Double(stretch.lowerBound)
        load = fine[stretch.lowerBound * Self.subSteps..<stretch.upperBound * Self.subSteps].map { $0 ?? 0 }
        guard load.contains(where: { $0 > 0 }) else { throw HistoryError("there is not one request in it") }
        minutes = [:]
        series[.requestRate] = nil
        for (measure, readings) in series {
            minutes[measure] =
                measure == .oomKills
                ? Self.sums(readings, from: start, count: stretch.count)
                : Self.grid(readings, from: start, width: 60, count: stretch.count, holds: measure.isSetting)
        }
    }

    /// Readings as means of equal bins; bins between two readings are filled, unless the hole is too long.
    static func grid(
        _ readings: [(time: Double, value: Double)], from start: Double, width: Double, count: Int, holds: Bool
    ) -> [Double?] {
        var sums = [Double](repeating: 0, count: count)
        var numbers = [Double](repeating: 0, count: count)
        for reading in readings {
            let bin = Int(((reading.time - start) / width).rounded(.down))
            guard bin >= 0, bin < count else { continue }
            sums[bin] += reading.value
            numbers[bin] += 1
        }
        let distances = zip(readings.dropFirst(), readings).map { $0.0.time - $0.1.time }.filter { $0 > 0 }.sorted()
        let usual = distances.isEmpty ? width : distances[distances.count / 2]
        let bridged = Int(max(bridgedSeconds, 2 * usual) / width)
        var result = [Double?](repeating: nil, count: count)
        var last: Int?
        for bin in 0..<count where numbers[bin] > 0 {
            let value = sums[bin] / numbers[bin]
            result[bin] = value
            if let last, let before = result[last], bin - last <= bridged {
                for hole in last + 1..<max(bin, last + 1) {
                    let share = holds ? 0 : Double(hole - last) / Double(bin - last)
                    result[hole] = before + (value - before) * share
                }
            }
            last = bin
        }
        // The last reading stands for its interval.
        if let last, let value = result[last] {
            for bin in last + 1..<max(last + 1, min(count, last + Int((usual / width).rounded()))) { result[bin] = value }
        }
        return result
    }

    /// Counts by minute.
    private static func sums(_ readings: [(time: Double, value: Double)], from start: Double, count: Int) -> [Double?] {
        var result = [Double](repeating: 0, count: count)
        for reading in readings {
            let bin = Int(((reading.time - start) / 60).rounded(.down))
            if bin >= 0, bin < count { result[bin] += reading.value }
        }
        return result.map { $0 }
    }

    /// The longest run of whole minutes without a hole, at most `minutesMax` from its end.
    private static func longest(_ load: [Double?], _ notes: inout [String]) throws(HistoryError) -> Range<Int> {
        var best = 0..<0
        var begin = 0
        let count = load.count / subSteps
        for minute in 0...count {
            let isKnown = minute < count && load[minute * subSteps..<(minute + 1) * subSteps].allSatisfy { $0 != nil }
            if isKnown { continue }
            if minute - begin > best.count { best = begin..<minute }
            begin = minute + 1
        }
        guard best.count >= minutesMin else {
            throw HistoryError(
                "its longest stretch without a hole is \(best.count) minutes of \(count), and \(minutesMin) are needed")
        }
        if best.count < count - 1 {
            notes.append("\(count - best.count) of \(count) minutes lie beyond a hole and are left out")
        }
        if best.count > minutesMax {
            notes.append("only the last \(minutesMax / 1440) days are used")
            best = best.upperBound - minutesMax..<best.upperBound
        }
        return best
    }
}

// Tables with a header: a column of times, and one column for each measure that is known.

import Base
import Foundation

enum HistoryCSV {
    private enum Column {
        case time(unit: Double)
        case measure(HistoryMeasure)
        /// Requests in the interval that the row begins.
        case count
        case ignored
    }

    static let expected =
        "a header such as time,requestRate,cpuCores,memoryBytes,latencySeconds,replicas,cpuLimit,memoryLimit,oomKills or minute,requests"

    static func read(_ bytes: [UInt8]) throws(HistoryError) -> [HistoryMeasure: [HistoryReading]] {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard let header = lines.first else { throw HistoryError("it is empty") }
        let separator = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")].max { count($0, header) < count($1, header) }!
        let names = fields(header, separator)
        let columns = names.map(column)
        guard let time = columns.firstIndex(where: { if case .time = $0 { true } else { false } }),
            case .time(let unit) = columns[time]
        else {
            throw HistoryError("line 1: there is no column time, timestamp, minute or second; \(expected) is expected")
        }
        guard columns.contains(where: { if case .measure = $0 { true } else if case .count = $0 { true } else { false } })
        else { throw HistoryError("line 1: no column is a known measure; \(expected) is expected") }
        var readings: [HistoryMeasure: [HistoryReading]] = [:]
        var counts: [HistoryReading] = []
        for (number, line) in lines.enumerated().dropFirst() {
            let values = fields(line, separator)
            if values.count == 1, values[0].isEmpty { continue }
            guard values.count == columns.count else {
                throw HistoryError("line \(number + 1): \(values.count) fields where the header has \(columns.count)")
            }
            guard let when = moment(values[time], unit) else {
                throw HistoryError("line \(number + 1): \(names[time]) \"\(values[time].prefix(40))\" is no time")
            }
            for (index, column) in columns.enumerated() where !values[index].isEmpty {
                if case .ignored = column { continue }
                if case .time = column { continue }
                // What Prometheus, Grafana and pandas write where nothing was measured.
                if ["NaN", "nan", "null", "NULL", "None", "-"].contains(values[index]) { continue }
                guard let value = Double(values[index]) else {
                    throw HistoryError(
                        "line \(number + 1): \(names[index]) \"\(values[index].prefix(40))\" is no number")
                }
                switch column {
                case .measure(let measure): readings[measure, default: []].append((when, value))
                default: counts.append((when, value))
                }
            }
        }
        if !counts.isEmpty, readings[.requestRate] == nil { readings[.requestRate] = try rates(counts) }
        return readings
    }

    /// Counts of intervals as rates. The interval is the usual distance of two rows.
    private static func rates(_ counts: [HistoryReading]) throws(HistoryError) -> [HistoryReading] {
        let sorted = counts.sorted { $0.time < $1.time }
        let distances = zip(sorted.dropFirst(), sorted).map { $0.0.time - $0.1.time }.filter { $0 > 0 }.sorted()
        guard !distances.isEmpty else { throw HistoryError("it has only one row") }
        let interval = distances[distances.count / 2]
        return sorted.map { ($0.time, $0.value / interval) }
    }

    private static func column(_ name: String) -> Column {
        switch name.lowercased().filter({ $0 != "_" && $0 != " " }) {
        case "time", "timestamp", "date", "datetime": .time(unit: 1)
        case "second", "seconds": .time(unit: 1)
        case "minute", "minutes": .time(unit: 60)
        case "requests", "count": .count
        case "requestrate", "rps", "qps", "requestspersecond": .measure(.requestRate)
        case "cpucores", "cpu", "cores": .measure(.cpuCores)
        case "cpuutilization": .measure(.cpuUtilization)
        case "memorybytes", "memory": .measure(.memoryBytes)
        case "memoryutilization": .measure(.memoryUtilization)
        case "latencyseconds", "latency", "p99": .measure(.latencySeconds)
        case "replicas", "pods": .measure(.replicas)
        case "cpulimit", "cpulimitmillicores": .measure(.cpuLimit)
        case "memorylimit", "memorylimitbytes": .measure(.memoryLimit)
        case "oomkills": .measure(.oomKills)
        default: .ignored
        }
    }

    /// A number of `unit` seconds, milliseconds since 1970, or a date of ISO 8601 (a space instead of T, no zone: UTC).
    private static func moment(_ text: String, _ unit: Double) -> Double? {
        if let number = Double(text) {
            guard number.isFinite else { return nil }
            return number > 1e11 ? number / 1000 : number * unit
        }
        guard let (date, time) = split(text) else { return nil }
        let zoned = time.contains { $0 == "Z" || $0 == "+" || $0 == "-" }
        return Array("\(date)T\(time)\(zoned ? "" : "Z")".utf8).withUnsafeBufferPointer(Timestamp.seconds)
    }

    private static func split(_ text: String) -> (Substring, Substring)? {
        guard let gap = text.firstIndex(where: { $0 == "T" || $0 == " " }) else { return nil }
        return (text[..<gap], text[text.index(after: gap)...])
    }

    private static func count(_ byte: UInt8, _ line: ArraySlice<UInt8>) -> Int { line.count { $0 == byte } }

    /// Fields without quotes around them and without white space; a byte order mark is no part of a name.
    private static func fields(_ line: ArraySlice<UInt8>, _ separator: UInt8) -> [String] {
        line.split(separator: separator, omittingEmptySubsequences: false).map { field in
            String(decoding: field, as: UTF8.self)
                .trimmingCharacters(in: .whitespacesAndNewlines.union(CharacterSet(charactersIn: "\"\u{FEFF}")))
        }
    }
}

// Access logs of nginx, Apache and what writes the same: requests, and latencies where the line ends with them.

import Base

enum AccessLog {
    /// A line's time in seconds since 1970, and its duration in seconds when it has one.
    typealias Entry = (time: Double, duration: Double?)

    /// Seconds that lines are counted together in.
    private static let width = 5.0
    /// A log that usually has lines every minute and then none for half an hour was off.
    private static let silentMinutes = 30
    private static let linesWrongMax = 0.1
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Common and Combined Log Format (httpd.apache.org/docs/current/logs.html): `[dd/Mon/yyyy:HH:MM:SS +hhmm]`. A number
    /// at the end with a fraction is nginx's `$request_time`.
    static func entry(_ line: ArraySlice<UInt8>) -> Entry? {
        guard let open = line.firstIndex(of: UInt8(ascii: "[")),
            let close = line[open...].firstIndex(of: UInt8(ascii: "]")), close - open == 27
        else { return nil }
        // 02/Jan/2006:15:04:05 +0000 as 2006-01-02T15:04:05+00:00.
        let text = Array(line[(open + 1)..<close])
        guard let month = months.firstIndex(where: { text[3..<6].elementsEqual($0.utf8) }) else { return nil }
        let zero = UInt8(ascii: "0")
        var rfc = Array(text[7..<11])
        rfc += [UInt8(ascii: "-"), zero + UInt8((month + 1) / 10), zero + UInt8((month + 1) % 10), UInt8(ascii: "-")]
        rfc += text[0..<2]
        rfc.append(UInt8(ascii: "T"))
        rfc += text[12..<20]
        rfc.append(text[21])
        rfc += text[22..<24]
        rfc.append(UInt8(ascii: ":"))
        rfc += text[24..<26]
        guard let time = rfc.withUnsafeBufferPointer(Timestamp.seconds) else { return nil }
        return (time, duration(line[close...]))
    }

    private static func duration(_ rest: ArraySlice<UInt8>) -> Double? {
        let trimmed = rest.reversed().drop { $0.isASCIISpace || $0 == UInt8(ascii: "\"") }
        let word = trimmed.prefix { !$0.isASCIISpace && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        let text = String(decoding: word.reversed(), as: UTF8.self)
        guard text.contains("."), let value = Double(text), value >= 0, value < 86_400 else { return nil }
        return value
    }

    static func read(_ bytes: [UInt8]) throws(HistoryError) -> [HistoryMeasure: [HistoryReading]] {
        var counts: [Int: Double] = [:]
        var durations: [Int: [Double]] = [:]
        var (lines, wrong) = (0, 0)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            lines += 1
            guard let entry = entry(line) else {
                wrong += 1
                continue
            }
            counts[Int((entry.time / width).rounded(.down)), default: 0] += 1
            if let duration = entry.duration { durations[Int((entry.time / 60).rounded(.down)), default: []].append(duration) }
        }
        guard Double(wrong) <= linesWrongMax * Double(lines) else {
            throw HistoryError("\(wrong) of \(lines) lines have no time in the form [02/Jan/2006:15:04:05 +0000]")
        }
        var readings: [HistoryMeasure: [HistoryReading]] = [.requestRate: rates(counts)]
        let latencies = durations.map { minute, list -> HistoryReading in
            (Double(minute) * 60, list.quantile(0.99))
        }
        if !latencies.isEmpty { readings[.latencySeconds] = latencies.sorted { $0.time < $1.time } }
        return readings
    }

    /// Bins without a line had no request, unless the log was off.
    private static func rates(_ counts: [Int: Double]) -> [HistoryReading] {
        guard let first = counts.keys.min(), let last = counts.keys.max() else { return [] }
        let perMinute = Int(60 / width)
        let minutes = (first / perMinute)...(last / perMinute)
        guard minutes.count < 3 * 366 * 1440 else { return counts.map { (Double($0.key) * width, $0.value / width) } }
        let busy = Set(counts.keys.map { $0 / perMinute })
        let isSparse = minutes.count - busy.count > minutes.count / 4
        var readings: [HistoryReading] = []
        var silence: [Int] = []
        func add(_ minute: Int) {
            for bin in minute * perMinute..<(minute + 1) * perMinute where bin >= first && bin <= last {
                readings.append((Double(bin) * width, (counts[bin] ?? 0) / width))
            }
        }
        for minute in minutes {
            guard busy.contains(minute) else {
                silence.append(minute)
                continue
            }
            if isSparse || silence.count < silentMinutes { silence.forEach(add) }
            silence = []
            add(minute)
        }
        return readings
    }
}

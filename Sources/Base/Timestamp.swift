// RFC 3339 times in UTC, both ways, without Foundation: they stand in every answer.

public enum Timestamp {
    /// `2026-11-21T01:20:00Z`, with milliseconds where there are any. The year is kept within 1970 to 9999.
    public static func text(_ seconds: Double) -> String {
        String(unsafeUninitializedCapacity: lengthMax) { write(seconds, into: $0) }
    }

    public static let lengthMax = 24

    /// The same into at least `lengthMax` bytes; returns how many were written.
    public static func write(_ seconds: Double, into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let bounded = seconds.isFinite ? Swift.max(0, Swift.min(seconds, 253_402_300_799)) : 0
        let milliseconds = Int(bounded * 1000 + 0.5)
        let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000)
        let (year, month, day) = civil(fromDays: days)
        let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60)
        let fraction = rest % 1000
        var at = 0
        func put(_ value: Int, digits: Int) {
            var value = value
            for i in stride(from: digits - 1, through: 0, by: -1) {
                buffer[at + i] = UInt8(ascii: "0") + UInt8(value % 10)
                value /= 10
            }
            at += digits
        }
        func put(_ character: Unicode.Scalar) {
            buffer[at] = UInt8(ascii: character)
            at += 1
        }
        put(year, digits: 4)
        put("-")
        put(month, digits: 2)
        put("-")
        put(day, digits: 2)
        put("T")
        put(hour, digits: 2)
        put(":")
        put(minute, digits: 2)
        put(":")
        put(second, digits: 2)
        if fraction > 0 {
            put(".")
            put(fraction, digits: 3)
        }
        put("Z")
        return at
    }

    /// Seconds since 1970 of an RFC 3339 date-time with any offset; `nil` for anything else.
    public static func seconds(_ utf8: UnsafeBufferPointer<UInt8>) -> Double? {
        guard utf8.count >= 20, utf8.count <= 40 else { return nil }
        func digits(_ start: Int, _ count: Int) -> Int? {
            var value = 0
            for i in start..<start + count {
                guard i < utf8.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = utf8[i] else { return nil }
                value = value * 10 + Int(utf8[i] - UInt8(ascii: "0"))
            }
            return value
        }
        guard let year = digits(0, 4), utf8[4] == UInt8(ascii: "-"), let month = digits(5, 2),
            utf8[7] == UInt8(ascii: "-"), let day = digits(8, 2), utf8[10] | 0x20 == UInt8(ascii: "t"),
            let hour = digits(11, 2), utf8[13] == UInt8(ascii: ":"), let minute = digits(14, 2),
            utf8[16] == UInt8(ascii: ":"), let second = digits(17, 2),
            (1...12).contains(month), (1...daysIn(month, of: year)).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var at = 19
        var fraction = 0.0
        if utf8[at] == UInt8(ascii: ".") {
            var scale = 0.1
            at += 1
            let start = at
            while at < utf8.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = utf8[at] {
                fraction += Double(utf8[at] - UInt8(ascii: "0")) * scale
                scale /= 10
                at += 1
            }
            guard at > start else { return nil }
        }
        guard at < utf8.count else { return nil }
        var offset = 0
        switch utf8[at] {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"): at += 1
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard let hours = digits(at + 1, 2), at + 3 < utf8.count, utf8[at + 3] == UInt8(ascii: ":"),
                let minutes = digits(at + 4, 2), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (utf8[at] == UInt8(ascii: "-") ? -60 : 60)
            at += 6
        default: return nil
        }
        guard at == utf8.count else { return nil }
        let days = Self.days(year, month, day)
        return Double(days * 86_400 + hour * 3600 + minute * 60 + second - offset) + fraction
    }

    private static func daysIn(_ month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; years begin in March, so leap days come last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

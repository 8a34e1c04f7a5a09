// The highest count that was asked for within the last so many seconds: what down-scale stabilisation looks at.

import Base

/// Exact maximum over a sliding time window, in constant space.
///
/// A monotonic queue: an entry is dropped as soon as a later one is at least as high, so what remains falls strictly
/// from the oldest to the newest and the oldest is the maximum. Only strictly falling runs longer than `capacity`
/// would not fit; then the two newest are merged into the higher one, which errs on the high side.
struct SlidingMaximum: Sendable {
    private static let capacity = 24

    private var times = InlineArray<24, Double>(repeating: 0)
    private var values = InlineArray<24, Int32>(repeating: 0)
    private var count = 0

    var isEmpty: Bool { count == 0 }

    /// Adds `value` at `time`, forgets what is older than `window` seconds and returns the maximum of the rest.
    /// A time before the newest entry (a clock set back) counts as the newest entry's time.
    mutating func add(_ value: Int, at time: Double, window: Double) -> Int {
        guard time.isFinite else { return count > 0 ? max(value, Int(values[0])) : value }
        var now = time
        if count > 0 {
            // A clock that was set back by more than the window would keep entries alive for ever: start anew.
            if time < times[count - 1] - window { count = 0 } else { now = max(time, times[count - 1]) }
        }
        let new = Int32(clamping: value)
        while count > 0, values[count - 1] <= new { count -= 1 }
        var expired = 0
        while expired < count, times[expired] < now - window { expired += 1 }
        if expired > 0 {
            for index in expired..<count {
                times[index - expired] = times[index]
                values[index - expired] = values[index]
            }
            count -= expired
        }
        if count == Self.capacity {
            times[count - 1] = now
        } else {
            times[count] = now
            values[count] = new
            count += 1
        }
        return Int(values[0])
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(count))
        for index in 0..<count {
            writer.write(times[index])
            writer.write(values[index])
        }
    }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let stored = Int(try reader.integer(UInt8.self))
        guard stored <= Self.capacity else { throw .malformed }
        for index in 0..<stored {
            times[index] = try reader.double()
            values[index] = try reader.integer()
            guard times[index].isFinite else { throw .malformed }
        }
        count = stored
    }
}

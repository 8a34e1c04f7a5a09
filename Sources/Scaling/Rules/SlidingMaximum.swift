// The highest count that was asked for within the last so many seconds: what down-scale stabilisation looks at.

import Base

/// Exact maximum over a sliding time window, in bounded space.
///
/// A monotonic queue: an entry is dropped as soon as a later one is at least as high, so what remains falls strictly
/// from the oldest to the newest and the oldest is the maximum. Only strictly falling runs longer than `capacity`
/// would not fit; then the two newest are merged into the higher one, which errs on the high side.
struct SlidingMaximum: Sendable {
    private static let capacity = 24

    /// The oldest first.
    private var entries: [(time: Double, value: Int32)] = []

    var isEmpty: Bool { entries.isEmpty }

    /// Adds `value` at `time`, forgets what is older than `window` seconds and returns the maximum of the rest.
    /// A time before the newest entry (a clock set back) counts as the newest entry's time.
    mutating func add(_ value: Int, at time: Double, window: Double) -> Int {
        guard time.isFinite else { return entries.first.map { max(value, Int($0.value)) } ?? value }
        var now = time
        if let newest = entries.last?.time {
            // A clock that was set back by more than the window would keep entries alive for ever: start anew.
            if time < newest - window { entries.removeAll(keepingCapacity: true) } else { now = max(time, newest) }
        }
        let new = Int32(clamping: value)
        while let last = entries.last, last.value <= new { entries.removeLast() }
        let expired = entries.prefix { $0.time < now - window }.count
        if expired > 0 { entries.removeFirst(expired) }
        if entries.count == Self.capacity {
            entries[Self.capacity - 1].time = now
        } else {
            entries.append((now, new))
        }
        return Int(entries[0].value)
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(entries.count))
        for entry in entries {
            writer.write(entry.time)
            writer.write(entry.value)
        }
    }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let stored = Int(try reader.integer(UInt8.self))
        guard stored <= Self.capacity else { throw .malformed }
        for _ in 0..<stored {
            entries.append((try reader.double(), try reader.integer()))
            guard entries[entries.count - 1].time.isFinite else { throw .malformed }
        }
    }
}

// The load of the last week in quarters of an hour: what yesterday and last week say about the next minutes.

import Base

/// A ring of demand peaks (1.4 KB), and how well the same time of an earlier day or week has foretold the load so far.
struct SeasonHistory: Sendable {
    static let slotSeconds = 900.0
    static let day = 96
    static let week = 672
    private static let size = 676

    /// The upper half of a Float (as bfloat16): cores, the highest minute of the slot; 0 where nothing was seen.
    private var peaks = [UInt16](repeating: 0, count: Self.size)
    /// Number of the current slot since 1970; `nil` when empty.
    private var slot: Int?
    /// Means of |ln(load / load one season ago)|, forgotten within about six hours; 1 when nothing is known.
    private(set) var dayError: Float = 1
    private(set) var weekError: Float = 1

    init() {}

    private static func index(_ slot: Int) -> Int { ((slot % size) + size) % size }

    private static func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    /// Takes in the mean demand of a minute, in cores. A clock that goes back is ignored.
    mutating func add(_ load: Float, time: Double) {
        guard let now = Int(exactly: (time / Self.slotSeconds).rounded(.down)), load.isFinite, load >= 0 else { return }
        if let slot {
            guard now >= slot else { return }
            if now > slot { close(slot, now) }
        }
        slot = now
        let position = Self.index(now)
        peaks[position] = max(peaks[position], UInt16(load.bitPattern >> 16))
    }

    /// Judges the seasons by the slot that ended, and clears the slots up to the new one.
    private mutating func close(_ slot: Int, _ now: Int) {
        func judge(_ error: inout Float, _ past: Float, _ present: Float) {
            guard past > 0, present > 0 else { return }
            error += 0.04 * (min(abs(logarithmOf(present / past)), 2) - error)
        }
        let (yesterday, lastWeek) = (ago(Self.day).now, ago(Self.week).now)
        let present = ago(0).now
        judge(&dayError, yesterday, present)
        judge(&weekError, lastWeek, present)
        for passed in 1...min(now - slot, Self.size) { peaks[Self.index(slot + passed)] = 0 }
    }

    /// The highest demand of the last hour, three hours, six hours and day.
    func highest() -> (hour: Float, threeHours: Float, sixHours: Float, day: Float) {
        guard let slot else { return (0, 0, 0, 0) }
        return peaks.withUnsafeBufferPointer { peaks in
            // One behind the slot that is looked at next.
            var end = Self.index(slot) + 1
            // The bits of numbers that are not negative are in their order.
            var highest: UInt16 = 0
            func after(_ count: Int) -> Float {
                let start = max(end - count, 0)
                for position in start..<end { highest = max(highest, peaks[position]) }
                let rest = count - (end - start)
                end = start
                guard rest > 0 else { return Self.value(highest) }
                end = Self.size
                return after(rest)
            }
            return (after(4), after(8), after(12), after(Self.day - 24))
        }
    }

    /// Demand of the same time `back` slots ago, of the slot after it, and the highest of the three after that.
    func ago(_ back: Int) -> (now: Float, next: Float, later: Float) {
        guard let slot else { return (0, 0, 0) }
        func value(_ further: Int) -> Float { Self.value(peaks[Self.index(slot - back + further)]) }
        return (value(0), value(1), max(value(2), value(3)))
    }

    private static let version: UInt8 = 1

    func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(slot != nil)
        guard let slot else { return }
        writer.write(Int64(slot))
        writer.write(dayError)
        writer.write(weekError)
        var oldest = Self.size - 1
        while oldest > 0, peaks[Self.index(slot - oldest)] == 0 { oldest -= 1 }
        writer.write(UInt16(oldest + 1))
        for back in 0...oldest { writer.write(peaks[Self.index(slot - back)]) }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        guard try reader.integer(UInt8.self) == Self.version else { throw .malformed }
        guard try reader.bool() else { return }
        let now = Int(try reader.integer(Int64.self))
        dayError = try reader.float()
        weekError = try reader.float()
        let count = Int(try reader.integer(UInt16.self))
        guard count <= Self.size, abs(now) < 1 << 40, dayError.isFinite, weekError.isFinite else { throw .malformed }
        slot = now
        for back in 0..<count {
            let bits = try reader.integer(UInt16.self)
            guard Float(bitPattern: UInt32(bits) << 16).isFinite, bits >> 15 == 0 else { throw .malformed }
            peaks[Self.index(now - back)] = bits
        }
    }
}

private func logarithmOf(_ value: Float) -> Float { Float(logarithm(Double(value))) }

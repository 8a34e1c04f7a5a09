// What the application was asked to do over the last hour: one slot a minute.

import Base
import Scaling

/// Rings of CPU demand (32 slots) and of memory peaks (64 slots). A slot is one minute, or one decision step where
/// steps are longer. Slots are counted from the first observation on, so that a recommender's jitter does not skip any.
struct LoadHistory: Sendable {
    static let loadSlots = 30
    static let memorySlots = 60

    /// CPU demand in cores, mean over the slot.
    private var loads = [Float](repeating: 0, count: 32)
    /// Memory of one replica in MiB, maximum over the slot.
    private var peaks = [Float](repeating: 0, count: 64)
    /// Position of the current slot in both rings.
    private var head = 0
    /// Slots with a value, the current one included; 0 when empty.
    private(set) var filled = 0
    private var slotStart = 0.0
    private var samplesInSlot: Float = 0
    /// Whether memory was measured in the current slot.
    private var hasMemory = false

    var isEmpty: Bool { filled == 0 }

    /// Demand `lag` slots ago; before the beginning, the oldest there is.
    func load(_ lag: Int) -> Float { loads[(head &- min(lag, max(filled, 1) - 1)) & 31] }

    /// Share of the memory's slots that were seen, 0...1.
    var memoryShare: Double { Double(min(filled, Self.memorySlots)) / Double(Self.memorySlots) }

    /// Memory peak `lag` slots ago; 0 before the beginning.
    func peak(_ lag: Int) -> Float { lag < filled ? peaks[(head &- lag) & 63] : 0 }

    /// Adds a sample; what was not measured is taken over from the slot before.
    mutating func add(load: Float?, memory: Float?, time: Double, slotSeconds: Double) {
        if filled == 0 {
            filled = 1
            slotStart = time
            samplesInSlot = 0
            loads[head & 31] = 0
            peaks[head & 63] = 0
        } else {
            let passed = min(max(((time - slotStart) / slotSeconds).rounded(), 0), 64)
            if passed >= 1 {
                for _ in 0..<Int(passed) { advance() }
                slotStart += passed * slotSeconds
                samplesInSlot = 0
            }
        }
        if let load {
            loads[head & 31] = (loads[head & 31] * samplesInSlot + load) / (samplesInSlot + 1)
            samplesInSlot += 1
        }
        if let memory {
            // A slot begins with its predecessor's peak only for want of a measurement.
            peaks[head & 63] = hasMemory ? max(peaks[head & 63], memory) : memory
            hasMemory = true
        }
    }

    private mutating func advance() {
        let load = loads[head & 31]
        let peak = peaks[head & 63]
        head = (head &+ 1) & 63
        loads[head & 31] = load
        peaks[head & 63] = peak
        filled = min(filled + 1, Self.memorySlots + 1)
        hasMemory = false
    }

    mutating func reset() { self = LoadHistory() }

    /// What one pass over the demand of the last half hour tells.
    struct LoadSummary {
        /// Largest, smallest and mean demand of 10 and of 30 slots, the current one included.
        var ten: (max: Float, min: Float, mean: Float)
        var thirty: (max: Float, min: Float, mean: Float)
        /// Rises from one slot to the next: the 80th and the 95th percentile. Never negative.
        var rise: (p80: Float, p95: Float) = (0, 0)
        /// The largest rise over at most two slots: about the time in which a new replica becomes ready.
        var riseOverTwo: Float = 0
    }

    /// The largest demand of ten slots, the current one included.
    var highestOfTen: Float {
        var highest = loads[head & 31]
        for lag in 1..<min(max(filled, 1), 10) { highest = max(highest, loads[(head &- lag) & 31]) }
        return highest
    }

    /// One pass for all of it: this runs for every decision.
    func loadSummary() -> LoadSummary {
        var newer = loads[head & 31]
        var newest = newer
        var (highest, lowest, sum) = (newer, newer, newer)
        var summary = LoadSummary(ten: (newer, newer, newer), thirty: (newer, newer, newer))
        // Of 29 rises the 80th percentile is the sixth largest, the 95th the second: keep the largest six, descending.
        var largest = InlineArray<6, Float>(repeating: 0)
        let used = min(max(filled, 1), Self.loadSlots)
        for lag in 1..<max(used, 1) {
            let value = loads[(head &- lag) & 31]
            highest = max(highest, value)
            lowest = min(lowest, value)
            sum += value
            if lag < 10 { summary.ten = (highest, lowest, sum / Float(lag + 1)) }
            if lag > 1 { summary.riseOverTwo = max(summary.riseOverTwo, newest - value) }
            let rise = newer - value
            newest = newer
            newer = value
            guard rise > largest[5] else { continue }
            var position = 5
            while position > 0, largest[position - 1] < rise {
                largest[position] = largest[position - 1]
                position -= 1
            }
            largest[position] = rise
        }
        summary.thirty = (highest, lowest, sum / Float(used))
        let rises = used - 1
        summary.rise = (largest[min(rises / 5, 5)], largest[min(rises / 20, 5)])
        summary.riseOverTwo = max(summary.riseOverTwo, largest[0])
        return summary
    }

    /// Largest memory peak of the last 10 and of the last 60 slots, in MiB.
    func highestPeaks() -> (ten: Float, sixty: Float) {
        var highest: Float = 0
        var ten: Float = 0
        for lag in 0..<min(filled, Self.memorySlots) {
            highest = max(highest, peaks[(head &- lag) & 63])
            if lag < 10 { ten = highest }
        }
        return (ten, highest)
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(filled))
        writer.write(slotStart)
        writer.write(samplesInSlot)
        writer.write(hasMemory)
        for lag in 0..<min(filled, 32) { writer.write(loads[(head &- lag) & 31]) }
        for lag in 0..<filled { writer.write(peaks[(head &- lag) & 63]) }
    }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        filled = Int(try reader.integer(UInt8.self))
        slotStart = try reader.double()
        samplesInSlot = try reader.float()
        hasMemory = try reader.bool()
        guard filled <= Self.memorySlots + 1, slotStart.isFinite, samplesInSlot.isFinite, samplesInSlot >= 0
        else { throw .malformed }
        for lag in 0..<min(filled, 32) { loads[(head &- lag) & 31] = try Self.finite(&reader) }
        for lag in 0..<filled { peaks[(head &- lag) & 63] = try Self.finite(&reader) }
    }

    private static func finite(_ reader: inout ByteReader) throws(ByteReader.Failure) -> Float {
        let value = try reader.float()
        guard value.isFinite else { throw .malformed }
        return value
    }
}

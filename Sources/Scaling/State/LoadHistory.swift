// What the application was asked to do over the last hour: one slot a minute, in fixed space.

/// Rings of CPU demand (32 slots) and of memory peaks (64 slots). A slot is one minute, or one decision step where
/// steps are longer. Slots are counted from the first observation on, so that a recommender's jitter does not skip any.
struct LoadHistory: Sendable {
    static let loadSlots = 30
    static let memorySlots = 60

    /// CPU demand in cores, mean over the slot.
    private var loads = InlineArray<32, Float>(repeating: 0)
    /// Memory of one replica in MiB, maximum over the slot.
    private var peaks = InlineArray<64, Float>(repeating: 0)
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

    /// Largest, smallest and mean demand of the current and the previous slots, `count` in all.
    func loadRange(_ count: Int) -> (max: Float, min: Float, mean: Float) {
        let used = min(count, max(filled, 1))
        var (highest, lowest, sum) = (load(0), load(0), load(0))
        for lag in 1..<max(used, 1) {
            let value = loads[(head &- lag) & 31]
            highest = max(highest, value)
            lowest = min(lowest, value)
            sum += value
        }
        return (highest, lowest, sum / Float(used))
    }

    /// Largest memory peak of the last `count` slots, in MiB.
    func highestPeak(_ count: Int) -> Float {
        var highest: Float = 0
        for lag in 0..<min(count, filled) { highest = max(highest, peaks[(head &- lag) & 63]) }
        return highest
    }

    /// Rises of demand from one slot to the next over 30 slots: the 80th and 95th percentile, and the largest rise over
    /// two slots (about the time in which a new replica becomes ready). Never negative.
    func rises() -> (p80: Float, p95: Float, overTwo: Float) {
        let count = min(filled - 1, Self.loadSlots - 1)
        guard count > 0 else { return (0, 0, 0) }
        // Of 29 rises the 80th percentile is the sixth largest, the 95th the second: keep the largest six, descending.
        var largest = InlineArray<6, Float>(repeating: 0)
        var overTwo: Float = 0
        for lag in 0..<count {
            let rise = load(lag) - load(lag + 1)
            if lag + 2 <= count { overTwo = max(overTwo, load(lag) - load(lag + 2)) }
            guard rise > largest[5] else { continue }
            var position = 5
            while position > 0, largest[position - 1] < rise {
                largest[position] = largest[position - 1]
                position -= 1
            }
            largest[position] = rise
        }
        return (largest[min(count / 5, 5)], largest[min(count / 20, 5)], max(overTwo, largest[0]))
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

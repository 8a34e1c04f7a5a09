// Writes JSON straight into bytes: commas and escapes are its business, structure is the caller's.

/// Appends one document. Members are written in the order of the calls; nothing is sorted or buffered.
///
/// It owns its memory instead of using an array, because every decision is written through it: an append is one
/// comparison and a copy.
struct JSONWriter: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0
    private var needsComma = false
    /// Numbers are written so that reading them gives the same number, instead of with six decimals.
    var isExact = false

    init(reserving capacity: Int = 512) {
        self.capacity = Swift.max(capacity, 64)
        base = .allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    /// The document so far, as an array of its own.
    var bytes: [UInt8] { Array(written) }

    /// The document so far; valid until the next call.
    var written: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Forgets the document and keeps the memory.
    mutating func reset() {
        count = 0
        needsComma = false
    }

    @inline(__always)
    private mutating func reserve(_ extra: Int) {
        if capacity - count < extra { grow(extra) }
    }

    @inline(never)
    private mutating func grow(_ extra: Int) {
        let wanted = Swift.max(capacity * 2, count + extra)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        larger.update(from: base, count: count)
        base.deallocate()
        (base, capacity) = (larger, wanted)
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) {
        reserve(1)
        base[count] = byte
        count += 1
    }

    @inline(__always)
    private mutating func append(_ source: UnsafeBufferPointer<UInt8>) {
        guard let start = source.baseAddress else { return }
        reserve(source.count)
        (base + count).update(from: start, count: source.count)
        count += source.count
    }

    @inline(__always)
    private mutating func append(text: StaticString) {
        append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    private mutating func separate() {
        if needsComma { append(UInt8(ascii: ",")) }
        needsComma = true
    }

    @inline(__always)
    private mutating func name(_ key: StaticString) {
        let length = key.utf8CodeUnitCount
        reserve(length + 4)
        var end = base + count
        if needsComma {
            end.pointee = UInt8(ascii: ",")
            end += 1
        }
        needsComma = true
        end[0] = UInt8(ascii: "\"")
        (end + 1).update(from: key.utf8Start, count: length)
        end[length + 1] = UInt8(ascii: "\"")
        end[length + 2] = UInt8(ascii: ":")
        count = end + length + 3 - base
    }

    // MARK: Structure

    mutating func object(_ key: StaticString? = nil, _ body: (inout JSONWriter) -> Void) {
        open(key, UInt8(ascii: "{"))
        body(&self)
        closeObject()
    }

    mutating func array(_ key: StaticString? = nil, _ body: (inout JSONWriter) -> Void) {
        open(key, UInt8(ascii: "["))
        body(&self)
        closeArray()
    }

    /// The same without closures, which copy what they capture; the caller closes what it opened.
    mutating func openObject(_ key: StaticString? = nil) { open(key, UInt8(ascii: "{")) }
    mutating func closeObject() { close(UInt8(ascii: "}")) }
    mutating func openArray(_ key: StaticString? = nil) { open(key, UInt8(ascii: "[")) }
    mutating func closeArray() { close(UInt8(ascii: "]")) }

    private mutating func open(_ key: StaticString?, _ bracket: UInt8) {
        if let key { name(key) } else { separate() }
        append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        append(bracket)
        needsComma = true
    }

    // MARK: Members

    mutating func member(_ key: StaticString, _ value: String) {
        name(key)
        append(string: value)
    }
    mutating func member(_ key: StaticString, _ value: String?) {
        if let value { member(key, value) } else { null(key) }
    }
    mutating func member(_ key: StaticString, _ value: Int) {
        name(key)
        append(integer: value)
    }
    mutating func member(_ key: StaticString, _ value: Int?) {
        if let value { member(key, value) } else { null(key) }
    }
    /// A string of a number and what stands behind it.
    mutating func member(_ key: StaticString, _ value: (number: Int, suffix: StaticString)) {
        name(key)
        append(UInt8(ascii: "\""))
        append(integer: value.number)
        append(text: value.suffix)
        append(UInt8(ascii: "\""))
    }
    mutating func member(_ key: StaticString, _ value: Bool) {
        name(key)
        append(text: value ? "true" : "false")
    }
    /// A string that needs no escapes, of at most `capacity` bytes; `fill` returns how many it wrote.
    mutating func member(
        _ key: StaticString, capacity: Int, fill: (UnsafeMutableBufferPointer<UInt8>) -> Int
    ) {
        name(key)
        append(UInt8(ascii: "\""))
        reserve(capacity)
        count += fill(UnsafeMutableBufferPointer(start: base + count, count: capacity))
        append(UInt8(ascii: "\""))
    }
    /// A number that is not finite has no form in JSON and becomes `null`.
    mutating func member(_ key: StaticString, _ value: Double) {
        name(key)
        append(number: value)
    }
    mutating func member(_ key: StaticString, _ value: Double?) {
        if let value { member(key, value) } else { null(key) }
    }
    mutating func null(_ key: StaticString) {
        name(key)
        append(text: "null")
    }
    /// A member whose name is not known when the program is written.
    mutating func member(named key: String, _ value: Double) {
        separate()
        append(string: key)
        append(UInt8(ascii: ":"))
        append(number: value)
    }
    /// A member whose value is already JSON.
    mutating func member(_ key: StaticString, json: [UInt8]) {
        name(key)
        json.withUnsafeBufferPointer { append($0) }
    }

    // MARK: Elements of an array

    mutating func element(_ value: String) {
        separate()
        append(string: value)
    }
    mutating func element(_ value: Double) {
        separate()
        append(number: value)
    }
    /// null for `nil`.
    mutating func element(_ value: Double?) {
        guard let value else { return element(json: Array("null".utf8)) }
        element(value)
    }
    mutating func element(json: [UInt8]) {
        separate()
        json.withUnsafeBufferPointer { append($0) }
    }

    // MARK: Scalars

    private mutating func append(integer value: Int) {
        reserve(20)
        if value < 0 { append(UInt8(ascii: "-")) }
        var magnitude = value.magnitude
        // No integer has more than 19 digits.
        var (digits, bound) = (1, UInt(10))
        while digits < 19, magnitude >= bound {
            digits += 1
            bound &*= 10
        }
        var position = count + digits
        count = position
        repeat {
            position -= 1
            base[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10)
            magnitude /= 10
        } while magnitude > 0
    }

    /// Six decimals are enough for every figure aware reports, and cheaper than the shortest exact form.
    private mutating func append(number value: Double) {
        guard value.isFinite else { return append(text: "null") }
        guard value.magnitude < 1e9, !isExact else { return append(exact: value) }
        let scaled = (value.magnitude * 1e6).rounded()
        if value < 0, scaled > 0 { append(UInt8(ascii: "-")) }
        let units = Int(scaled)
        append(integer: units / 1_000_000)
        var fraction = units % 1_000_000
        guard fraction > 0 else { return }
        append(UInt8(ascii: "."))
        var divisor = 100_000
        while fraction > 0 {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: fraction / divisor))
            fraction %= divisor
            divisor /= 10
        }
    }

    private mutating func append(exact value: Double) {
        if let whole = Int(exactly: value) { return append(integer: whole) }
        var text = "\(value)"
        text.withUTF8 { append($0) }
    }

    private mutating func append(string value: String) {
        append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { utf8 in
            if Self.isPlain(utf8) {
                append(utf8)
            } else {
                append(escaping: utf8)
            }
        }
        append(UInt8(ascii: "\""))
    }

    /// Whether no byte needs an escape. Eight at a time: a byte below 0x20 borrows from its highest bit when 0x20 is taken
    /// away, one that equals a character is zero after an exclusive or, and a zero borrows when 1 is taken away. What is borrowed
    /// from the next byte may also be found there: then the slow way is taken for nothing.
    private static func isPlain(_ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = ones << 7
        let raw = UnsafeRawBufferPointer(utf8)
        var offset = 0
        while offset + 8 <= raw.count {
            let word = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let quote = word ^ ones &* UInt64(UInt8(ascii: "\""))
            let backslash = word ^ ones &* UInt64(UInt8(ascii: "\\"))
            let low = (word &- ones &* 0x20) & ~word
            guard (low | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash) & highs == 0 else { return false }
            offset += 8
        }
        while offset < raw.count {
            let byte = raw[offset]
            guard byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else { return false }
            offset += 1
        }
        return true
    }

    @inline(never)
    private mutating func append(escaping utf8: UnsafeBufferPointer<UInt8>) {
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<0x20:
                append(text: "\\u00")
                append(Self.hexDigit(byte >> 4))
                append(Self.hexDigit(byte & 15))
            default: append(byte)
            }
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

// Writes JSON straight into bytes: commas and escapes are its business, structure is the caller's.

/// Appends one document. Members are written in the order of the calls; nothing is sorted or buffered.
struct JSONWriter {
    private(set) var bytes: [UInt8]
    private var needsComma = false

    init(reserving capacity: Int = 512) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Forgets the document and keeps the memory.
    mutating func reset() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func name(_ key: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        key.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    // MARK: Structure

    mutating func object(_ key: StaticString? = nil, _ body: (inout JSONWriter) -> Void) {
        nest(key, UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    mutating func array(_ key: StaticString? = nil, _ body: (inout JSONWriter) -> Void) {
        nest(key, UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    private mutating func nest(
        _ key: StaticString?, _ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void
    ) {
        if let key { name(key) } else { separate() }
        bytes.append(open)
        needsComma = false
        body(&self)
        bytes.append(close)
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
        append(ascii: value)
    }
    mutating func member(_ key: StaticString, _ value: Bool) {
        name(key)
        append(text: value ? "true" : "false")
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
        bytes.append(UInt8(ascii: ":"))
        append(number: value)
    }
    /// A member whose value is already JSON.
    mutating func member(_ key: StaticString, json: some Sequence<UInt8>) {
        name(key)
        bytes.append(contentsOf: json)
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
    mutating func element(json: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }

    // MARK: Scalars

    private mutating func append(text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func append(ascii value: Int) {
        var magnitude = value.magnitude
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(magnitude % 10))
            magnitude /= 10
        } while magnitude > 0
        bytes[start...].reverse()
    }

    /// Six decimals are enough for every figure aware reports, and cheaper than the shortest exact form.
    private mutating func append(number value: Double) {
        guard value.isFinite else { return append(text: "null") }
        guard value.magnitude < 1e9 else { return append(string: value) }
        let scaled = (value.magnitude * 1e6).rounded()
        if value < 0, scaled > 0 { bytes.append(UInt8(ascii: "-")) }
        let units = Int(scaled)
        append(ascii: units / 1_000_000)
        var fraction = units % 1_000_000
        guard fraction > 0 else { return }
        bytes.append(UInt8(ascii: "."))
        var divisor = 100_000
        while fraction > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(fraction / divisor))
            fraction %= divisor
            divisor /= 10
        }
    }

    private mutating func append(string value: Double) {
        if let whole = Int(exactly: value) { append(ascii: whole) } else { bytes.append(contentsOf: "\(value)".utf8) }
    }

    private mutating func append(string value: String) {
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { utf8 in
            for byte in utf8 {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    bytes.append(UInt8(ascii: "\\"))
                    bytes.append(byte)
                case 0..<0x20:
                    bytes.append(contentsOf: [0x5C, 0x75, 0x30, 0x30])
                    bytes.append(Self.hexDigits[Int(byte >> 4)])
                    bytes.append(Self.hexDigits[Int(byte & 15)])
                default: bytes.append(byte)
                }
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
    private static let hexDigits = Array("0123456789abcdef".utf8)
}

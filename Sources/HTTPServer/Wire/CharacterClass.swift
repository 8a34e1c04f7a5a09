// Which bytes may stand where: the character classes of RFC 9110 and RFC 3986 as one table of bits.

struct CharacterClass: OptionSet {
    let rawValue: UInt8

    /// `tchar` of RFC 9110 5.6.2: methods, field names, chunk extensions.
    static let token = CharacterClass(rawValue: 1)
    /// `field-vchar`, space and tab; bytes from 0x80 up are allowed and opaque (RFC 9110 5.5).
    static let fieldValue = CharacterClass(rawValue: 2)
    /// `pchar`, "/" and "?" of RFC 3986, percent sign included: paths and queries.
    static let target = CharacterClass(rawValue: 4)
    /// `reg-name` of RFC 3986, percent sign included: hosts.
    static let registeredName = CharacterClass(rawValue: 8)
    static let hexDigit = CharacterClass(rawValue: 16)
    static let digit = CharacterClass(rawValue: 32)

    static func of(_ byte: UInt8) -> CharacterClass {
        var classes: CharacterClass = []
        let letter = (65...90).contains(byte & 0xDF) && byte < 128
        let digit = (48...57).contains(byte)
        func among(_ text: StaticString) -> Bool { text.withUTF8Buffer { $0.contains(byte) } }
        if letter || digit || among("!#$%&'*+-.^_`|~") { classes.insert(.token) }
        if byte == 9 || (byte >= 32 && byte != 127) { classes.insert(.fieldValue) }
        let unreserved = letter || digit || among("-._~")
        let subDelimiter = among("!$&'()*+,;=")
        if unreserved || subDelimiter || among("%:@/?") { classes.insert(.target) }
        if unreserved || subDelimiter || byte == UInt8(ascii: "%") { classes.insert(.registeredName) }
        if digit || (65...70).contains(byte & 0xDF) && byte < 128 { classes.insert(.hexDigit) }
        if digit { classes.insert(.digit) }
        return classes
    }

    /// `of` for each byte, computed once and never freed.
    nonisolated(unsafe) static let table: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        for byte in 0...255 { (table + byte).initialize(to: of(UInt8(byte)).rawValue) }
        return UnsafePointer(table)
    }()
}

extension UnsafeRawBufferPointer {
    /// Whether each byte belongs to `wanted`.
    @inline(__always)
    func all(are wanted: CharacterClass, in table: UnsafePointer<UInt8>) -> Bool {
        var missing: UInt8 = 0
        for byte in self { missing |= ~table[Int(byte)] & wanted.rawValue }
        return missing == 0
    }
}

@inline(__always)
func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
}

// Percent-encoding of RFC 3986 2.1: checked once by the parser, decoded where a program asks for a value.

/// Whether each "%" is followed by two hexadecimal digits.
func percentEncodingIsValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var i = 0
    while i < bytes.count {
        if bytes[i] == UInt8(ascii: "%") {
            guard i + 2 < bytes.count, hexValue(bytes[i + 1]) != nil, hexValue(bytes[i + 2]) != nil else {
                return false
            }
            i += 2
        }
        i += 1
    }
    return true
}

/// Decodes `bytes` once. nil when the encoding is broken, when the result is not UTF-8, or when it holds a control
/// character: such values could only be meant to deceive whoever reads them next.
func percentDecoded(_ bytes: UnsafeRawBufferPointer, plusIsSpace: Bool) -> String? {
    var (isEncoded, all) = (false, UInt8(0))
    for byte in bytes {
        isEncoded = isEncoded || byte == UInt8(ascii: "%") || (plusIsSpace && byte == UInt8(ascii: "+"))
        all |= byte
    }
    guard isEncoded else {
        // ASCII needs no validation, which costs twice as much.
        return all < 0x80 ? String(decoding: bytes, as: UTF8.self) : String(validating: bytes, as: UTF8.self)
    }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
        var byte = bytes[i]
        if byte == UInt8(ascii: "%") {
            guard i + 2 < bytes.count, let high = hexValue(bytes[i + 1]), let low = hexValue(bytes[i + 2]) else {
                return nil
            }
            byte = high << 4 | low
            i += 2
        } else if plusIsSpace, byte == UInt8(ascii: "+") {
            byte = UInt8(ascii: " ")
        }
        guard byte >= 32, byte != 127 else { return nil }
        decoded.append(byte)
        i += 1
    }
    return String(validating: decoded, as: UTF8.self)
}

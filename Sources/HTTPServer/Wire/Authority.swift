// The syntax of `Host` fields and of the authority in absolute targets: a name, an IPv4 or a bracketed IPv6 address, and a port.

/// Checks `host [":" port]` of RFC 3986 3.2.2. User information is refused (RFC 9110 4.2.4).
enum Authority {
    /// Whether `bytes` are a host, not empty, and perhaps a port.
    static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let host = host(of: bytes), host.count > 0 else { return false }
        return true
    }

    /// The host without the port (brackets of an IPv6 address kept), or nil where the syntax is wrong.
    static func host(of bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let table = CharacterClass.table
        var end = 0
        if bytes.first == UInt8(ascii: "[") {
            guard let bracket = bytes.firstIndex(of: UInt8(ascii: "]")),
                isIPv6(UnsafeRawBufferPointer(rebasing: bytes[1..<bracket]))
            else { return nil }
            end = bracket + 1
        } else {
            while end < bytes.count, table[Int(bytes[end])] & CharacterClass.registeredName.rawValue != 0 { end += 1 }
            guard percentEncodingIsValid(UnsafeRawBufferPointer(rebasing: bytes[..<end])) else { return nil }
        }
        if end < bytes.count {
            guard bytes[end] == UInt8(ascii: ":"), isPort(UnsafeRawBufferPointer(rebasing: bytes[(end + 1)...])) else {
                return nil
            }
        }
        return UnsafeRawBufferPointer(rebasing: bytes[..<end])
    }

    /// `*DIGIT`, with a bound: at most 65535.
    private static func isPort(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var port = 0
        for byte in bytes {
            guard (48...57).contains(byte) else { return false }
            port = port * 10 + Int(byte - 48)
            guard port <= 65535 else { return false }
        }
        return true
    }

    /// Up to eight groups of one to four hexadecimal digits, one run of zero groups as "::", perhaps an IPv4 tail.
    static func isIPv6(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var groups = 0
        var compressed = false
        var i = 0
        if bytes.count >= 2, bytes[0] == UInt8(ascii: ":"), bytes[1] == UInt8(ascii: ":") {
            compressed = true
            i = 2
        }
        while i < bytes.count {
            let start = i
            while i < bytes.count, hexValue(bytes[i]) != nil { i += 1 }
            if i < bytes.count, bytes[i] == UInt8(ascii: ".") {
                guard isIPv4(UnsafeRawBufferPointer(rebasing: bytes[start...])) else { return false }
                groups += 2
                break
            }
            guard (1...4).contains(i - start) else { return false }
            groups += 1
            if i == bytes.count { break }
            guard bytes[i] == UInt8(ascii: ":") else { return false }
            i += 1
            if i < bytes.count, bytes[i] == UInt8(ascii: ":") {
                guard !compressed else { return false }
                compressed = true
                i += 1
            } else if i == bytes.count {
                return false
            }
        }
        return compressed ? groups <= 7 : groups == 8
    }

    private static func isIPv4(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var parts = 0
        for part in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...3).contains(part.count), part.allSatisfy({ (48...57).contains($0) }),
                part.reduce(0, { $0 * 10 + Int($1 - 48) }) <= 255
            else { return false }
            parts += 1
        }
        return parts == 4
    }
}

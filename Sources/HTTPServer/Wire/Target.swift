// The request target of RFC 9112 3.2: origin form, absolute form, and "*" for OPTIONS.

/// A request target taken apart. Offsets count from the request's first byte.
struct Target {
    var path = ByteRange.empty
    var query = ByteRange.empty
    var authority = ByteRange.empty
    var hasQuery = false
    var isEncoded = false
    var isAsterisk = false

    /// - Parameter offset: where `bytes` start within the request.
    init(_ bytes: UnsafeRawBufferPointer, method: Method, at offset: Int) throws(ProtocolError) {
        var start = 0
        if bytes[0] != UInt8(ascii: "/") {
            if bytes.equals("*") {
                guard method == .options else { throw .bad("target", "the target * is for OPTIONS only") }
                path = ByteRange(start: UInt32(offset), count: 1)
                isAsterisk = true
                return
            }
            start = try absolute(bytes, offset)
        }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
        guard rest.all(are: .target, in: CharacterClass.table) else {
            throw .bad("target", "the target has a character that must be percent-encoded")
        }
        isEncoded = rest.contains(UInt8(ascii: "%"))
        guard !isEncoded || percentEncodingIsValid(rest) else {
            throw .bad("target", "the target's percent-encoding is broken")
        }
        let mark = rest.firstIndex(of: UInt8(ascii: "?"))
        let pathCount = mark ?? rest.count
        if pathCount > 0 { path = ByteRange(start: UInt32(offset + start), count: UInt32(pathCount)) }
        if let mark {
            hasQuery = true
            query = ByteRange(start: UInt32(offset + start + mark + 1), count: UInt32(rest.count - mark - 1))
        }
    }

    /// Takes `http://authority` off the front and returns where path or query begin.
    private mutating func absolute(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws(ProtocolError) -> Int {
        let schemes: [(StaticString, Int)] = [("http://", 7), ("https://", 8)]
        for (scheme, length) in schemes
        where bytes.count > length && UnsafeRawBufferPointer(rebasing: bytes[..<length]).equalsIgnoringCase(scheme) {
            var end = length
            while end < bytes.count, bytes[end] != UInt8(ascii: "/"), bytes[end] != UInt8(ascii: "?") { end += 1 }
            guard Authority.isValid(UnsafeRawBufferPointer(rebasing: bytes[length..<end])) else {
                throw .bad("target", "the target's authority is not a host")
            }
            authority = ByteRange(start: UInt32(offset + length), count: UInt32(end - length))
            // An absent path means "/" (RFC 9110 4.2.3); the scheme's last slash serves as its byte.
            path = ByteRange(start: UInt32(offset + length - 1), count: 1)
            return end
        }
        throw .bad("target", "the target must start with / or be an absolute http URL")
    }
}

// The grammar of what may follow a chunk size: *( ";" token [ "=" ( token / quoted-string ) ] ), RFC 9112 7.1.1.

/// Chunk extensions mean nothing here, but their syntax is checked: a lenient reader of them is a smuggler's tool.
enum ChunkExtensions {
    /// White space, which the RFC lets recipients tolerate around ";" and "=", is refused.
    static func areValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let table = CharacterClass.table
        var i = 0
        func skipToken() -> Bool {
            let start = i
            while i < bytes.count, table[Int(bytes[i])] & CharacterClass.token.rawValue != 0 { i += 1 }
            return i > start
        }
        while i < bytes.count {
            guard bytes[i] == UInt8(ascii: ";") else { return false }
            i += 1
            guard skipToken() else { return false }
            guard i < bytes.count, bytes[i] == UInt8(ascii: "=") else { continue }
            i += 1
            if i < bytes.count, bytes[i] == UInt8(ascii: "\"") {
                guard let end = endOfQuotedString(bytes, from: i) else { return false }
                i = end
            } else {
                guard skipToken() else { return false }
            }
        }
        return true
    }

    /// The offset after the closing quote, or nil.
    private static func endOfQuotedString(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var i = start + 1
        while i < bytes.count {
            switch bytes[i] {
            case UInt8(ascii: "\""): return i + 1
            case UInt8(ascii: "\\"): i += 1
            default: break
            }
            guard i < bytes.count, CharacterClass.table[Int(bytes[i])] & CharacterClass.fieldValue.rawValue != 0 else {
                return nil
            }
            i += 1
        }
        return nil
    }
}

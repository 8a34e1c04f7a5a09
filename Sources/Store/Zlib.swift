// Compressed bytes, as blocks of decisions and the files of applications hold them (RFC 1950).

import CStore

enum Zlib {
    /// - Returns: `nil` when there is no memory for it.
    static func pack(_ bytes: UnsafeRawBufferPointer, level: Int32) -> [UInt8]? {
        var size = compressBound(uLong(bytes.count))
        var packed = [UInt8](repeating: 0, count: Int(size))
        let code = compress2(&packed, &size, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), uLong(bytes.count), level)
        guard code == Z_OK else { return nil }
        packed.removeLast(packed.count - Int(size))
        return packed
    }

    /// - Parameter length: of what was packed.
    /// - Returns: `nil` when that is not what the bytes hold.
    static func unpack(_ bytes: UnsafeRawBufferPointer, length: Int) -> [UInt8]? {
        var content = [UInt8](repeating: 0, count: length)
        var size = uLongf(length)
        let code = uncompress(&content, &size, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), uLong(bytes.count))
        return code == Z_OK && size == uLongf(length) ? content : nil
    }
}

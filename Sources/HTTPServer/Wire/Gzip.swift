// gzip (RFC 1952) through zlib: one stream, kept and reset, because opening one costs 256 KiB of memory.

import CLinux

/// Compresses one body after the other.
final class Gzip {
    /// In memory of its own because zlib remembers the address.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let opened: Bool

    init(level: Int32) {
        opened = clinux_gzip_open(stream, max(1, min(9, level))) == Z_OK
    }

    deinit {
        if opened { deflateEnd(stream) }
        stream.deallocate()
    }

    /// Appends the gzip form of `source` to `target` unless that is not smaller; returns whether it did.
    func compress(_ source: UnsafeRawBufferPointer, into target: inout ByteBuffer) -> Bool {
        guard opened, source.count > 0, let input = UInt32(exactly: source.count), deflateReset(stream) == Z_OK else {
            return false
        }
        stream.pointee.next_in = UnsafeMutablePointer(mutating: source.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = input
        var finished = false
        target.append(atMost: source.count) { room in
            stream.pointee.next_out = room.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = input
            finished = deflate(stream, Z_FINISH) == Z_STREAM_END
            return finished ? source.count - Int(stream.pointee.avail_out) : 0
        }
        return finished
    }

    /// The gzip form of `bytes`, or nil if it is not smaller.
    static func compress(_ bytes: [UInt8], level: Int32) -> [UInt8]? {
        var target = ByteBuffer()
        let done = bytes.withUnsafeBytes { Gzip(level: level).compress($0, into: &target) }
        return done ? Array(target.bytes) : nil
    }
}

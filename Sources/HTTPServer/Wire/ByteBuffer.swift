// A growable run of bytes in memory of its own: what is received is parsed in one, what is answered is written to one.

import Glibc

/// Bytes with an owner. Capacity only grows by appending and is kept for reuse; nothing is allocated until the first
/// append when the capacity given is 0. Up to `padding` bytes after `count` may be read (their content is undefined):
/// simdjson needs that.
public struct ByteBuffer: ~Copyable {
    /// How many bytes beyond the last are always readable.
    public static let padding = 64

    @usableFromInline var base: UnsafeMutablePointer<UInt8>
    /// The number of bytes.
    public internal(set) var count: Int {
        @inlinable get { used }
        set { used = newValue }
    }
    @usableFromInline var used = 0
    /// How many bytes fit without growing; the allocation is `padding` larger.
    @usableFromInline var capacity: Int

    public init(capacity: Int = 0) {
        self.capacity = max(0, capacity)
        base = ByteBuffer.allocated(nil, self.capacity)
    }

    deinit {
        free(base)
    }

    /// `old`, which may move, with room for `capacity` bytes and the padding. The kernel moves a large one without copying
    /// it: a body of a hundred megabytes must not hold up other connections.
    private static func allocated(_ old: UnsafeMutablePointer<UInt8>?, _ capacity: Int) -> UnsafeMutablePointer<UInt8> {
        guard let memory = realloc(old, capacity + ByteBuffer.padding) else { fatalError("no memory for \(capacity) bytes") }
        return memory.assumingMemoryBound(to: UInt8.self)
    }

    /// The bytes, valid until the buffer is next changed.
    @inlinable public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base, count: used)
    }

    /// Makes room for `extra` further bytes.
    @inlinable public mutating func reserve(_ extra: Int) {
        if capacity - used < extra { grow(extra) }
    }

    @usableFromInline mutating func grow(_ extra: Int) {
        // Doubling, so that taking a body costs time linear in its length.
        let wanted = max(used + extra, capacity * 2, 256)
        base = ByteBuffer.allocated(base, wanted)
        capacity = wanted
    }

    @inlinable public mutating func append(_ byte: UInt8) {
        reserve(1)
        base[used] = byte
        used += 1
    }

    @inlinable public mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let start = source.baseAddress, source.count > 0 else { return }
        reserve(source.count)
        UnsafeMutableRawPointer(base + used).copyMemory(from: start, byteCount: source.count)
        used += source.count
    }

    @inlinable public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
    }

    @inlinable public mutating func append(_ array: [UInt8]) {
        array.withUnsafeBytes { append($0) }
    }

    @inlinable public mutating func append(_ slice: ArraySlice<UInt8>) {
        slice.withUnsafeBytes { append($0) }
    }

    /// Appends the text's UTF-8.
    @inlinable public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Appends `value` in decimal digits.
    @inlinable public mutating func append(decimal value: Int) {
        reserve(20)
        if value < 0 { append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        let start = used
        repeat {
            base[used] = UInt8(truncatingIfNeeded: 48 + rest % 10)
            used += 1
            rest /= 10
        } while rest > 0
        var (low, high) = (start, used - 1)
        while low < high {
            swap(&base[low], &base[high])
            low += 1
            high -= 1
        }
    }

    /// Gives the caller room for up to `capacity` bytes after the last one; `write` returns how many it filled in.
    @inlinable public mutating func append(
        atMost capacity: Int, _ write: (UnsafeMutableRawBufferPointer) throws -> Int
    ) rethrows {
        reserve(capacity)
        let written = try write(UnsafeMutableRawBufferPointer(start: base + used, count: capacity))
        precondition(written >= 0 && written <= capacity)
        used += written
    }

    /// Appends `text` as the inside of a JSON string: quotes, backslashes and control characters escaped (RFC 8259 7).
    public mutating func append(jsonEscaped text: String) {
        var text = text
        text.withUTF8 { utf8 in
            reserve(utf8.count)
            for byte in utf8 {
                switch byte {
                case UInt8(ascii: "\""): append("\\\"")
                case UInt8(ascii: "\\"): append("\\\\")
                case 0x0A: append("\\n")
                case 0x0D: append("\\r")
                case 0x09: append("\\t")
                case 0..<0x20:
                    append("\\u00")
                    append(hexDigit(byte >> 4))
                    append(hexDigit(byte & 15))
                default: append(byte)
                }
            }
        }
    }

    /// Forgets all bytes, keeps the memory.
    @inlinable public mutating func removeAll() {
        used = 0
    }

    /// Forgets the first `prefix` bytes and moves the rest to the front.
    mutating func removeFirst(_ prefix: Int) {
        precondition(prefix >= 0 && prefix <= used)
        used -= prefix
        if used > 0 { base.update(from: base + prefix, count: used) }
    }

    /// Replaces `length` bytes at `offset` with `replacement`.
    mutating func replace(at offset: Int, length: Int, with replacement: UnsafeRawBufferPointer) {
        precondition(offset >= 0 && length >= 0 && offset + length <= used)
        reserve(max(0, replacement.count - length))
        let tail = used - offset - length
        (base + offset + replacement.count).update(from: base + offset + length, count: tail)
        if let start = replacement.baseAddress {
            UnsafeMutableRawPointer(base + offset).copyMemory(from: start, byteCount: replacement.count)
        }
        used += replacement.count - length
    }
}

@inline(__always)
func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 48 + value : 87 + value
}

extension UnsafeRawBufferPointer {
    /// Whether these are exactly the bytes of `text`.
    @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for i in 0..<count where self[i] != text.utf8Start[i] { return false }
        return true
    }

    /// Whether these are the bytes of `text`, upper and lower case of ASCII letters taken as equal.
    @inline(__always)
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for i in 0..<count where lowercased(self[i]) != lowercased(text.utf8Start[i]) { return false }
        return true
    }

    /// The part of `self` at `range`, sharing its memory.
    @inline(__always)
    func part(_ range: ByteRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[Int(range.start)..<Int(range.start) + Int(range.count)])
    }
}

/// Where something lies in a request's bytes: offsets, because the buffer may move between two reads.
struct ByteRange: Equatable {
    var start: UInt32 = 0
    var count: UInt32 = 0

    static let empty = ByteRange()

    init(start: UInt32 = 0, count: UInt32 = 0) {
        self.start = start
        self.count = count
    }

    /// Heads are far smaller than 4 GiB; trailers behind a huge body are cut off here, but nobody looks at them.
    init(_ range: Range<Int>) {
        start = UInt32(truncatingIfNeeded: range.lowerBound)
        count = UInt32(truncatingIfNeeded: range.count)
    }
}

@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- 65 < 26 ? byte | 0x20 : byte
}

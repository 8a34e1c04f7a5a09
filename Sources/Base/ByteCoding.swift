// Writes and reads plain values as little-endian bytes: the form of every blob that aware stores.

/// Appends values to bytes. Inlinable throughout, with memory of its own instead of an array: records are written on the
/// request path, where an append is one comparison and a copy.
public struct ByteWriter: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var count = 0

    @inlinable
    public init(reserving capacity: Int = 64) {
        self.capacity = Swift.max(capacity, 64)
        base = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { base.deallocate() }

    /// What was written, as an array of its own.
    @inlinable
    public var bytes: [UInt8] { Array(written) }

    /// What was written; valid until the next call.
    @inlinable
    public var written: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    @inlinable @inline(__always)
    mutating func reserve(_ extra: Int) {
        if capacity - count < extra { grow(extra) }
    }

    @inline(never) @usableFromInline
    mutating func grow(_ extra: Int) {
        let wanted = Swift.max(capacity * 2, count + extra)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 8)
        larger.copyMemory(from: base, byteCount: count)
        base.deallocate()
        (base, capacity) = (larger, wanted)
    }

    @inlinable
    public mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let start = source.baseAddress else { return }
        reserve(source.count)
        (base + count).copyMemory(from: start, byteCount: source.count)
        count += source.count
    }

    @inlinable
    public mutating func write<T: FixedWidthInteger>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        (base + count).storeBytes(of: value.littleEndian, as: T.self)
        count += MemoryLayout<T>.size
    }
    @inlinable
    public mutating func write(_ value: Float) { write(value.bitPattern) }
    @inlinable
    public mutating func write(_ value: Double) { write(value.bitPattern) }
    @inlinable
    public mutating func write(_ value: Bool) { write(value ? 1 : 0 as UInt8) }
    /// `nil` is stored as a quiet NaN, so an optional costs no more than a value.
    @inlinable
    public mutating func write(_ value: Double?) { write(value ?? .nan) }
    /// Count (32 bits), then the values' bytes as they lie in memory.
    @inlinable
    public mutating func write(_ values: [Float]) {
        write(UInt32(values.count))
        values.withUnsafeBytes { append($0) }
    }
    @inlinable
    public mutating func write(_ values: [Double]) {
        write(UInt32(values.count))
        values.withUnsafeBytes { append($0) }
    }
    @inlinable
    public mutating func write(_ values: [UInt8]) {
        write(UInt32(values.count))
        values.withUnsafeBytes { append($0) }
    }
    /// The length (32 bits) of what `body` writes, then that.
    @inlinable
    public mutating func writeBlock(_ body: (inout ByteWriter) -> Void) {
        let start = count
        write(0 as UInt32)
        body(&self)
        (base + start).storeBytes(of: UInt32(count - start - 4).littleEndian, as: UInt32.self)
    }
    @inlinable
    public mutating func write(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            write(UInt32(utf8.count))
            append(UnsafeRawBufferPointer(utf8))
        }
    }
}

/// Reads what `ByteWriter` wrote, in the same order. Never traps: a short or malformed input throws. Inlinable, too: a
/// generic read that is not specialised looks up types at run time, 400 instructions for one number.
public struct ByteReader: Sendable {
    public enum Failure: Error, Equatable { case truncated, malformed }

    @usableFromInline let bytes: [UInt8]
    @usableFromInline var offset = 0

    @inlinable
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Bytes that were read.
    @inlinable
    public var position: Int { offset }

    @inlinable
    public var isAtEnd: Bool { offset == bytes.count }

    @inlinable
    mutating func take(_ count: Int) throws(Failure) -> Range<Int> {
        guard count >= 0, bytes.count - offset >= count else { throw .truncated }
        defer { offset += count }
        return offset..<offset + count
    }
    @inlinable
    public mutating func integer<T: FixedWidthInteger>(_: T.Type = T.self) throws(Failure) -> T {
        let range = try take(MemoryLayout<T>.size)
        return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound, as: T.self)) }
    }
    /// How many elements of so many bytes at least follow; a damaged count must not ask for all memory.
    public mutating func count(bytesEach: Int) throws(Failure) -> Int {
        let count = Int(try integer(UInt32.self))
        guard count <= (bytes.count - offset) / bytesEach else { throw .truncated }
        return count
    }
    @inlinable
    public mutating func float() throws(Failure) -> Float { Float(bitPattern: try integer()) }
    @inlinable
    public mutating func double() throws(Failure) -> Double { Double(bitPattern: try integer()) }
    @inlinable
    public mutating func optionalDouble() throws(Failure) -> Double? {
        let value = try double()
        return value.isNaN ? nil : value
    }
    @inlinable
    public mutating func bool() throws(Failure) -> Bool {
        switch try integer(UInt8.self) {
        case 0: false
        case 1: true
        default: throw .malformed
        }
    }
    @inlinable
    public mutating func floats() throws(Failure) -> [Float] {
        let count = Int(try integer(UInt32.self))
        let range = try take(count * 4)
        return bytes.withUnsafeBytes { raw in
            (0..<count).map { raw.loadUnaligned(fromByteOffset: range.lowerBound + $0 * 4, as: Float.self) }
        }
    }
    @inlinable
    public mutating func doubles() throws(Failure) -> [Double] {
        let count = Int(try integer(UInt32.self))
        let range = try take(count * 8)
        return bytes.withUnsafeBytes { raw in
            (0..<count).map { raw.loadUnaligned(fromByteOffset: range.lowerBound + $0 * 8, as: Double.self) }
        }
    }
    @inlinable
    public mutating func byteArray() throws(Failure) -> [UInt8] {
        let count = Int(try integer(UInt32.self))
        return Array(bytes[try take(count)])
    }
    @inlinable
    public mutating func string() throws(Failure) -> String {
        guard let text = String(validating: try byteArray(), as: UTF8.self) else { throw .malformed }
        return text
    }
}

// A 64-bit checksum of bytes that finds mistakes and damage, not forgery (FNV-1a; Fowler, Noll, Vo; RFC 9923).

/// Takes bytes one after the other; `value` is the checksum of all of them.
public struct FNV1a: Sendable {
    @usableFromInline var hash: UInt64 = 0xcbf2_9ce4_8422_2325

    public init() {}

    public var value: UInt64 { hash }

    @inlinable
    public mutating func append(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }

    /// The checksum of some bytes.
    @inlinable
    public static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash = FNV1a()
        hash.append(bytes)
        return hash.value
    }
}

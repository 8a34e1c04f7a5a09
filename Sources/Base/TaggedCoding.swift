// A stored form that can grow: each field has a number and a length, so that old and new programs read each other's.

/// Writes tagged fields: a version byte, then for each field its tag (one byte), its length (32 bits) and its bytes.
///
/// How to add a field to a form that is stored already:
/// 1. Give it the next free tag of that form, and never use a tag again for something else. Tags are listed in one
///    `enum Tag: UInt8` beside `encode`, with a comment for each that is no longer written.
/// 2. Write it: `fields.write(Tag.heat.rawValue, heat)`. An optional that is `nil` is not written at all.
/// 3. Read it with the value that it had before the field existed: `try fields.double(Tag.heat.rawValue) ?? 0`.
///
/// Nothing else: a program that does not know the tag skips it, a form that does not have it gives `nil`. To change what
/// a field means, add another tag, write both for one release, and read the new one first. The version byte is only for
/// what tags cannot express (another framing); readers refuse a version above `TaggedReader.version`.
///
/// Parts with an encoding of their own go into a field of their own, so that they can grow by themselves:
///
///     var fields = TaggedWriter()
///     fields.write(Tag.decisions.rawValue, decisions)
///     fields.write(Tag.rules.rawValue) { rules.encode(into: &$0) }
///     return fields.bytes
public struct TaggedWriter: ~Copyable {
    private var writer: ByteWriter

    public init(reserving capacity: Int = 256) {
        writer = ByteWriter(reserving: capacity)
        writer.write(TaggedReader.version)
    }

    public var bytes: [UInt8] { writer.bytes }

    /// A field whose bytes `body` writes.
    public mutating func write(_ tag: UInt8, _ body: (inout ByteWriter) -> Void) {
        writer.write(tag)
        writer.writeBlock(body)
    }
    public mutating func write(_ tag: UInt8, _ value: Int?) {
        if let value { write(tag) { $0.write(Int64(value)) } }
    }
    public mutating func write(_ tag: UInt8, _ value: Double?) {
        if let value { write(tag) { $0.write(value) } }
    }
    public mutating func write(_ tag: UInt8, _ value: Bool?) {
        if let value { write(tag) { $0.write(value) } }
    }
    public mutating func write(_ tag: UInt8, _ value: String?) {
        if let value { write(tag) { $0.write(value) } }
    }
    public mutating func write(_ tag: UInt8, _ values: [Float]?) {
        if let values { write(tag) { $0.write(values) } }
    }
    public mutating func write(_ tag: UInt8, _ values: [UInt8]?) {
        if let values { write(tag) { $0.write(values) } }
    }
}

/// Reads what `TaggedWriter` wrote, in any order. Never traps.
public struct TaggedReader: Sendable {
    /// Of the framing. 1 is left to the forms before there were tags, whose first byte it was: such a form is told apart
    /// by `isTagged`.
    public static let version: UInt8 = 2

    private var fields: [(tag: UInt8, bytes: [UInt8])] = []

    /// Whether bytes are in this form, and not in one from before there were tags.
    public static func isTagged(_ bytes: [UInt8]) -> Bool { bytes.first.map { $0 >= 2 } ?? false }

    /// - Throws: `ByteReader.Failure.malformed` for another version or a field twice, `.truncated` when bytes are missing.
    public init(_ bytes: [UInt8]) throws(ByteReader.Failure) {
        var reader = ByteReader(bytes)
        guard try reader.integer(UInt8.self) == Self.version else { throw .malformed }
        while !reader.isAtEnd {
            let tag = try reader.integer(UInt8.self)
            guard !fields.contains(where: { $0.tag == tag }) else { throw .malformed }
            fields.append((tag, try reader.byteArray()))
        }
    }

    /// The bytes of a field; `nil` when the form does not have it.
    public func field(_ tag: UInt8) -> ByteReader? {
        fields.first { $0.tag == tag }.map { ByteReader($0.bytes) }
    }
    public func int(_ tag: UInt8) throws(ByteReader.Failure) -> Int? {
        guard var field = field(tag) else { return nil }
        return Int(try field.integer(Int64.self))
    }
    public func double(_ tag: UInt8) throws(ByteReader.Failure) -> Double? {
        guard var field = field(tag) else { return nil }
        return try field.double()
    }
    public func bool(_ tag: UInt8) throws(ByteReader.Failure) -> Bool? {
        guard var field = field(tag) else { return nil }
        return try field.bool()
    }
    public func string(_ tag: UInt8) throws(ByteReader.Failure) -> String? {
        guard var field = field(tag) else { return nil }
        return try field.string()
    }
    public func floats(_ tag: UInt8) throws(ByteReader.Failure) -> [Float]? {
        guard var field = field(tag) else { return nil }
        return try field.floats()
    }
    public func byteArray(_ tag: UInt8) throws(ByteReader.Failure) -> [UInt8]? {
        guard var field = field(tag) else { return nil }
        return try field.byteArray()
    }
}

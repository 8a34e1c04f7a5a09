// Stored forms grow: what a program does not know it skips, what a form does not have gets its default.

import Base
import Testing

struct TaggedCodingTests {
    @Test func fieldsComeBackAndMissingOnesAreNil() throws {
        var fields = TaggedWriter()
        fields.write(1, 42)
        fields.write(2, 0.5)
        fields.write(3, nil as Double?)
        fields.write(4, "shop-web")
        fields.write(5, [1, -2] as [Float])
        fields.write(7) { $0.write(UInt16(9)) }
        fields.write(8, true)
        let reader = try TaggedReader(fields.bytes)
        #expect(try reader.int(1) == 42)
        #expect(try reader.double(2) == 0.5)
        #expect(try reader.double(3) == nil)
        #expect(try reader.string(4) == "shop-web")
        #expect(try reader.floats(5) == [1, -2])
        #expect(try reader.bool(8) == true)
        // A program that knows tags 1 to 8 of a form that has 7 fields: whatever it asks for is there or nil.
        #expect(try reader.int(200) == nil)
        var part = try #require(reader.field(7))
        #expect(try part.integer(UInt16.self) == 9)
    }

    @Test func anOlderProgramSkipsNewerFields() throws {
        var fields = TaggedWriter()
        fields.write(250, "from the future")
        fields.write(1, 7)
        #expect(try TaggedReader(fields.bytes).int(1) == 7)
    }

    @Test func damageThrows() throws {
        var fields = TaggedWriter()
        fields.write(1, 7)
        fields.write(2, "text")
        let bytes = fields.bytes
        // Cut anywhere but between two fields.
        let between = [1, 1 + 13]
        for count in 0..<bytes.count where !between.contains(count) {
            #expect(throws: ByteReader.Failure.truncated, "\(count)") { try TaggedReader(Array(bytes[..<count])) }
        }
        #expect(throws: ByteReader.Failure.malformed) { try TaggedReader([9] + bytes.dropFirst()) }
        #expect(throws: ByteReader.Failure.malformed) { try TaggedReader(bytes + bytes.dropFirst()) }
        #expect(TaggedReader.isTagged(bytes) && !TaggedReader.isTagged([1, 2, 3]) && !TaggedReader.isTagged([]))
    }
}

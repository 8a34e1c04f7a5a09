// The encoder that ships: the same after coding, and unimpressed by damaged bytes.

@testable import Base
import Neural
import Testing

@testable import Learning

@Suite struct FrozenEncoderTests {
    private func make(seed: UInt64) -> FrozenEncoder {
        var generator = RandomGenerator(seed: seed)
        let encoder = TrajectoryEncoder(observationSize: 3, heads: [2, 4], units: 5, embeddingSize: 6)
        return FrozenEncoder(
            encoder: encoder, parameters: encoder.initialParameters(using: &generator),
            references: [.init(name: "ml.scan", vector: [1, 2, 3, 4, 5, 6])])
    }

    private func episode(_ value: Float) -> Episode {
        var episode = Episode()
        episode.observations = [value, 0, 1, 1, value, 0]
        episode.actions = [1, 3, 0, 2]
        episode.rewards = [0.5, value]
        return episode
    }

    @Test func codingKeepsEverything() throws {
        let encoder = make(seed: 1)
        let copy = try FrozenEncoder(decoding: encoder.encode())
        #expect(copy.encode() == encoder.encode() && copy.references == encoder.references)
        #expect(copy.version == encoder.version && encoder.version > 0 && make(seed: 2).version != encoder.version)
        let embedding = encoder.embedding(of: [episode(0.3)])
        #expect(copy.embedding(of: [episode(0.3)]) == embedding && embedding.count == 6)
        #expect(encoder.embedding(of: [episode(-0.9)]) != embedding)
        #expect(encoder.embedding(of: []) == [Float](repeating: 0, count: 6))
    }

    @Test func damagedBytesThrow() {
        let bytes = make(seed: 1).encode()
        for length in [0, 3, 10, 40, bytes.count - 1] {
            #expect(throws: CodingFailure.self) { try FrozenEncoder(decoding: Array(bytes.prefix(length))) }
        }
        for position in stride(from: 0, to: bytes.count, by: 97) {
            var damaged = bytes
            damaged[position] ^= 0x40
            #expect(throws: CodingFailure.self) { try FrozenEncoder(decoding: damaged) }
        }
    }

    /// Found by deploy/fuzz: 28 bytes with sizes that ask for 600 MB.
    @Test func sizesBeyondReasonAreRefusedBeforeMemoryIsTaken() {
        var writer = ByteWriter()
        for size: UInt32 in [9, 4096, 4096, 1, 4] { writer.write(size) }
        let form = Envelope.wrap(writer.bytes, magic: Array("AWEN".utf8), version: 1)
        #expect(throws: CodingFailure.damaged) { try FrozenEncoder(decoding: form) }
        #expect(!PolicyShape(observationSize: 4096, hidden: [4096, 4096], heads: [2]).isValid)
        #expect(PolicyShape(observationSize: 64, recurrentSize: 256, hidden: [1024, 1024], heads: [7, 7, 7]).isValid)
    }
}

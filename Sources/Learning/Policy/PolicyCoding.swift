// How a policy is stored: a header that says what it is, the shape, the weights, and a checksum.

import Base
import Neural

/// Why bytes are not a policy, or not a trainer's state.
public enum CodingFailure: Error, Equatable {
    case notThisFormat
    case unknownVersion(UInt16)
    case damaged, wrongSize, notFinite
}

extension Policy {
    private static let magic: [UInt8] = Array("AWPO".utf8)
    private static let version: UInt16 = 1

    /// Magic "AWPO", version, shape, weights (count, then 32-bit floats), checksum; little-endian.
    public func encode() -> [UInt8] {
        var writer = ByteWriter(reserving: parameters.count * 4 + 128)
        shape.encode(into: &writer)
        writer.write(parameters)
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: Self.version)
    }

    /// - Throws: `CodingFailure`; never traps, whatever the bytes are.
    public convenience init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: Self.version))
        do {
            let shape = try PolicyShape(from: &reader)
            let parameters = try reader.floats()
            guard reader.isAtEnd, parameters.count == ActorCritic(shape).layout.count else {
                throw CodingFailure.wrongSize
            }
            // A network with one weight that is no number answers nothing but that.
            guard parameters.allSatisfy(\.isFinite) else { throw CodingFailure.notFinite }
            self.init(shape: shape, parameters: parameters)
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

extension Policy {
    /// What no number within the network exceeds, whatever the inputs, as long as these are within +-`bound`: the sums of
    /// absolute weights, layer by layer. With a bound that a Float holds easily, every answer is made of numbers; weights that are
    /// merely finite may still overflow.
    public func largestNumber(within bound: Double) -> Double {
        func sum(_ layer: Linear, _ input: Double) -> Double {
            (0..<layer.outputs).reduce(0) { most, output in
                var sum = Double(abs(parameters[layer.bias.lowerBound + output]))
                for row in 0..<layer.inputs { sum += Double(abs(parameters[layer.weight.lowerBound + row * layer.outputs + output])) * input }
                return max(most, sum)
            }
        }
        var most = bound
        // The state of a GRU is within +-1.
        if let unit = network.memory { most = max(most, sum(unit.input, bound) + sum(unit.state, 1)) }
        for perceptron in [network.actor, network.critic] {
            var input = max(bound, 1)
            for layer in perceptron.layers {
                let output = sum(layer, input)
                most = max(most, output)
                input = perceptron.activation == .tanh ? 1 : output
            }
        }
        return most
    }
}

/// Magic and version in front of a payload, a checksum behind it.
enum Envelope {
    static func wrap(_ payload: [UInt8], magic: [UInt8], version: UInt16) -> [UInt8] {
        var writer = ByteWriter(reserving: payload.count + 32)
        for byte in magic { writer.write(byte) }
        writer.write(version)
        writer.write(payload)
        writer.write(FNV1a.hash(writer.bytes))
        return writer.bytes
    }

    static func unwrap(_ bytes: [UInt8], magic: [UInt8], version: UInt16) throws(CodingFailure) -> [UInt8] {
        guard bytes.starts(with: magic) else { throw .notThisFormat }
        var reader = ByteReader(Array(bytes.dropFirst(magic.count)))
        do {
            let found = try reader.integer(UInt16.self)
            guard found == version else { throw CodingFailure.unknownVersion(found) }
            let payload = try reader.byteArray()
            let sum = try reader.integer(UInt64.self)
            guard reader.isAtEnd, sum == FNV1a.hash(bytes.dropLast(8)) else { throw CodingFailure.damaged }
            return payload
        } catch let failure as CodingFailure {
            throw failure
        } catch {
            throw .damaged
        }
    }
}

// Saves and restores PPO and REINFORCE: a run that goes on from a checkpoint gives the same bytes as one never stopped.

import Base
import Neural

extension PPO {
    private static let magic: [UInt8] = Array("AWPT".utf8)
    private static let version: UInt16 = 1

    /// Shape, options, schedule position, weights, Adam's moments and steps, random state, and a checksum.
    public func encode() -> [UInt8] { encode(withWeights: true) }

    /// - Parameter withWeights: false leaves the weights out, for who keeps them elsewhere.
    public func encode(withWeights: Bool) -> [UInt8] {
        var writer = ByteWriter(reserving: parameters.values.count * 12 + 256)
        shape.encode(into: &writer)
        options.encode(into: &writer)
        writer.write(UInt64(updates))
        writer.write(withWeights ? parameters.values : [])
        optimizer.encode(into: &writer)
        generator.encode(into: &writer)
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: Self.version)
    }

    /// - Throws: `CodingFailure`; never traps, whatever the bytes are.
    public init(decoding bytes: [UInt8]) throws { try self.init(decoding: bytes, weights: nil) }

    /// - Parameter weights: the policy whose weights were left out.
    public init(decoding bytes: [UInt8], weights: Policy?) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: Self.version))
        do {
            let shape = try PolicyShape(from: &reader)
            let options = try Options(from: &reader)
            guard let updates = Int(exactly: try reader.integer(UInt64.self)) else { throw CodingFailure.damaged }
            let network = ActorCritic(shape)
            let written = try reader.floats()
            let values = written.isEmpty ? weights?.parameters ?? [] : written
            guard values.count == network.layout.count else { throw CodingFailure.wrongSize }
            let parameters = ParameterBuffer(layout: network.layout, values: values)
            let optimizer = try Adam(
                from: &reader, count: network.layout.count, options: .init(epsilon: options.adamEpsilon))
            let generator = try RandomGenerator(from: &reader)
            guard reader.isAtEnd else { throw CodingFailure.wrongSize }
            self.init(
                parameters: parameters, network: network, options: options, optimizer: optimizer,
                generator: generator, updates: updates)
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

extension PPO.Options {
    func encode(into writer: inout ByteWriter) {
        for value in [
            discount, gaeLambda, clip, valueClip ?? .nan, entropy, finalEntropy ?? .nan, valueCoefficient,
            rewardScale ?? .nan, learningRate,
            finalLearningRate ?? .nan, adamEpsilon, gradientNorm, targetKL ?? .nan,
        ] { writer.write(value) }
        writer.write(normalizesAdvantages)
        for value in [epochs, episodesPerUpdate, annealedUpdates] { writer.write(Int64(value)) }
        switch minibatch {
        case .steps(let count):
            writer.write(UInt8(0))
            writer.write(Int64(count))
        case .episodes(let count):
            writer.write(UInt8(1))
            writer.write(Int64(count))
        }
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        func optional(_ reader: inout ByteReader) throws(ByteReader.Failure) -> Float? {
            let value = try reader.float()
            return value.isNaN ? nil : value
        }
        discount = try reader.float()
        gaeLambda = try reader.float()
        clip = try reader.float()
        valueClip = try optional(&reader)
        entropy = try reader.float()
        finalEntropy = try optional(&reader)
        valueCoefficient = try reader.float()
        rewardScale = try optional(&reader)
        learningRate = try reader.float()
        finalLearningRate = try optional(&reader)
        adamEpsilon = try reader.float()
        gradientNorm = try reader.float()
        targetKL = try optional(&reader)
        normalizesAdvantages = try reader.bool()
        epochs = Int(try reader.integer(Int64.self))
        episodesPerUpdate = Int(try reader.integer(Int64.self))
        annealedUpdates = Int(try reader.integer(Int64.self))
        let kind = try reader.integer(UInt8.self)
        let count = Int(try reader.integer(Int64.self))
        switch kind {
        case 0: minibatch = .steps(count)
        case 1: minibatch = .episodes(count)
        default: throw .malformed
        }
    }
}

extension REINFORCE {
    private static let magic: [UInt8] = Array("AWRF".utf8)

    public func encode() -> [UInt8] {
        var writer = ByteWriter(reserving: parameters.values.count * 12 + 256)
        shape.encode(into: &writer)
        for value in [
            options.discount, options.learningRate, options.finalLearningRate ?? .nan, options.valueCoefficient,
            options.entropy, options.finalEntropy ?? .nan, options.gradientNorm,
        ] { writer.write(value) }
        for value in [options.annealedUpdates, options.episodesPerUpdate, updates] { writer.write(UInt64(value)) }
        writer.write(parameters.values)
        optimizer.encode(into: &writer)
        return Envelope.wrap(writer.bytes, magic: Self.magic, version: 1)
    }

    public init(decoding bytes: [UInt8]) throws {
        var reader = ByteReader(try Envelope.unwrap(bytes, magic: Self.magic, version: 1))
        do {
            let shape = try PolicyShape(from: &reader)
            var options = Options()
            options.discount = try reader.float()
            options.learningRate = try reader.float()
            let final = try reader.float()
            options.finalLearningRate = final.isNaN ? nil : final
            options.valueCoefficient = try reader.float()
            options.entropy = try reader.float()
            let finalEntropy = try reader.float()
            options.finalEntropy = finalEntropy.isNaN ? nil : finalEntropy
            options.gradientNorm = try reader.float()
            options.annealedUpdates = try reader.count()
            options.episodesPerUpdate = try reader.count()
            self.init(shape: shape, options: options, seed: 0)
            updates = try reader.count()
            parameters.values = try reader.floats(count: network.layout.count)
            optimizer = try Adam(from: &reader, count: network.layout.count, options: .init())
            guard reader.isAtEnd else { throw CodingFailure.wrongSize }
        } catch is ByteReader.Failure {
            throw CodingFailure.damaged
        }
    }
}

extension Adam {
    /// Before the first step the moments are zeros, and not written.
    func encode(into writer: inout ByteWriter) {
        writer.write(UInt64(steps))
        writer.write(steps == 0 ? [] : mean)
        writer.write(steps == 0 ? [] : square)
    }

    init(from reader: inout ByteReader, count: Int, options: Options) throws(ByteReader.Failure) {
        guard let steps = Int(exactly: try reader.integer(UInt64.self)) else { throw .malformed }
        let mean = try reader.floats()
        let square = try reader.floats()
        if steps == 0, mean.isEmpty, square.isEmpty {
            self = Adam(count: count, options: options)
            return
        }
        guard mean.count == count, let adam = Adam(mean: mean, square: square, steps: steps, options: options) else {
            throw .malformed
        }
        self = adam
    }
}

extension RandomGenerator {
    public func encode(into writer: inout ByteWriter) { for index in 0..<4 { writer.write(state[index]) } }

    /// - Throws: `ByteReader.Failure` when the bytes are too short.
    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        var words = SIMD4<UInt64>()
        for index in 0..<4 { words[index] = try reader.integer() }
        self.init(state: words)
    }
}

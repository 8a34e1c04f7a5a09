// What libFuzzer calls with bytes that it makes up: everything that reads bytes from outside, by the name of a target.
//
// deploy/fuzz builds it, in a package of its own, with the address sanitizer. A reader may refuse; it may not trap, hang or leak.

@testable import Agents
import Base
@testable import ClusterModel
@testable import Deciding
import Foundation
@testable import HTTPServer
@testable import Learning
import Scaling

private let target = ProcessInfo.processInfo.environment["AWARE_FUZZ"] ?? "http"

private typealias Argument = UnsafeMutablePointer<CChar>?

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<Argument>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The entry that the package manager gives an executable of this name; libFuzzer's own is not linked then.
@_cdecl("Fuzz_main")
public func start(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, fuzz)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    switch target {
    case "http": converse(bytes)
    case "json": readJSON(bytes)
    case "observation":
        read(bytes) { precondition(ObservationCodec.decode($0).errors.count <= ObjectReader.complaintsMax, "complaints are bounded") }
    case "profile": readProfile(bytes)
    case "quantity": readQuantity(bytes)
    case "trace": _ = try? LoadTrace(name: "fuzz", parsing: bytes)
    case "weights": readWeights(bytes)
    case "stored": readStored(bytes)
    case "enveloped": readEnveloped(bytes)
    case "yaml": _ = try? YAML.load(String(decoding: bytes, as: UTF8.self))
    default:
        fatalError("AWARE_FUZZ=\(target): http, json, observation, profile, quantity, trace, weights, stored, enveloped or yaml")
    }
    return 0
}

private let router: Router = {
    var router = Router()
    router.add(.get, "/") { _, _ in .respond }
    router.add(.post, "/v1/applications/{app}/decisions", options: RouteOptions(bodyBytesMax: 1 << 16)) { request, response in
        response.body(Array(request.body))
        return .respond
    }
    return router
}()

/// However a request arrives, in one piece or cut in two, its answers are the same.
private func converse(_ bytes: [UInt8]) {
    let whole = Exchange(router)
    whole.send(bytes)
    let split = Exchange(router)
    let cut = bytes.isEmpty ? 0 : Int(bytes[bytes.count / 2]) % (bytes.count + 1)
    split.send(bytes[..<cut])
    split.send(bytes[cut...])
    precondition(whole.statuses == split.statuses, "\(whole.statuses) or \(split.statuses)")
}

private func read(_ bytes: [UInt8], _ body: (JSONValue) -> Void) {
    let parser = JSONParser()
    if let value = try? parser.parse(String(decoding: bytes, as: UTF8.self)) { withExtendedLifetime(parser) { body(value) } }
}

private func readJSON(_ bytes: [UInt8]) {
    read(bytes) { value in
        var reader = ObjectReader(value, at: "")
        _ = reader.take("a")
        _ = reader.number("b", in: 0...1)
        _ = reader.integer("c", in: 0...100)
        _ = reader.boolean("d")
        reader.finish()
        precondition(reader.errors.count <= 60, "complaints are bounded")
    }
}

/// A profile that is accepted says the same when it is written and read again.
private func readProfile(_ bytes: [UInt8]) {
    read(bytes) { value in
        let (profile, errors) = ProfileCodec.decode(value)
        guard errors.isEmpty else { return }
        read(ProfileCodec.encode(profile)) { again in
            let (same, none) = ProfileCodec.decode(again)
            precondition(none.isEmpty && same == profile, "\(none)")
        }
    }
}

private func readQuantity(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    if let cores = Quantity.millicores(text) { _ = Quantity.text(millicores: cores) }
    if let size = Quantity.bytes(text) { _ = Quantity.text(bytes: size) }
    _ = bytes.withUnsafeBufferPointer { Timestamp.seconds($0) }
}

private func readWeights(_ bytes: [UInt8]) {
    if let policy = try? Policy(decoding: bytes) {
        let scratch = policy.makeScratch()
        var memory = policy.shape.emptyMemory()
        let state = [Float](repeating: 0.5, count: policy.shape.observationSize)
        let embedding = [Float](repeating: 0, count: policy.shape.embeddingSize)
        state.withUnsafeBufferPointer { state in
            embedding.withUnsafeBufferPointer { embedding in
                memory.withUnsafeMutableBufferPointer {
                    policy.decide(observation: state, embedding: embedding, memory: $0, scratch: scratch)
                }
            }
        }
    }
    _ = try? PPO(decoding: bytes)
    _ = try? DQN(decoding: bytes)
    _ = try? DDPG(decoding: bytes)
    _ = try? REINFORCE(decoding: bytes)
}

/// Learners and encoders in an envelope whose checksum fits, so that their own fields are reached. The first byte chooses.
private func readEnveloped(_ bytes: [UInt8]) {
    func wrapped(_ magic: String) -> [UInt8] { Envelope.wrap(Array(bytes.dropFirst()), magic: Array(magic.utf8), version: 1) }
    switch (bytes.first ?? 0) % 7 {
    case 0: _ = try? Policy(decoding: wrapped("AWPO"))
    case 1: _ = try? PPO(decoding: wrapped("AWPT"))
    case 2: _ = try? DQN(decoding: wrapped("AWDQ"))
    case 3: _ = try? DDPG(decoding: wrapped("AWDD"))
    case 4: _ = try? REINFORCE(decoding: wrapped("AWRF"))
    case 5: _ = try? MetaPPO(decoding: wrapped("AWMP"))
    default: _ = try? FrozenEncoder(decoding: wrapped("AWEN"))
    }
}

/// New ones: to make them takes longer than to read a stored one.
private let (newCore, newState) = (DecisionCore(Profile()), AgentState(application: 1, profile: Profile(), exploration: 1))

/// Without their checksums, which would keep the fuzzer out. The first byte chooses.
private func readStored(_ bytes: [UInt8]) {
    let rest = Array(bytes.dropFirst())
    var reader = ByteReader(rest)
    switch (bytes.first ?? 0) % 5 {
    case 0: _ = try? DecisionRecord.readObservation(from: &reader)
    case 1: _ = try? ExternalTransition(decoding: rest, time: 0, controller: "fuzz")
    case 2:
        var core = newCore
        guard (try? core.decode(from: &reader, lastAnswer: nil, lastCurrent: nil)) != nil else { return }
        // What was read must be fit to decide with.
        let perception = core.perceive(Observation(replicas: 2), at: 60)
        _ = core.settle(perception, proposed: nil)
    case 3:
        var state = newState
        try? state.decode(rest)
    default:
        _ = try? ApplicationLearner(
            decoding: StoredTrainer(episode: 1, state: rest, optimizer: nil), base: nil, seed: 1, model: { _ in nil })
    }
}

// The base policy and the encoder of workloads: as they ship, from files that `aware train` wrote, or from another server.

import API
import Agents
import Base
import BasePolicy
import Foundation
import Learning
import Logging
import Operations
import Recommender

/// What all applications share, and all servers of a fleet should: the same versions, or an application that moves meets
/// another first candidate, and neighbours cannot be compared.
struct SharedParts {
    let policy: Policy
    let encoder: FrozenEncoder
    let bytes: SharedBytes

    init(policy: [UInt8], encoder: [UInt8]) throws {
        self.encoder = try FrozenEncoder(decoding: encoder)
        self.policy = try ApplicationService.policy(of: policy, embeddingSize: self.encoder.encoder.embeddingSize)
        bytes = SharedBytes(policy: policy, encoder: encoder)
    }

    /// - Parameters:
    ///   - place: `nil` for what ships with aware; a policy file, with the encoder beside it as .encoder; or the address of a
    ///     server, which is asked for both.
    ///   - folder: where a copy of what a server gave is kept, for a start while it is away.
    ///   - tokenFile: for that server.
    static func load(_ place: String?, folder: String, tokenFile: String?, log: Logger) throws -> SharedParts {
        guard let place else { return try SharedParts(policy: BasePolicy.bytes, encoder: BasePolicy.encoderBytes) }
        do {
            if place.hasPrefix("http://") || place.hasPrefix("https://") {
                return try fetched(place, folder: folder, tokenFile: tokenFile, log: log)
            }
            let encoder = URL(fileURLWithPath: place).deletingPathExtension().appendingPathExtension("encoder").path
            // Without one beside it, workloads are described as before.
            return try SharedParts(
                policy: Array(Data(contentsOf: URL(fileURLWithPath: place))),
                encoder: FileManager.default.fileExists(atPath: encoder)
                    ? Array(Data(contentsOf: URL(fileURLWithPath: encoder))) : BasePolicy.encoderBytes)
        } catch let error as ServerReader.Failure {
            throw StartupError.noBasePolicy(
                place, error.description.replacing("--token-file", with: "--\(Setting.basePolicyTokenFile.name)"))
        } catch let error as CocoaError {
            throw StartupError.noBasePolicy(place, "\(error.localizedDescription) ")
        } catch {
            throw StartupError.noBasePolicy(place, "\(error) ")
        }
    }

    private static let patienceSeconds = 15

    private static func fetched(_ server: String, folder: String, tokenFile: String?, log: Logger) throws -> SharedParts {
        let files = ["policy", "encoder"].map { URL(fileURLWithPath: folder).appendingPathComponent("base.\($0)") }
        let parts: SharedParts
        do {
            // A start must not hang on a server that does: there is a copy.
            let reader = ServerReader(base: server, tokenFile: tokenFile, patienceSeconds: patienceSeconds)
            parts = try SharedParts(policy: try reader.bytes("/v1/base/policy"), encoder: try reader.bytes("/v1/base/encoder"))
        } catch {
            guard files.allSatisfy({ FileManager.default.fileExists(atPath: $0.path) }) else { throw error }
            let kept = try SharedParts(policy: Array(Data(contentsOf: files[0])), encoder: Array(Data(contentsOf: files[1])))
            log.warning(
                "the base policy is the one that was fetched last",
                metadata: ["version": "\(kept.bytes.policyVersion)", "server": "\(server)", "error": "\(error)"])
            return kept
        }
        for (file, bytes) in zip(files, [parts.bytes.policy, parts.bytes.encoder]) {
            try Data(bytes).write(to: file, options: .atomic)
        }
        return parts
    }

    /// What embeds applications.
    var workloadEncoder: WorkloadEncoder {
        WorkloadEncoder(
            version: encoder.version, encoder: encoder.encoder, parameters: encoder.parameters,
            references: encoder.references.map { .init(name: $0.name, vector: $0.vector) })
    }
}

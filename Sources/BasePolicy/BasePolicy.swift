// What ships with aware: the policy that is every application's first candidate, and the encoder of workloads.

import Learning

/// Trained across generated applications by one command, which `base.json` beside it names together with the scores. A
/// target of its own, so that its bytes are compiled once.
public enum BasePolicy {
    /// `Learning.Policy`'s byte form.
    public static var bytes: [UInt8] { PackageResources.base_policy }

    /// `Learning.FrozenEncoder`'s byte form.
    public static var encoderBytes: [UInt8] { PackageResources.base_encoder }

    /// The encoder that names what an application resembles: `FrozenEncoder.embedding(of:)` of up to
    /// `FrozenEncoder.episodesMax` (M = 20) of its episodes, of about 100 steps each and at least one, is 32 floats.
    /// - Throws: `CodingFailure` when the build's resource is damaged.
    public static func encoder() throws -> FrozenEncoder { try FrozenEncoder(decoding: encoderBytes) }
}

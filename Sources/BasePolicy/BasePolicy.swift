// The policy that ships with aware: trained across generated applications, every application's first candidate.

/// `Learning.Policy`'s byte form, embedded at build time. `base.json` beside it says how it was made and how it scored;
/// a target of its own, so that its bytes are compiled once.
public enum BasePolicy {
    public static var bytes: [UInt8] { PackageResources.base_policy }
}

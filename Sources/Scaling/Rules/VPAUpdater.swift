// Kubernetes' VPA updater: when a new estimate is worth touching a running pod.
//
// kubernetes/autoscaler vertical-pod-autoscaler/pkg/updater/priority/{update_priority_calculator,priority_processor}.go:
// outside the recommendation's bounds at once; inside them after twelve hours, when the change is a tenth or more.

import Base

/// When the sizes of one application became what they are, and whether an estimate changes them.
struct VPAUpdater: Sendable {
    /// `--in-recommendation-bounds-eviction-lifetime-threshold` and `--pod-update-threshold`.
    static let settledSeconds = 12 * 3600.0
    static let changeMin = 0.1

    private(set) var cpuSince: Double?
    private(set) var memorySince: Double?
    private var cpu = 0
    private var memory = 0

    init() {}

    /// Notes what runs. Its owner's size counts as new.
    mutating func observe(_ current: Allocation, isOwners: Bool, time: Double) {
        guard time.isFinite else { return }
        if cpuSince == nil || current.cpuMillicores != cpu || isOwners { cpuSince = time }
        if memorySince == nil || current.memoryBytes != memory || isOwners { memorySince = time }
        cpu = current.cpuMillicores
        memory = current.memoryBytes
    }

    /// - Parameters:
    ///   - limit: what runs, in the estimate's unit.
    ///   - since: when it became that.
    func acts(on estimate: VPA.Estimate, limit: Double, since: Double?, time: Double) -> Bool {
        if limit < estimate.lower || limit > estimate.upper { return true }
        guard let since, limit > 0, time - since >= Self.settledSeconds else { return false }
        return (estimate.target - limit).magnitude / limit >= Self.changeMin
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(cpuSince)
        writer.write(memorySince)
        writer.write(Int64(cpu))
        writer.write(Int64(memory))
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        cpuSince = try reader.optionalDouble()
        memorySince = try reader.optionalDouble()
        cpu = Int(try reader.integer(Int64.self))
        memory = Int(try reader.integer(Int64.self))
    }
}

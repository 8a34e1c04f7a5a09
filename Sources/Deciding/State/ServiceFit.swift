// How close to its objective an application runs at which utilisation, learned while it runs.

import Base

/// Slowly forgetting estimates of the latency's share that no other request causes, and of bearable utilisations.
struct ServiceFit: Sendable {
    /// Mean of latency x (1 - utilisation) / objective: for processor sharing, the latency of an idle replica over the
    /// objective (Kleinrock 1967). 0 before anything was measured.
    private(set) var idleShare: Float = 0
    /// The highest utilisation that kept the objective lately, and the lowest that missed it (1 when none did).
    private(set) var kept: Float = 0
    private(set) var missed: Float = 1
    /// Money an hour that the load needs, mean of about two hours; 0 before anything was measured.
    private(set) var need = 0.0

    init() {}

    /// - Parameters:
    ///   - utilization: of CPU. - ratio: latency over objective.
    mutating func observe(utilization: Double?, ratio: Double?, need hourlyNeed: Double?) {
        if let hourlyNeed, hourlyNeed.isFinite {
            need = need == 0 ? hourlyNeed : need + 0.01 * (hourlyNeed - need)
        }
        guard let utilization, let ratio, ratio.isFinite, ratio < 100 else { return }
        let busy = Float(min(utilization, 1))
        if busy < 0.9, ratio < 3 {
            let sample = Float(ratio) * (1 - busy)
            idleShare = idleShare == 0 ? sample : idleShare + 0.15 * (sample - idleShare)
        }
        kept *= 0.998
        missed += 0.002 * (1 - missed)
        if ratio <= 1 { kept = max(kept, busy) } else { missed = min(missed, busy) }
    }

    func encode(into writer: inout ByteWriter) {
        for value in [idleShare, kept, missed] { writer.write(value) }
        writer.write(need)
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        idleShare = try reader.float()
        kept = try reader.float()
        missed = try reader.float()
        need = try reader.double()
        guard (idleShare + kept + missed).isFinite, need.isFinite, need >= 0 else { throw .malformed }
    }
}

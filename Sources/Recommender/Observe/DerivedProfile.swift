// The profile that a workload gets: its own words where it has any, otherwise limits around what runs.

import Scaling

/// What `PUT /v1/applications/{app}` is sent.
struct DerivedProfile: Sendable, Equatable {
    /// Percentile of the latency objective, for the query; 99 without one.
    var percentile = 99.0
    /// JSON with its members in the order of their names.
    var text: String
    /// Somebody has written it: it replaces whatever the server has.
    var isExplicit: Bool

    /// Replicas, CPU and memory may grow to so many times what runs when the first profile is made.
    private static let growth = 4

    /// - Parameter sizing: of the pods that run.
    init(_ assignment: Assignment, sizing: Sizing) {
        if let own = assignment.claim?.profile ?? assignment.settings["profile"].flatMap({ try? JSON.parse($0) }) {
            text = own.text
            isExplicit = true
            percentile = own["slo"]?["percentile"]?.number ?? 99
            return
        }
        let settings = assignment.settings
        let workload = assignment.workload
        let minReplicas = settings["min-replicas"].flatMap(Int.init) ?? assignment.autoscaler?.minReplicas ?? min(2, max(1, workload.replicas))
        let maxReplicas =
            settings["max-replicas"].flatMap(Int.init) ?? assignment.autoscaler?.maxReplicas
            ?? max(10, Self.growth * workload.replicas)
        var profile: [String: JSON] = [
            "replicas": ["min": .integer(max(1, minReplicas)), "max": .integer(max(minReplicas, maxReplicas))],
            "resize": "inPlace",
        ]
        for resource in SizedResource.allCases {
            guard let total = sizing.total(resource) else { continue }
            let policies = assignment.containers.map { assignment.policy($0) }
            let (least, most) = (policies.compactMap { $0.minAllowed[resource] }, policies.compactMap { $0.maxAllowed[resource] })
            let step = resource == .cpu ? 50 : 32 << 20
            let isSized = assignment.resources.contains(resource)
            let low = isSized ? (least.isEmpty ? max(step, total / Self.growth) : least.reduce(0, +)) : total
            let high = isSized ? (most.isEmpty ? max(total, step) * Self.growth : most.reduce(0, +)) : total
            profile[resource.rawValue] = [
                "min": .string(Resources.text(min(low, total), resource)), "max": .string(Resources.text(max(high, total), resource)),
                "step": .string(Resources.text(step, resource)),
            ]
        }
        if let seconds = settings["latency"].flatMap(Self.seconds) {
            percentile = settings["percentile"].flatMap(Double.init).flatMap { (0..<100).contains($0) ? $0 : nil } ?? 99
            profile["slo"] = ["latencySeconds": .number(seconds), "percentile": .number(percentile)]
        } else {
            profile["slo"] = .null
        }
        text = JSON.object(profile).text
        isExplicit = ["min-replicas", "max-replicas", "latency", "percentile"].contains { settings[$0] != nil }
    }

    /// "500ms", "0.5s" or "0.5".
    static func seconds(_ text: String) -> Double? {
        let value =
            text.hasSuffix("ms") ? Double(text.dropLast(2)).map { $0 / 1000 }
            : Double(text.hasSuffix("s") ? String(text.dropLast()) : text)
        return value.flatMap { $0 > 0 && $0.isFinite ? $0 : nil }
    }
}

// A decision or an event in one sentence, for terminals.

import Foundation
import Recommender

enum DecisionSentence {
    /// "10:15:19 shop-web: the policy (v3) added 2 replicas: 7 x 640m 512Mi. LatencyAboveSLO; seen 5 replicas, …"
    static func text(_ decision: JSON) -> String {
        let who =
            switch decision["source"]?.string {
            case "policy": decision["exploring"]?.bool == true ? "the policy, exploring," : "the policy"
            case "rules": "the rules"
            case "hold": "held:"
            case "pin": "pinned:"
            default: "somebody"
            }
        let version = decision["modelVersion"]?.integer ?? 0
        var text =
            "\(time(decision)) \(decision["application"]?.string ?? ""): \(who)\(version > 0 && decision["source"]?.string == "policy" ? " (v\(version))" : "") "
            + "\(change(decision)): \(StatusCommand.size(decision["desired"])). \(decision["reason"]?.string ?? "")"
        if let seen = decision["observation"], let facts = facts(seen) { text += "; seen \(facts)" }
        let guards = (decision["explanation"]?["guards"]?.array ?? []).compactMap { $0["rule"]?.string }
        if !guards.isEmpty { text += "; guards: \(guards.joined(separator: ", "))" }
        for warning in (decision["explanation"]?["warnings"]?.array ?? []).compactMap(\.string) { text += "; \(warning)" }
        return text
    }

    private static func change(_ decision: JSON) -> String {
        var parts: [String] = []
        if let replicas = decision["horizontal"]?.integer, replicas != 0 {
            parts.append("\(replicas > 0 ? "added" : "took") \(abs(replicas)) \(abs(replicas) == 1 ? "replica" : "replicas")")
        }
        if let cpu = decision["vertical"]?["cpuMillicores"]?.integer, cpu != 0 { parts.append("\(cpu > 0 ? "raised" : "lowered") cpu by \(abs(cpu))m") }
        if let memory = decision["vertical"]?["memoryBytes"]?.integer, memory != 0 {
            parts.append("\(memory > 0 ? "raised" : "lowered") memory by \(abs(memory) >> 20)Mi")
        }
        return parts.isEmpty ? "kept everything" : parts.joined(separator: ", ")
    }

    private static func facts(_ seen: JSON) -> String? {
        func percent(_ name: String, _ what: String) -> String? { seen[name]?.number.map { "\(Int(($0 * 100).rounded())) % of \(what)" } }
        let facts = [
            seen["requestRate"]?.number.map { "\(Self.digits($0)) requests/s" }, seen["latencySeconds"]?.number.map { "\(Self.digits($0)) s" },
            percent("cpuUtilization", "the cpu"), percent("memoryUtilization", "the memory"),
            seen["oomKills"]?.integer.flatMap { $0 > 0 ? "\($0) OOM kills" : nil },
        ].compactMap { $0 }
        return facts.isEmpty ? nil : facts.joined(separator: ", ")
    }

    private static func digits(_ value: Double) -> String {
        String(format: value >= 100 ? "%.0f" : "%.3g", value)
    }

    /// "10:15:19 shop-web: transition offline > online, CandidateReady"
    static func event(_ event: JSON) -> String {
        let from = event["from"]?.string ?? ""
        let to = event["to"]?.string ?? ""
        let change = [from, to].filter { !$0.isEmpty }.joined(separator: " > ")
        return "\(time(event)) \(event["application"]?.string ?? "server"): \(event["kind"]?.string ?? "event") \(change), \(event["reason"]?.string ?? "")"
    }

    /// The time of day of a date-time.
    private static func time(_ item: JSON) -> String {
        let text = item["time"]?.string ?? ""
        guard let mark = text.firstIndex(of: "T") else { return text }
        return String(text[text.index(after: mark)...].prefix(8))
    }
}

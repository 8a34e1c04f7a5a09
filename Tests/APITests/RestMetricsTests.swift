// /metrics: Prometheus' naming rules, what must be there, and that it does not grow with the number of applications.

import Foundation
import Testing

@testable import API

@Suite(.serialized) struct RestMetricsTests {
    private struct Family {
        var type = ""
        var samples: [(labels: String, value: Double)] = []
    }

    /// The page by families; everything that breaks a rule of the text format or of naming.
    private func read(_ text: String) -> (families: [String: Family], mistakes: [String]) {
        var families: [String: Family] = [:]
        var mistakes: [String] = []
        var current = ""
        var seen: Set<Substring> = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            if line.hasPrefix("# HELP ") {
                current = String(words[2])
                if families[current] != nil { mistakes.append("\(current) comes twice") }
                if words.count < 4 { mistakes.append("\(current) has no help") }
                families[current] = Family()
            } else if line.hasPrefix("# TYPE ") {
                if words[2] != current { mistakes.append("TYPE of \(words[2]) stands elsewhere") }
                families[current]?.type = String(words[3])
            } else {
                guard let match = line.wholeMatch(of: /([a-z_]+)(\{(.*)\})? (-?[0-9.e+-]+)/) else {
                    mistakes.append("malformed: \(line)")
                    continue
                }
                if !match.1.hasPrefix(current) { mistakes.append("\(match.1) does not belong to \(current)") }
                let series = line.split(separator: " ")[0]
                if !seen.insert(series).inserted { mistakes.append("\(series) comes twice") }
                families[current]?.samples.append((String(match.3 ?? ""), Double(match.4) ?? .nan))
            }
        }
        for (name, family) in families {
            if name.wholeMatch(of: /(aware|process)_[a-z_]+/) == nil { mistakes.append("\(name) is no name of ours") }
            if (family.type == "counter") != name.hasSuffix("_total") { mistakes.append("\(name) is a \(family.type)") }
            for unit in ["milliseconds", "ms", "kilobytes", "percent", "minutes"] where name.contains("_" + unit) {
                mistakes.append("\(name): base units are seconds, bytes, ratios")
            }
        }
        return (families, mistakes)
    }

    @Test func namesFollowTheRulesAndEverythingIsThere() async throws {
        try await withRest { server in
            for cpu in [0.5, 1.5] {
                try await server.send("POST", "/v1/applications/shop/decisions", observation(cpu: cpu))
            }
            try await server.send("POST", "/v1/applications/shop/decisions", #"{"replicas": 3}"#)
            let (families, mistakes) = read(try await server.send("GET", "/metrics").text)
            #expect(mistakes.isEmpty, "\(mistakes)")
            let wanted = [
                "aware_decisions_total", "aware_decision_duration_seconds", "aware_guard_interventions_total",
                "aware_stage", "aware_reward", "aware_rules_reward", "aware_training_updates_total", "aware_training_cpu_seconds_total",
                "aware_training_backlog", "aware_commits_total", "aware_database_size_bytes",
                "aware_http_request_duration_seconds", "aware_kill_switch", "process_resident_memory_bytes",
                "process_cpu_seconds_total", "process_open_fds",
            ]
            #expect(Set(wanted).subtracting(families.keys).isEmpty)
            func value(_ family: String, _ labels: String) -> Double? {
                families[family]?.samples.first { $0.labels == labels }?.value
            }
            #expect(value("aware_decisions_total", "application=\"shop\",source=\"rules\"") == 2)
            #expect(value("aware_decisions_total", "application=\"shop\",source=\"hold\"") == 1)
            #expect(value("aware_decision_duration_seconds", "le=\"+Inf\"") == 3)
            #expect((value("aware_guard_interventions_total", "rule=\"badData\"") ?? 0) <= 1)
            #expect((value("aware_database_size_bytes", "file=\"log\"") ?? 0) > 0)
        }
    }

    /// 500 applications have series of their own; the others are one, and none is lost from the sum.
    @Test func labelsAreCapped() async throws {
        try await withRest { server in
            let count = MetricsRoute.applicationsMax + 20
            let batch = (0..<count).map { "{\"application\": \"app-\($0)\", \"replicas\": 3}" }.joined(separator: ",")
            let answer = try await server.send("POST", "/v1/decisions", "[\(batch)]")
            try #require(answer.status == 200 && answer.integer("/failed") == 0)
            let (families, mistakes) = read(try await server.send("GET", "/metrics").text)
            #expect(mistakes.isEmpty, "\(mistakes.prefix(3))")
            let samples = families["aware_decisions_total"]?.samples ?? []
            #expect(samples.count == 4 * (MetricsRoute.applicationsMax + 1))
            #expect(samples.reduce(0) { $0 + $1.value } == Double(count))
            #expect(samples.filter { $0.labels.contains("_other") }.reduce(0) { $0 + $1.value } == 20)
            #expect(families["aware_applications"]?.samples.first?.value == Double(count))
            #expect(families["aware_stage"]?.samples.count == 4 * MetricsRoute.applicationsMax)
        }
    }
}

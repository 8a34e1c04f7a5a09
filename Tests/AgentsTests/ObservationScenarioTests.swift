// Runs an agent through the text files in Scenarios/observations: what a recommender reports above each line of dashes,
// what is answered below it. They are the list of things that hurt people with other autoscalers.
//
// Set AWARE_REWRITE_SCENARIOS=1 to write the present behaviour into the files; read the difference before keeping it.

import Agents
import Foundation
import Scaling
import Testing
@testable import Deciding
@testable import Experiments

/// One application and its recommender, a step a minute:
///
///     profile replicas=1...10 slo=0.5     the limits, the objective in seconds; may change in mid-episode
///     see KEY=VALUE... [xCOUNT]           observations. Without keys: cpu 0.65, memory 0.5, latency 0.2, rate 100, as
///                                         many replicas and as large ones as were answered. `nil` leaves a key out,
///                                         `nan` is not a number. `age=S` was measured S seconds ago; `applied=no`;
///                                         `oom=N` kills; `same` repeats every value bit for bit
///     wait SECONDS                        nobody reports anything
///     clock SECONDS                       the server's clock is set
///     restart                             the process dies and comes back
///
/// Below the line stands the answer to the last observation of each `see`.
private struct Scenario {
    private var profile = Profile()
    private var agent: Agent
    private var context: DecisionContext
    private var decisions: [Decision] = []
    /// The server's clock, and the one by which metrics are stamped.
    private var now = 1_780_000_000.0
    private var metricsTime = 1_780_000_000.0

    init() throws {
        profile.minReplicas = 1
        profile.maxReplicas = 10
        profile.episodeSteps = 1000
        agent = try Self.agent(profile, [])
        context = DecisionContext(table: ServingTable())
    }

    private static func agent(_ profile: Profile, _ decisions: [Decision]) throws -> Agent {
        let agent = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: 1)
        try agent.restore(state: nil, decisions: decisions, policy: nil)
        return agent
    }

    mutating func run(_ line: String) throws -> [String] {
        var words = line.split(separator: " ").map(String.init)
        switch words.removeFirst() {
        case "profile":
            for word in words {
                let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
                if pair[0] == "replicas" {
                    let limits = pair[1].components(separatedBy: "...").compactMap(Int.init)
                    (profile.minReplicas, profile.maxReplicas) = (limits[0], limits[1])
                } else if pair[0] == "slo" {
                    profile.objective = .latency(seconds: try number(pair[1]), percentile: 99)
                } else {
                    Issue.record("unknown setting: \(word)")
                }
            }
            agent.update(profile: profile, revision: agent.revision + 1)
        case "see": return [try see(words)]
        case "wait":
            let seconds = try number(words[0])
            now += seconds
            metricsTime += seconds
        case "clock": now += try number(words[0])
        case "restart": agent = try Self.agent(profile, decisions)
        default: Issue.record("unknown command: \(line)")
        }
        return []
    }

    private func number(_ word: some StringProtocol) throws -> Double { try #require(Double(String(word))) }

    private mutating func see(_ words: [String]) throws -> String {
        let repetition = words.first { $0.hasPrefix("x") }
        let count = Int(try number(repetition?.dropFirst() ?? "1"))
        var answer = ""
        for _ in 0..<count {
            now += 60
            metricsTime += 60
            let observation = try observation(words.filter { !$0.hasPrefix("x") })
            let seq = Int64(decisions.count + 1)
            let result = agent.decide(
                observation, at: now, clientID: nil, warnings: [], isDryRun: false, context: &context,
                sequence: { seq })
            guard case .decided(let decision, _) = result else { return "no answer" }
            decisions.append(decision)
            answer = Self.line(decision)
        }
        return answer
    }

    private func observation(_ words: [String]) throws -> Observation {
        let last = decisions.last?.desired ?? Allocation(replicas: 4, cpuMillicores: 1000, memoryBytes: 512 << 20)
        // Real metrics never repeat to the last bit.
        let wobble = words.contains("same") ? 1 : 1 + 1e-4 * Double(decisions.count % 7)
        var observation = Observation(replicas: last.replicas)
        observation.cpuMillicores = last.cpuMillicores
        observation.memoryBytes = last.memoryBytes
        observation.cpuUtilization = 0.65 * wobble
        observation.memoryUtilization = 0.5 * wobble
        observation.latencySeconds = 0.2 * wobble
        observation.requestRate = 100 * wobble
        observation.time = metricsTime
        for word in words where word != "same" {
            let pair = word.split(separator: "=").map(String.init)
            let value = pair[1] == "nil" ? nil : Double(pair[1]).map { $0 * ($0 == 0 ? 1 : wobble) }
            switch pair[0] {
            case "cpu": observation.cpuUtilization = value
            case "memory": observation.memoryUtilization = value
            case "latency": observation.latencySeconds = value
            case "rate": observation.requestRate = value
            case "replicas": observation.replicas = Int(pair[1]) ?? 0
            case "oom": observation.oomKills = Int(pair[1])
            case "age": observation.time = metricsTime - (try number(pair[1]))
            case "applied": observation.applied = pair[1] != "no"
            default: Issue.record("unknown key: \(word)")
            }
        }
        return observation
    }

    /// "4 > 6 replicas: rules, CpuAboveTarget; warnings ...; guards ...".
    private static func line(_ decision: Decision) -> String {
        var line = "\(decision.current.replicas) > \(decision.desired.replicas) replicas"
        let memory = (decision.current.memoryBytes >> 20, decision.desired.memoryBytes >> 20)
        if memory.1 != memory.0 { line += ", \(memory.0) > \(memory.1) MiB" }
        line += ": \(decision.source.rawValue), \(decision.reason.rawValue)"
        if !decision.warnings.isEmpty { line += "; warns of " + decision.warnings.joined(separator: ", ") }
        var guards: [String] = []
        for record in decision.guards where guards.last != "\(record.rule)" { guards.append("\(record.rule)") }
        if !guards.isEmpty { line += "; guards " + guards.joined(separator: ", ") }
        return line
    }
}

@Suite struct ObservationScenarioTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Scenarios/observations")

    static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? [])
        .filter { $0.hasSuffix(".txt") }.sorted()

    @Test func everyRowOfTheListHasItsFile() {
        let rows = [
            "missing", "stale", "zeroed", "frozen", "not_a_number", "negative", "out_of_order", "clock_jump",
            "replicas_changed", "not_applied", "two_recommenders", "limits_changed", "gap", "restart",
        ]
        #expect(Self.names == rows.map { $0 + ".txt" }.sorted())
    }

    @Test(arguments: names) func answersAsWritten(_ name: String) throws {
        let file = Self.folder.appending(path: name)
        let text = try String(contentsOf: file, encoding: .utf8)
        var scenario = try Scenario()
        var written: [String] = []
        for block in text.components(separatedBy: "\n\n") {
            let parts = block.components(separatedBy: "\n----")
            guard parts.count == 2 else {
                written.append(block)
                continue
            }
            var happened: [String] = []
            for line in parts[0].split(separator: "\n") where !line.hasPrefix("#") {
                happened += try scenario.run(String(line))
            }
            written.append(parts[0] + "\n----\n" + happened.joined(separator: "\n"))
        }
        let actual = written.joined(separator: "\n\n").trimmingCharacters(in: .newlines) + "\n"
        if ProcessInfo.processInfo.environment["AWARE_REWRITE_SCENARIOS"] != nil {
            try actual.write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(actual == text.trimmingCharacters(in: .newlines) + "\n")
        }
    }
}

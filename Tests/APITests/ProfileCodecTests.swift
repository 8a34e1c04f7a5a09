// Profiles: what is written can be read, every field of it, and nothing that is misspelt passes.

import HTTPServer
import Scaling
import Testing

@testable import API

@Suite struct ProfileCodecTests {
    private static func decode(_ text: String) throws -> (profile: Profile, errors: [ProblemItem]) {
        try withJSON(text) { ProfileCodec.decode($0) }
    }

    private static func roundTrip(_ profile: Profile) throws -> Profile {
        let (copy, errors) = try decode(String(decoding: ProfileCodec.encode(profile), as: UTF8.self))
        #expect(errors.isEmpty)
        return copy
    }

    /// One profile for every field, with only that field changed.
    static let changes: [Profile] = {
        let edits: [(inout Profile) -> Void] = [
            { $0.objective = .latency(seconds: 0.0123, percentile: 99.9) },
            { $0.objective = .throughput(perSecond: 1234.5) },
            { $0.objective = .none }, { $0.minReplicas = 2 }, { $0.maxReplicas = 100_000 }, { $0.cpu.min = 1 },
            { $0.cpu.max = 64_001 }, { $0.cpu.step = 7 }, { $0.memory.min = 1 }, { $0.memory.max = (5 << 30) + 1 },
            { $0.memory.step = 3 << 20 }, { $0.reward.alpha = 0.25 }, { $0.reward.violation = 0.5 },
            { $0.reward.oom = 1 },
            { $0.reward.replicaChange = 0.001 }, { $0.reward.resize = 0 }, { $0.reward.unusedCpu = 0.123456 },
            { $0.bill.savings = 0.75 },
            { $0.bill.maxViolations = 0.05 }, { $0.bill.cpuHourPrice = 0.031 }, { $0.bill.gibHourPrice = 0.004 },
            { $0.resize = .restart }, { $0.algorithm = .dqn }, { $0.actuation = .observe }, { $0.episodeSteps = 7 },
            { $0.stepSeconds = 15 }, { $0.bootstrap = false }, { $0.meta = false }, { $0.controlEpisodes = false }, { $0.thresholds.online = 0.5 },
            { $0.thresholds.serving = 0.6 }, { $0.thresholds.deviation = 0.01 }, { $0.thresholds.window = 33 },
            { $0.guards.maxStepUp = 9 }, { $0.guards.maxStepDown = 8 }, { $0.guards.stabilizationDownSeconds = 300 },
            { $0.guards.reversalsPerHour = 5 }, { $0.guards.staleSeconds = 17 }, { $0.fallback.cpuTarget = 0.55 },
            { $0.fallback.memoryMargin = 0.3 }, { $0.fallback.calibrate = false }, { $0.fallback.cpuTargetMin = 0.4 },
            { $0.fallback.cpuTargetMax = 0.8 },
            // Found by fuzzing: six decimals were kept of it.
            { $0.objective = .latency(seconds: 0.44444444444444442, percentile: 99) }, { $0.bill.cpuHourPrice = 1e-7 }, { $0.containers = ["web", "side-car"] },
        ]
        return [Profile()]
            + edits.map { edit in
                var profile = Profile()
                edit(&profile)
                return profile
            }
    }()

    @Test(arguments: changes) func everyFieldSurvives(profile: Profile) throws {
        #expect(try Self.roundTrip(profile) == profile)
    }

    @Test func anEmptyObjectIsTheDefaults() throws {
        let (profile, errors) = try Self.decode("{}")
        #expect(profile == Profile() && errors.isEmpty)
    }

    @Test(arguments: [
        ("[]", "", "type"), (#"{"slos": {}}"#, "/slos", "unknown"), (#"{"slo": 3}"#, "/slo", "type"),
        (#"{"slo": {"latencySeconds": 0}}"#, "/slo/latencySeconds", "range"),
        (#"{"slo": {"percentile": 101}}"#, "/slo/percentile", "range"),
        (#"{"slo": {"latencySeconds": 1, "throughputPerSecond": 1}}"#, "/slo/throughputPerSecond", "conflict"),
        (#"{"slo": {"latency": 1}}"#, "/slo/latency", "unknown"),
        (#"{"replicas": {"min": 0}}"#, "/replicas/min", "range"),
        (#"{"replicas": {"min": 5, "max": 4}}"#, "/replicas/max", "range"),
        (#"{"replicas": {"min": 50}}"#, "/replicas/max", "range"),
        (#"{"replicas": {"max": 1.5}}"#, "/replicas/max", "type"),
        (#"{"cpu": {"min": "1Gi Gi"}}"#, "/cpu/min", "quantity"), (#"{"cpu": {"step": 0}}"#, "/cpu/step", "quantity"),
        (#"{"cpu": {"max": "100m"}}"#, "/cpu/max", "range"), (#"{"memory": {"min": "-1"}}"#, "/memory/min", "quantity"),
        (#"{"memory": {"max": "1Mi"}}"#, "/memory/max", "range"), (#"{"memory": []}"#, "/memory", "type"),
        (#"{"reward": {"alpha": 1.1}}"#, "/reward/alpha", "range"),
        (#"{"reward": {"oom": -1}}"#, "/reward/oom", "range"),
        (#"{"objective": {"savings": 1.5}}"#, "/objective/savings", "range"),
        (#"{"objective": {"maxViolations": 0}}"#, "/objective/maxViolations", "range"),
        (#"{"objective": {"cpuHourPrice": 0, "gibHourPrice": 0}}"#, "/objective/cpuHourPrice", "range"),
        (#"{"objective": {"saving": 1}}"#, "/objective/saving", "unknown"),
        (#"{"reward": {"beta": 1}}"#, "/reward/beta", "unknown"), (#"{"resize": "sometimes"}"#, "/resize", "value"),
        (#"{"algorithm": "magic"}"#, "/algorithm", "value"), (#"{"algorithm": 1}"#, "/algorithm", "value"),
        (#"{"actuation": "Auto"}"#, "/actuation", "value"), (#"{"episodeSteps": 1}"#, "/episodeSteps", "range"),
        (#"{"stepSeconds": 0}"#, "/stepSeconds", "range"), (#"{"bootstrap": 1}"#, "/bootstrap", "type"),
        (#"{"meta": "yes"}"#, "/meta", "type"), (#"{"thresholds": {"window": 1}}"#, "/thresholds/window", "range"),
        (#"{"thresholds": {"online": 2}}"#, "/thresholds/online", "range"),
        (#"{"guards": {"maxStepUp": 0}}"#, "/guards/maxStepUp", "range"),
        (#"{"guards": {"staleSeconds": "60"}}"#, "/guards/staleSeconds", "type"),
        (#"{"guards": {"a/b~c": 1}}"#, "/guards/a~1b~0c", "unknown"),
        (#"{"fallback": {"cpuTarget": 0}}"#, "/fallback/cpuTarget", "range"),
        (#"{"containers": []}"#, "/containers", "type"), (#"{"containers": ["a", 1]}"#, "/containers", "type"),
        (#"{"containers": "web"}"#, "/containers", "type"), (#"{"meta": true, "meta": false}"#, "/meta", "duplicate"),
    ])
    func refuses(text: String, pointer: String, code: String) throws {
        let errors = try Self.decode(text).errors
        #expect(errors.contains { $0.pointer == pointer && $0.code == code }, "\(errors)")
    }
}

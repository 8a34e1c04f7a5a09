// A profile as JSON, in both directions. Unknown members are errors: a misspelt limit must not be ignored.

import HTTPServer
import Scaling

public enum ProfileCodec {
    /// Reads a profile on top of the defaults, or everything that is wrong with it.
    static func decode(_ value: JSONValue) -> (profile: Profile, errors: [ProblemItem]) {
        var profile = Profile()
        var reader = ObjectReader(value, at: "")
        readObjective(&reader, &profile)
        if let replicas = reader.take("replicas") {
            var inner = ObjectReader(replicas, at: "/replicas")
            if let min = inner.integer("min", in: 1...100_000) { profile.minReplicas = min }
            if let max = inner.integer("max", in: 1...100_000) { profile.maxReplicas = max }
            if profile.maxReplicas < profile.minReplicas {
                inner.complain("max", "range", "max (\(profile.maxReplicas)) is below min (\(profile.minReplicas)).")
            }
            close(&inner, into: &reader)
        }
        readBounds("cpu", &reader, &profile.cpu, quantity: cpu)
        readBounds("memory", &reader, &profile.memory, quantity: memory)
        if let weights = reader.take("reward") {
            var inner = ObjectReader(weights, at: "/reward")
            if let x = inner.number("alpha", in: 0...1) { profile.reward.alpha = x }
            if let x = inner.number("violation", in: 0...10) { profile.reward.violation = x }
            if let x = inner.number("oom", in: 0...10) { profile.reward.oom = x }
            if let x = inner.number("replicaChange", in: 0...10) { profile.reward.replicaChange = x }
            if let x = inner.number("resize", in: 0...10) { profile.reward.resize = x }
            if let x = inner.number("unusedCpu", in: 0...10) { profile.reward.unusedCpu = x }
            close(&inner, into: &reader)
        }
        if let objective = reader.take("objective") {
            var inner = ObjectReader(objective, at: "/objective")
            if let x = inner.number("savings", in: 0...1) { profile.bill.savings = x }
            if let x = inner.number("maxViolations", in: 0.0001...1) { profile.bill.maxViolations = x }
            if let x = inner.number("cpuHourPrice", in: 0...1e6) { profile.bill.cpuHourPrice = x }
            if let x = inner.number("gibHourPrice", in: 0...1e6) { profile.bill.gibHourPrice = x }
            if profile.bill.cpuHourPrice == 0, profile.bill.gibHourPrice == 0 {
                inner.complain("cpuHourPrice", "range", "CPU and memory cannot both be free.")
            }
            close(&inner, into: &reader)
        }
        if let x = reader.choice("resize", Profile.Resize.self) { profile.resize = x }
        if let x = reader.choice("algorithm", Profile.Algorithm.self) { profile.algorithm = x }
        if let x = reader.choice("actuation", Profile.Actuation.self) { profile.actuation = x }
        if let x = reader.integer("episodeSteps", in: 2...10_000) { profile.episodeSteps = x }
        if let x = reader.integer("stepSeconds", in: 1...86_400) { profile.stepSeconds = x }
        if let x = reader.boolean("bootstrap") { profile.bootstrap = x }
        if let x = reader.boolean("meta") { profile.meta = x }
        if let x = reader.boolean("controlEpisodes") { profile.controlEpisodes = x }
        readThresholds(&reader, &profile.thresholds)
        readGuards(&reader, &profile.guards)
        if let fallback = reader.take("fallback") {
            var inner = ObjectReader(fallback, at: "/fallback")
            if let x = inner.number("cpuTarget", in: 0.01...1) { profile.fallback.cpuTarget = x }
            if let x = inner.number("memoryMargin", in: 0...10) { profile.fallback.memoryMargin = x }
            if let x = inner.boolean("calibrate") { profile.fallback.calibrate = x }
            if let x = inner.number("cpuTargetMin", in: 0.01...1) { profile.fallback.cpuTargetMin = x }
            if let x = inner.number("cpuTargetMax", in: 0.01...1) { profile.fallback.cpuTargetMax = x }
            if profile.fallback.cpuTargetMin > profile.fallback.cpuTargetMax {
                inner.complain("cpuTargetMin", "conflict", "cpuTargetMin is above cpuTargetMax.")
            }
            close(&inner, into: &reader)
        }
        readContainers(&reader, &profile)
        reader.finish()
        return (profile, reader.errors)
    }

    private static func close(_ inner: inout ObjectReader, into outer: inout ObjectReader) {
        inner.finish()
        outer.append(inner.errors)
    }

    private static func readObjective(_ reader: inout ObjectReader, _ profile: inout Profile) {
        guard let slo = reader.take("slo", nullable: true) else { return }
        if slo.isNull {
            profile.objective = .none
            return
        }
        var inner = ObjectReader(slo, at: "/slo")
        let throughput = inner.number("throughputPerSecond", in: 0.001...1e9)
        let latency = inner.number("latencySeconds", in: 0.0001...86_400)
        let percentile = inner.number("percentile", in: 1...100)
        switch (latency, throughput) {
        case (_?, _?):
            inner.complain("throughputPerSecond", "conflict", "Give latencySeconds or throughputPerSecond, not both.")
        case (nil, let throughput?): profile.objective = .throughput(perSecond: throughput)
        case (let latency, nil): profile.objective = .latency(seconds: latency ?? 0.5, percentile: percentile ?? 99)
        }
        close(&inner, into: &reader)
    }

    private static func readBounds(
        _ key: String, _ reader: inout ObjectReader, _ bounds: inout Profile.Bounds, quantity: (JSONValue) -> Int?
    ) {
        guard let value = reader.take(key) else { return }
        var inner = ObjectReader(value, at: "/\(key)")
        func read(_ name: String, _ target: inout Int) {
            guard let value = inner.take(name) else { return }
            if let amount = quantity(value), amount > 0 {
                target = amount
            } else {
                inner.complain(
                    name, "quantity",
                    "\(value.summary) is not a positive Kubernetes quantity such as "
                        + (key == "cpu" ? "\"250m\" or 1.5." : "\"512Mi\" or \"1G\"."))
            }
        }
        read("min", &bounds.min)
        read("max", &bounds.max)
        read("step", &bounds.step)
        if bounds.max < bounds.min { inner.complain("max", "range", "max is below min.") }
        close(&inner, into: &reader)
    }

    private static func readThresholds(_ reader: inout ObjectReader, _ thresholds: inout Profile.Thresholds) {
        guard let value = reader.take("thresholds") else { return }
        var inner = ObjectReader(value, at: "/thresholds")
        thresholds.online = inner.number("online", in: 0...1)
        thresholds.serving = inner.number("serving", in: 0...1)
        thresholds.deviation = inner.number("deviation", in: 0...1)
        if let x = inner.integer("window", in: 2...1000) { thresholds.window = x }
        close(&inner, into: &reader)
    }

    private static func readGuards(_ reader: inout ObjectReader, _ guards: inout Profile.GuardLimits) {
        guard let value = reader.take("guards") else { return }
        var inner = ObjectReader(value, at: "/guards")
        if let x = inner.integer("maxStepUp", in: 1...100_000) { guards.maxStepUp = x }
        if let x = inner.integer("maxStepDown", in: 1...100_000) { guards.maxStepDown = x }
        if let x = inner.integer("stabilizationDownSeconds", in: 0...86_400) { guards.stabilizationDownSeconds = x }
        if let x = inner.integer("reversalsPerHour", in: 1...3600) { guards.reversalsPerHour = x }
        if let x = inner.integer("staleSeconds", in: 1...86_400) { guards.staleSeconds = x }
        close(&inner, into: &reader)
    }

    private static func readContainers(_ reader: inout ObjectReader, _ profile: inout Profile) {
        guard let value = reader.take("containers") else { return }
        var names: [String] = []
        value.forEachElement { _, element in if let name = element.string { names.append(name) } }
        if value.kind == .array, !names.isEmpty, names.count == value.count, names.count <= 64,
            names.allSatisfy({ $0.utf8.count <= 63 && !$0.isEmpty })
        {
            profile.containers = names
        } else {
            reader.complain("containers", "type", "A list of 1 to 64 container names is expected, or [\"*\"].")
        }
    }

    // MARK: Quantities

    /// More is a slip of the unit: a million cores, a petabyte.
    private static let millicoresMax = 1_000_000_000
    private static let bytesMax = 1_000_000_000_000_000

    /// Millicores from `"250m"`, `"1"` or a number of cores; at most a million cores.
    static func cpu(_ value: JSONValue) -> Int? {
        let amount =
            value.number.map { Quantity.millicores(cores: $0) } ?? value.utf8.flatMap { Quantity.millicores(utf8: $0) }
        return amount.flatMap { $0 <= millicoresMax ? $0 : nil }
    }

    /// Bytes from `"512Mi"`, `"1G"` or a number of bytes; at most a petabyte.
    static func memory(_ value: JSONValue) -> Int? {
        let amount = value.number.map { Quantity.bytes($0) } ?? value.utf8.flatMap { Quantity.bytes(utf8: $0) }
        return amount.flatMap { $0 <= bytesMax ? $0 : nil }
    }

    // MARK: Writing

    /// Numbers exactly as they were given: what is read again after a restart is the same profile.
    static func encode(_ profile: Profile) -> [UInt8] {
        var writer = JSONWriter()
        writer.isExact = true
        writer.object { json in
            switch profile.objective {
            case .latency(let seconds, let percentile):
                json.object("slo") {
                    $0.member("latencySeconds", seconds)
                    $0.member("percentile", percentile)
                }
            case .throughput(let perSecond): json.object("slo") { $0.member("throughputPerSecond", perSecond) }
            case .none: json.null("slo")
            }
            json.object("replicas") {
                $0.member("min", profile.minReplicas)
                $0.member("max", profile.maxReplicas)
            }
            json.object("cpu") {
                $0.member("min", Quantity.text(millicores: profile.cpu.min))
                $0.member("max", Quantity.text(millicores: profile.cpu.max))
                $0.member("step", Quantity.text(millicores: profile.cpu.step))
            }
            json.object("memory") {
                $0.member("min", Quantity.text(bytes: profile.memory.min))
                $0.member("max", Quantity.text(bytes: profile.memory.max))
                $0.member("step", Quantity.text(bytes: profile.memory.step))
            }
            json.object("reward") {
                $0.member("alpha", profile.reward.alpha)
                $0.member("violation", profile.reward.violation)
                $0.member("oom", profile.reward.oom)
                $0.member("replicaChange", profile.reward.replicaChange)
                $0.member("resize", profile.reward.resize)
                $0.member("unusedCpu", profile.reward.unusedCpu)
            }
            json.object("objective") {
                $0.member("savings", profile.bill.savings)
                $0.member("maxViolations", profile.bill.maxViolations)
                $0.member("cpuHourPrice", profile.bill.cpuHourPrice)
                $0.member("gibHourPrice", profile.bill.gibHourPrice)
            }
            json.member("resize", profile.resize.rawValue)
            json.member("algorithm", profile.algorithm.rawValue)
            json.member("episodeSteps", profile.episodeSteps)
            json.member("stepSeconds", profile.stepSeconds)
            json.member("bootstrap", profile.bootstrap)
            json.member("meta", profile.meta)
            json.member("controlEpisodes", profile.controlEpisodes)
            json.object("thresholds") {
                $0.member("online", profile.thresholds.online)
                $0.member("serving", profile.thresholds.serving)
                $0.member("deviation", profile.thresholds.deviation)
                $0.member("window", profile.thresholds.window)
            }
            json.member("actuation", profile.actuation.rawValue)
            json.object("guards") {
                $0.member("maxStepUp", profile.guards.maxStepUp)
                $0.member("maxStepDown", profile.guards.maxStepDown)
                $0.member("stabilizationDownSeconds", profile.guards.stabilizationDownSeconds)
                $0.member("reversalsPerHour", profile.guards.reversalsPerHour)
                $0.member("staleSeconds", profile.guards.staleSeconds)
            }
            json.object("fallback") {
                $0.member("cpuTarget", profile.fallback.cpuTarget)
                $0.member("memoryMargin", profile.fallback.memoryMargin)
                $0.member("calibrate", profile.fallback.calibrate)
                $0.member("cpuTargetMin", profile.fallback.cpuTargetMin)
                $0.member("cpuTargetMax", profile.fallback.cpuTargetMax)
            }
            json.array("containers") { for name in profile.containers { $0.element(name) } }
        }
        return writer.bytes
    }
}

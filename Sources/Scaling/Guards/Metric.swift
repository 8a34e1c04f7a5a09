// The metrics of an observation and what each can be at most: what is beyond it was not measured, and counts as missing.

/// A metric of an observation, by the name that clients know.
public enum Metric: UInt8, Sendable, CaseIterable {
    case cpuUtilization, memoryUtilization, memoryPeakUtilization, memoryPressure, latencySeconds, sloPreservation
    case requestRate, throughput, networkUtilization, ioUtilization, throttledRatio, oomKills, readyReplicas
    case existingReplicas, cpuLimit, memoryLimit, reward, time

    public var name: String { Self.names[Int(rawValue)] }
    private static let names = allCases.map { "\($0)" }

    /// The most that it can be. Utilisations are shares of a limit, or of a request where there is no limit: CPU may
    /// exceed its request several times, memory a little. Whoever sends 35 means per cent.
    public var highest: Double {
        switch self {
        case .cpuUtilization: 10
        case .memoryUtilization, .memoryPeakUtilization: 4
        case .networkUtilization, .ioUtilization: 100
        case .memoryPressure, .sloPreservation, .throttledRatio: 1
        case .latencySeconds: 86_400
        case .requestRate, .throughput: 1e12
        case .oomKills, .readyReplicas, .existingReplicas: 1e6
        case .cpuLimit, .memoryLimit: 1e15
        case .reward: 1000
        case .time: 253_402_300_800  // the year 10000
        }
    }
}

/// Metrics that could not be read, a bit each, by what is wrong with them.
public struct UnreadableMetrics: Sendable, Equatable {
    private(set) var negative: UInt32 = 0
    private(set) var notFinite: UInt32 = 0
    private(set) var impossible: UInt32 = 0

    public init() {}

    public var isEmpty: Bool { negative | notFinite | impossible == 0 }

    var quality: ObservationQuality {
        var quality: ObservationQuality = []
        if negative != 0 { quality.insert(.negative) }
        if notFinite != 0 { quality.insert(.notFinite) }
        if impossible != 0 { quality.insert(.impossible) }
        return quality
    }

    /// What is to be told: "negative: cpuUtilization counts as missing".
    public var warnings: [String] {
        guard !isEmpty else { return [] }
        return Metric.allCases.compactMap { metric in
            let bit = UInt32(1) << UInt32(metric.rawValue)
            if negative & bit != 0 { return "negative: \(metric.name) counts as missing" }
            if notFinite & bit != 0 { return "notFinite: \(metric.name) is not a number and counts as missing" }
            guard impossible & bit != 0 else { return nil }
            let hint = metric.highest <= 10 ? "; a share is expected, 0.35 for 35 %" : ""
            return "impossible: \(metric.name) is above \(metric.highest) and counts as missing\(hint)"
        }
    }

    /// Makes what cannot be read missing.
    @inline(__always)
    mutating func read(_ metric: Metric, _ value: inout Double?) {
        guard let found = value, !(found >= 0 && found <= metric.highest) else { return }
        note(metric, found)
        value = nil
    }

    @inline(__always)
    mutating func read(_ metric: Metric, _ value: inout Int?) {
        guard let found = value, found < 0 || Double(found) > metric.highest else { return }
        note(metric, Double(found))
        value = nil
    }

    private mutating func note(_ metric: Metric, _ value: Double) {
        let bit = UInt32(1) << UInt32(metric.rawValue)
        if !value.isFinite { notFinite |= bit } else if value < 0 { negative |= bit } else { impossible |= bit }
    }

    /// The rewards that clients send may be negative.
    mutating func readReward(_ value: inout Double?) {
        guard let found = value, !(abs(found) <= Metric.reward.highest) else { return }
        note(.reward, abs(found))
        value = nil
    }
}

extension Observation {
    /// The same with everything missing that cannot have been measured, and what that was.
    public func readable() -> (observation: Observation, unreadable: UnreadableMetrics) {
        var observation = self
        var unreadable = UnreadableMetrics()
        unreadable.read(.cpuUtilization, &observation.cpuUtilization)
        unreadable.read(.memoryUtilization, &observation.memoryUtilization)
        unreadable.read(.memoryPeakUtilization, &observation.memoryPeakUtilization)
        unreadable.read(.memoryPressure, &observation.memoryPressure)
        unreadable.read(.latencySeconds, &observation.latencySeconds)
        unreadable.read(.sloPreservation, &observation.sloPreservation)
        unreadable.read(.requestRate, &observation.requestRate)
        unreadable.read(.throughput, &observation.throughput)
        unreadable.read(.networkUtilization, &observation.networkUtilization)
        unreadable.read(.ioUtilization, &observation.ioUtilization)
        unreadable.read(.throttledRatio, &observation.throttledRatio)
        unreadable.read(.oomKills, &observation.oomKills)
        unreadable.read(.readyReplicas, &observation.readyReplicas)
        unreadable.read(.existingReplicas, &observation.existingReplicas)
        unreadable.read(.cpuLimit, &observation.cpuMillicores)
        unreadable.read(.memoryLimit, &observation.memoryBytes)
        unreadable.read(.time, &observation.time)
        unreadable.readReward(&observation.reward)
        if observation.cpuMillicores == 0 { observation.cpuMillicores = nil }
        if observation.memoryBytes == 0 { observation.memoryBytes = nil }
        return (observation, unreadable)
    }
}

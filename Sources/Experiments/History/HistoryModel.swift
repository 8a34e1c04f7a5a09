// What a history is replayed on: a model fitted to what it measured, or five applications that stand in.

import Base
import ClusterModel
import Scaling

/// What the owner says of the application; what is `nil` is told by the history.
public struct ReplayOptions: Sendable {
    /// The latency objective in seconds, at `percentile`.
    public var sloSeconds: Double?
    public var percentile = 99.0
    public var maxReplicas: Int?
    /// Prices, and the share of minutes that may miss the objective: what rules are calibrated to.
    public var bill = BillObjective()
    public var savings = [0, 0.25, 0.5, 0.75, 1.0]
    public var seed: UInt64 = 1

    public init() {}
}

/// Applications with the load that each is played with.
public struct HistoryModel: Sendable {
    public struct Part: Sendable {
        public var application: SyntheticApplication
        public var profile: Profile
        /// Requests per second by sub-step.
        public var load: [Double]
    }

    public private(set) var parts: [Part] = []
    /// Whether `parts` is one application that was fitted to the history.
    public private(set) var isFitted = false
    /// What ran, by minute, where replicas and both limits are known throughout.
    public private(set) var recorded: [Allocation]?
    /// Mean of |ln(measured latency / modelled latency)| of the fit; `nil` without latencies.
    public private(set) var latencyError: Double?
    public private(set) var notes: [String] = []

    /// What is assumed of a replica where the history says nothing.
    private static let assumed = Allocation(replicas: 1, cpuMillicores: 1000, memoryBytes: 1 << 30)
    private static let assumedMemoryShare = 0.25
    private static let assumedUtilization = 0.7
    private static let standIns = 5
    /// Peak of the load over the capacity of a stand-in.
    private static let standInLevel = 0.6
    /// Objective over an idle replica's latency where nothing was measured, and at least where it was.
    private static let idleFactor = (unknown: 4.0, least: 2.0)

    public init(_ history: History, _ options: ReplayOptions) {
        guard let steps = steps(history), let fitted = SystemIdentification.fit(steps, profile: Profile()) else {
            standIn(history, options)
            return
        }
        isFitted = true
        latencyError = history.minutes[.latencySeconds] == nil ? nil : fitted.latencyError
        let size = usualSize(steps, fitted.service)
        let application = SyntheticApplication(
            name: "replayed", service: fitted.service,
            sloSeconds: options.sloSeconds ?? objective(history, fitted.service, size, options), defaultSize: size)
        parts = [
            Part(
                application: application, profile: profile(application, history, steps, options), load: history.load)
        ]
    }

    // MARK: A fitted model

    /// The minutes as decision steps; `nil` without CPU, which no model can do without.
    private mutating func steps(_ history: History) -> [RecordedStep]? {
        let minutes = history.minutes
        guard minutes[.cpuCores] != nil || minutes[.cpuUtilization] != nil else {
            notes.append("there is no CPU in the history: five applications stand in, with your load")
            return nil
        }
        if minutes[.cpuCores] == nil, minutes[.replicas] == nil {
            notes.append("cpuUtilization without replicas says nothing of cores: five applications stand in, with your load")
            return nil
        }
        if minutes[.cpuLimit] == nil { notes.append("the CPU limit of a replica is not known: one core is assumed") }
        if minutes[.memoryBytes] == nil, minutes[.memoryUtilization] == nil {
            notes.append("memory is not known: 256 MiB a replica is assumed, so that memory and kills say little")
        } else if minutes[.memoryLimit] == nil, minutes[.memoryBytes] == nil {
            notes.append("the memory limit of a replica is not known: 1 GiB is assumed")
        }
        if minutes[.replicas] == nil { notes.append("replicas are not known: as many as keep CPU at 70 % are assumed") }
        if minutes[.latencySeconds] == nil { notes.append("latency is not known: the model's comes from its CPU time alone") }
        func value(_ measure: HistoryMeasure, _ minute: Int) -> Double? { minutes[measure]?[minute] }
        var steps: [RecordedStep] = []
        var recorded: [Allocation]? = []
        for minute in 0..<history.minuteCount {
            var allocation = Self.assumed
            if let limit = value(.cpuLimit, minute), limit >= 1 { allocation.cpuMillicores = Int(limit) }
            if let limit = value(.memoryLimit, minute), limit >= 1 { allocation.memoryBytes = Int(min(limit, 1e15)) }
            let cores = Double(allocation.cpuMillicores) / 1000
            if let replicas = value(.replicas, minute) {
                allocation.replicas = Int(min(replicas.rounded(), 1e6))
            } else if let used = value(.cpuCores, minute) {
                allocation.replicas = max(1, Int((used / Self.assumedUtilization / cores).rounded(.up)))
            }
            let isKnown = value(.cpuLimit, minute) != nil && value(.memoryLimit, minute) != nil && value(.replicas, minute) != nil
            if isKnown { recorded?.append(allocation) } else { recorded = nil }
            guard allocation.replicas > 0 else { continue }
            let all = Double(allocation.replicas)
            var observation = Observation(replicas: allocation.replicas)
            observation.requestRate = history.load[minute * History.subSteps..<(minute + 1) * History.subSteps]
                .reduce(0, +) / Double(History.subSteps)
            observation.cpuUtilization = value(.cpuCores, minute).map { $0 / all / cores } ?? value(.cpuUtilization, minute)
            observation.memoryUtilization =
                value(.memoryBytes, minute).map { $0 / all / Double(allocation.memoryBytes) }
                ?? value(.memoryUtilization, minute) ?? Self.assumedMemoryShare
            observation.latencySeconds = value(.latencySeconds, minute)
            observation.oomKills = value(.oomKills, minute).map { Int(min($0, 1e6)) }
            steps.append(RecordedStep(allocation: allocation, observation: observation))
        }
        self.recorded = recorded
        return steps
    }

    /// The middle of what ran; where no limits are known one core, and memory as for a generated application.
    private func usualSize(_ steps: [RecordedStep], _ service: ServiceModel) -> Allocation {
        let full = service.baseBytes + ServiceModel.requestsInFlightMax * service.bytesPerRequest
        let needed = max(128, Int((1.2 * full / 1_048_576).rounded(.up))) << 20
        let cpu = steps.map { Double($0.allocation.cpuMillicores) }.quantile(0.5)
        let memory = steps.map { Double($0.allocation.memoryBytes) }.quantile(0.5)
        return Allocation(
            replicas: 2, cpuMillicores: Int(cpu), memoryBytes: recorded == nil ? needed : Int(memory))
    }

    /// What was kept in 99 % of the minutes: the same service, for less. Without latencies four times an idle replica's.
    private mutating func objective(
        _ history: History, _ service: ServiceModel, _ size: Allocation, _ options: ReplayOptions
    ) -> Double {
        let idle = service.latency(cores: Double(size.cpuMillicores) / 1000, load: 0, percentile: options.percentile)
        let measured = (history.minutes[.latencySeconds] ?? []).compactMap { $0 }.filter { $0 > 0 }
        guard measured.count >= SystemIdentification.stepsMin else {
            notes.append("the objective is four times an idle replica's latency; --slo SECONDS says your own")
            return Self.idleFactor.unknown * idle
        }
        notes.append("the objective is the latency that your history kept in 99 % of its minutes; --slo SECONDS says your own")
        return max(measured.quantile(0.99), Self.idleFactor.least * idle)
    }

    /// Limits that hold what ran, and the load.
    private func profile(
        _ application: SyntheticApplication, _ history: History, _ steps: [RecordedStep], _ options: ReplayOptions
    ) -> Profile {
        var profile = application.profile
        profile.objective = .latency(seconds: application.sloSeconds, percentile: options.percentile)
        profile.bill = options.bill
        let cpu = steps.map(\.allocation.cpuMillicores).max() ?? 0
        let memory = max(steps.map(\.allocation.memoryBytes).max() ?? 0, application.defaultSize.memoryBytes)
        profile.cpu.max = Self.roundedUp(max(profile.cpu.max, cpu), profile.cpu.step)
        profile.memory.max = Self.roundedUp(max(profile.memory.max, memory), profile.memory.step)
        let size = Double(application.defaultSize.cpuMillicores) / 1000
        let each = application.service.capacity(cores: size, within: application.sloSeconds, percentile: options.percentile)
        let peak = (history.load.max() ?? 0) * 1.3 / max(each, 1e-9)
        let seen = 2 * (steps.map(\.allocation.replicas).max() ?? 0)
        profile.maxReplicas = options.maxReplicas ?? max(20, seen, Int(min(peak, 1000).rounded(.up)))
        return profile
    }

    private static func roundedUp(_ value: Int, _ step: Int) -> Int { (value + step - 1) / step * step }

    // MARK: Stand-ins

    /// Applications that no policy was trained on, each with the load's peak at 60 % of what it can serve.
    private mutating func standIn(_ history: History, _ options: ReplayOptions) {
        if notes.isEmpty { notes.append("too few minutes have both requests and CPU: five applications stand in, with your load") }
        notes.append("the load's peak is set to 60 % of each stand-in's capacity: read ratios, not amounts")
        recorded = nil
        // What few requests a second do within a minute is chance; at a stand-in's scale it would be a burst.
        let minutes = LoadTrace(
            name: "history", intervalSeconds: 60,
            requests: stride(from: 0, to: history.load.count, by: History.subSteps).map {
                history.load[$0..<$0 + History.subSteps].reduce(0, +) / Double(History.subSteps)
            })
        let load = minutes.shape(0..<minutes.subStepCount) ?? history.load
        parts = SyntheticApplication.split(seed: 1).test.prefix(Self.standIns).map { application in
            var profile = application.profile
            profile.bill = options.bill
            if let most = options.maxReplicas { profile.maxReplicas = most }
            return Part(
                application: application, profile: profile,
                load: LoadLevel.scale(load, to: Self.standInLevel, of: application.capacity(profile: profile)))
        }
    }
}

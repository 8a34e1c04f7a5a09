// The reward of one step: how well the objective was kept and how well the resources were used.

/// What one observation says about the step that led to it.
public struct RewardParts: Sendable, Equatable {
    /// SP: min(1, objective / measured), 0..1; 1 without an objective; `nil` when it was not measured.
    public var sloPreservation: Double?
    /// RU: mean of the CPU and memory utilisations that were measured, each capped at 1; `nil` when none was.
    public var utilization: Double?
    /// alpha * SP + (1 - alpha) * RU, 0..1: the reward that is reported. `nil` unless both parts are known.
    public var value: Double?
    /// The objective was missed in this step.
    public var violated: Bool

    public init(sloPreservation: Double?, utilization: Double?, value: Double?, violated: Bool) {
        self.sloPreservation = sloPreservation
        self.utilization = utilization
        self.value = value
        self.violated = violated
    }
}

/// Pure functions from observations to rewards.
public enum Reward {
    /// The reward of the step that `observation` ended, credited to the previous decision.
    ///
    /// Missing metrics: a half-measured step has no reward, because leaving a term out would pay for what was not
    /// seen (a missing latency would turn every reward into pure utilisation). RU needs one of CPU and memory. SP is 1
    /// without an objective, and 1 for a latency objective when no request arrived and so no latency exists. An
    /// explicit `reward` of the observation replaces the value, within what the value can be. Other values that are not
    /// finite, or negative, count as missing.
    public static func step(_ observation: Observation, _ profile: Profile) -> RewardParts {
        let preservation = sloPreservation(observation, profile.objective)
        let utilization = meanUtilization(observation)
        var value: Double?
        if let explicit = observation.reward, explicit.isFinite {
            value = clipped(explicit)
        } else if let preservation, let utilization {
            value = profile.reward.alpha * preservation + (1 - profile.reward.alpha) * utilization
        }
        return RewardParts(
            sloPreservation: preservation, utilization: utilization, value: value,
            violated: preservation.map { $0 < 1 } ?? false)
    }

    /// What a reported reward can be, whatever alpha is: both of its parts are shares of 1.
    public static let range = 0.0...1.0

    /// What a client says that a step was worth, within what this form of reward can be: nobody can outbid what can be
    /// measured.
    public static func clipped(_ reward: Double) -> Double { min(range.upperBound, max(range.lowerBound, reward)) }

    /// The reported reward as the server measures it: without what the client says that it was.
    public static func measured(_ observation: Observation, _ profile: Profile) -> Double? {
        var observation = observation
        observation.reward = nil
        return step(observation, profile).value
    }

    /// The reward that training maximises: the step's cost by the profile's objective, negative; where the owner speaks in
    /// rewards, what is reported for the step. `nil` unless the service level was measured.
    ///
    /// - Parameters:
    ///   - previous: the allocation before the decision that earned this reward.
    ///   - decided: the allocation that it chose.
    ///   - need: money an hour that the load needs on average; `nil` takes this observation's.
    public static func penalized(
        _ parts: RewardParts, observation: Observation, previous: Allocation, decided: Allocation, profile: Profile,
        need: Double? = nil
    ) -> Double? {
        if profile.goesByReward { return parts.value }
        guard let preservation = parts.sloPreservation else { return nil }
        var step = BillObjective.Step()
        step.violated = parts.violated
        step.preservation = preservation
        step.oomKills = observation.oomKills ?? 0
        step.replicasChanged = decided.replicas != previous.replicas
        step.resized =
            decided.cpuMillicores != previous.cpuMillicores || decided.memoryBytes != previous.memoryBytes
        guard let need = need ?? profile.bill.hourlyNeed(observation, decided) else { return nil }
        step.relativeBill = min(profile.bill.hourlyBill(decided) / need, 1000)
        return -profile.bill.cost(step)
    }

    private static func sloPreservation(_ observation: Observation, _ objective: Profile.Objective) -> Double? {
        if let given = measured(observation.sloPreservation) { return min(1, given) }
        switch objective {
        case .none: return 1
        case .latency(let seconds, _):
            guard let latency = measured(observation.latencySeconds) else {
                return observation.requestRate == 0 ? 1 : nil
            }
            return latency <= seconds ? 1 : seconds / latency
        case .throughput(let perSecond):
            guard let throughput = measured(observation.throughput) else { return nil }
            return throughput >= perSecond ? 1 : throughput / perSecond
        }
    }

    private static func meanUtilization(_ observation: Observation) -> Double? {
        switch (measured(observation.cpuUtilization), measured(observation.memoryUtilization)) {
        case (let cpu?, let memory?): (min(1, cpu) + min(1, memory)) / 2
        case (let one?, nil), (nil, let one?): min(1, one)
        case (nil, nil): nil
        }
    }

    private static func measured(_ value: Double?) -> Double? {
        guard let value, value.isFinite, value >= 0 else { return nil }
        return value
    }
}

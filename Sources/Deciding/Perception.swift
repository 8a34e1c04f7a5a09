// What the steps of a decision hand to each other: what was seen, what was wanted, what came of it.

import Scaling

/// What an observation says, before anybody acts on it.
public struct Perception: Sendable {
    public var observation: Observation
    /// Seconds.
    public var time: Double
    public var quality: ObservationQuality
    /// What is to be told of the observation.
    public var warnings: [String]
    /// What runs; for an observation that is not believed, what was answered last.
    public var current: Allocation
    /// What the rules would do.
    public var rules: Allocation
    public var parts: RewardParts
    /// The most cores that the load took in all within ten minutes; `nil` when it is not known.
    public var usedCores: Double?
    /// Whether what was measured is the previous decision's doing.
    public var isCredited: Bool
    /// The reward of the previous decision with the training penalties; `nil` when it cannot be known.
    public var penalized: Double?
    public var memoryNeed: MemoryNeed

    /// The cores that the load takes in all; `nil` when CPU was not measured.
    var presentCores: Double? {
        observation.cpuUtilization.map {
            $0 * Double(min(observation.readyReplicas ?? current.replicas, current.replicas)) * Double(current.cpuMillicores)
                / 1000
        }
    }

    /// Whether a policy lacks what it was trained with: the objective's measure, or the CPU use.
    public var isBlind: Bool { parts.sloPreservation == nil || observation.cpuUtilization == nil }

    /// The reported reward of the previous decision, `nil` when it cannot be known.
    public var reward: Double? { isCredited ? parts.value : nil }
}

/// What a policy wanted before any guard.
public struct Proposal: Sendable, Equatable {
    public var allocation: Allocation
    /// Probability of the chosen combination of actions.
    public var probability: Double
    /// The critic's estimate of the discounted return.
    public var value: Double

    public init(allocation: Allocation, probability: Double, value: Double) {
        self.allocation = allocation
        self.probability = probability
        self.value = value
    }
}

/// What learning needs of a step.
public struct Experience: Sendable, Equatable {
    /// The state vector, `StateEncoder.count` values.
    public var state: [Float]
    /// A bit for every choice of all heads, the first one lowest: 1 where it was legal.
    public var mask: UInt32
    /// Chosen index of every head; when the rules acted, the legal choices nearest to what they did.
    public var action: Action
    /// Log-probability of `action` under the acting policy; 0 when the rules acted.
    public var logProbability: Float
    public var value: Float
    /// Hidden state of a recurrent policy before this step; empty for a feed-forward one.
    public var memory: [Float]

    public init(
        state: [Float], mask: UInt32, action: Action, logProbability: Float, value: Float, memory: [Float]
    ) {
        self.state = state
        self.mask = mask
        self.action = action
        self.logProbability = logProbability
        self.value = value
        self.memory = memory
    }

    /// The mask as one byte a choice, the form that policies and learning read.
    public func maskBytes(count: Int) -> [UInt8] { (0..<count).map { UInt8(mask >> UInt32($0) & 1) } }
}

/// What is answered.
public struct Settlement: Sendable {
    /// What the actor wanted, before the guards.
    public var proposed: Allocation
    public var guarded: Guarded
    /// Who had the last word.
    public var source: Source
    public var reason: DecisionReason
}

/// Who determined the answer.
public enum Source: String, Sendable, CaseIterable {
    case policy, rules, hold, pin

    /// Position in `allCases`.
    public var index: Int {
        switch self {
        case .policy: 0
        case .rules: 1
        case .hold: 2
        case .pin: 3
        }
    }
}

// What all algorithms over discrete actions have in common: they play as a `Policy` and learn from `Episode`s.

/// What an update tells of itself.
public protocol LearnerDiagnostics: Sendable {
    /// By name, as they are kept with a model version.
    var figures: [String: Double] { get }
}

/// An algorithm with its weights. One that was encoded, decoded and given the same episodes gives the same bytes.
public protocol Learner: Sendable {
    associatedtype Diagnostics: LearnerDiagnostics
    var shape: PolicyShape { get }
    /// The policy as it stands: what is played, and what is published.
    var policy: Policy { get }
    /// Share of uniformly random actions that play for learning should mix in; 0 where sampling is enough.
    var exploration: Float { get }
    /// The workload's embedding with which the policy is to be played; empty where it has none.
    var embedding: [Float] { get }
    /// Learns from episodes that were just played. Episodes that are not valid are skipped.
    mutating func update(_ episodes: [Episode]) -> Diagnostics
    /// Everything needed to go on exactly: weights, optimiser, replay, random state, schedule.
    func encode() -> [UInt8]
    /// - Throws: `CodingFailure`; never traps, whatever the bytes are.
    init(decoding bytes: [UInt8]) throws
}

extension Learner {
    public var exploration: Float { 0 }
    public var embedding: [Float] { [] }
}

extension PPO: Learner {}
extension REINFORCE: Learner {}
extension DQN: Learner {}
extension DDPG: Learner {}

extension PPO.Diagnostics: LearnerDiagnostics {
    public var figures: [String: Double] {
        [
            "approximateKL": Double(approximateKL), "clipFraction": Double(clipFraction), "entropy": Double(entropy),
            "explainedVariance": Double(explainedVariance), "gradientNorm": Double(gradientNorm),
            "policyLoss": Double(policyLoss), "valueLoss": Double(valueLoss), "learningRate": Double(learningRate),
            "epochs": Double(epochs),
        ]
    }
}

extension REINFORCE.Diagnostics: LearnerDiagnostics {
    public var figures: [String: Double] {
        [
            "entropy": Double(entropy), "explainedVariance": Double(explainedVariance), "gradientNorm": Double(gradientNorm),
            "policyLoss": Double(policyLoss), "valueLoss": Double(valueLoss), "learningRate": Double(learningRate),
        ]
    }
}

extension DQN.Diagnostics: LearnerDiagnostics {
    public var figures: [String: Double] {
        [
            "loss": Double(loss), "meanValue": Double(meanValue), "gradientNorm": Double(gradientNorm),
            "exploration": Double(exploration), "learningSteps": Double(steps),
        ]
    }
}

extension DDPG.Diagnostics: LearnerDiagnostics {
    public var figures: [String: Double] {
        [
            "criticLoss": Double(criticLoss), "meanValue": Double(meanValue), "exploration": Double(exploration),
            "criticGradientNorm": Double(criticGradientNorm), "actorGradientNorm": Double(actorGradientNorm),
            "learningSteps": Double(steps),
        ]
    }
}

// REINFORCE with a learned baseline (Williams 1992): one step up the gradient of what was earned.

import Base
import Neural

/// The plainest policy gradient: whole returns, one pass over each batch of episodes, no clipping.
public struct REINFORCE: Sendable {
    public struct Options: Sendable, Hashable {
        /// Weight of the next step's return (the published PG agent: 0.9).
        public var discount: Float = 0.9
        /// Adam's rate (the published PG agent 3e-4, with 4,000 episodes; more here, with fewer).
        public var learningRate: Float = 3e-3
        /// The rate after `annealedUpdates` updates, reached linearly; nil = constant.
        public var finalLearningRate: Float? = nil
        public var annealedUpdates = 0
        /// Weight of the baseline's half squared error.
        public var valueCoefficient: Float = 0.5
        /// Weight of the entropy bonus.
        public var entropy: Float = 0.01
        /// The weight after `annealedUpdates` updates, reached linearly; nil = constant. Much entropy at first keeps
        /// whole returns, which cannot tell a bad step from a bad episode, from settling for what is near.
        public var finalEntropy: Float? = nil
        /// Longest gradient.
        public var gradientNorm: Float = 0.5
        /// Episodes that a caller should collect for one update. Not used here.
        public var episodesPerUpdate = 10

        public init() {}
    }

    /// What one update did.
    public struct Diagnostics: Sendable, Hashable {
        public var steps = 0
        public var skippedEpisodes = 0
        public var learningRate: Float = 0
        public var policyLoss: Float = 0
        public var valueLoss: Float = 0
        public var entropy: Float = 0
        /// Before clipping.
        public var gradientNorm: Float = 0
        /// Of the baseline with respect to the returns.
        public var explainedVariance: Float = 0

        public init() {}
    }

    public let network: ActorCritic
    public var options: Options
    public internal(set) var parameters: ParameterBuffer
    public internal(set) var updates = 0
    var optimizer: Adam

    public var shape: PolicyShape { network.shape }

    public init(shape: PolicyShape, options: Options = Options(), seed: UInt64) {
        var generator = RandomGenerator(seed: seed)
        network = ActorCritic(shape)
        parameters = network.initialParameters(using: &generator)
        optimizer = Adam(count: network.layout.count)
        self.options = options
    }

    /// Goes on from a policy, with a fresh optimiser.
    public init(policy: Policy, options: Options = Options(), seed: UInt64) {
        self.init(shape: policy.shape, options: options, seed: seed)
        parameters.values = policy.parameters
    }

    public var policy: Policy { Policy(shape: network.shape, parameters: parameters.values) }

    /// Learns from episodes that were played with `policy` as it stood before this call.
    public mutating func update(_ episodes: [Episode]) -> Diagnostics {
        let valid = episodes.filter { $0.isValid(for: network.shape) }
        var diagnostics = Diagnostics()
        diagnostics.skippedEpisodes = episodes.count - valid.count
        guard !valid.isEmpty else { return diagnostics }
        let table = StepTable(valid, shape: network.shape)
        let targets = Targets(valid, options: options)
        let minibatch = table.minibatch(ofEpisodes: ArraySlice(valid.indices))
        let work = ActorCritic.Workspace(network, rows: minibatch.rows.count, lanes: minibatch.lanes)
        table.load(minibatch, into: work)
        backpropagate(minibatch, table: table, targets: targets, work: work, diagnostics: &diagnostics)
        diagnostics.steps = table.rows
        diagnostics.explainedVariance = explainedVariance(
            values: valid.flatMap(\.values), returns: targets.returns)
        diagnostics.gradientNorm = gradientNorm(work.gradients.pointer, count: network.layout.count)
        diagnostics.learningRate = learningRate
        if diagnostics.gradientNorm.isFinite {
            optimizer.update(
                &parameters.values, gradients: work.gradients.pointer, rate: learningRate,
                scale: clippingScale(norm: diagnostics.gradientNorm, limit: options.gradientNorm))
        }
        updates += 1
        return diagnostics
    }

    private var learningRate: Float {
        annealed(
            from: options.learningRate, to: options.finalLearningRate, step: updates, steps: options.annealedUpdates)
    }

    /// Returns in units of one step's reward, and how much better than the baseline they were.
    struct Targets {
        var returns: [Float] = []
        var advantages: [Float] = []

        init(_ episodes: [Episode], options: Options) {
            let scale = Swift.max(1 - options.discount, 0.01)
            for episode in episodes {
                let returns = discountedReturns(
                    rewards: episode.rewards.map { $0 * scale },
                    bootstrap: episode.terminated ? 0 : episode.bootstrapValue, discount: options.discount)
                self.returns += returns
                advantages += zip(returns, episode.values).map { $0 - $1 }
            }
            let (mean, deviation) = moments(advantages)
            for row in advantages.indices { advantages[row] = (advantages[row] - mean) / (deviation + 1e-8) }
        }
    }

    /// loss = -mean log p * A + valueCoefficient * mean (V - return)^2 / 2 - entropy coefficient * mean entropy.
    func backpropagate(
        _ minibatch: StepTable.Minibatch, table: StepTable, targets: Targets, work: ActorCritic.Workspace,
        diagnostics: inout Diagnostics
    ) {
        let count = network.shape.actionCount
        let rows = minibatch.rows.count
        let share = 1 / Float(Swift.max(minibatch.count, 1))
        let choice = ChoiceDistribution(network.shape)
        let entropy = annealed(
            from: options.entropy, to: options.finalEntropy, step: updates, steps: options.annealedUpdates)
        parameters.values.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            network.forward(weights, steps: minibatch.steps, lanes: minibatch.lanes, work: work)
            let logits = network.logits(work, rows: rows)
            let values = network.values(work, rows: rows)
            work.logitGradients.pointer.update(repeating: 0, count: rows * count)
            work.valueGradients.pointer.update(repeating: 0, count: rows)
            for (index, row) in minibatch.rows.enumerated() where row >= 0 {
                let logProbability = choice.load(logits: logits + index * count, row: row, table: table)
                let advantage = targets.advantages[row]
                let error = values[index] - targets.returns[row]
                diagnostics.policyLoss -= logProbability * advantage * share
                diagnostics.valueLoss += error * error / 2 * share
                diagnostics.entropy += choice.entropy * share
                choice.addGradient(
                    logProbabilityWeight: -advantage * share, entropyWeight: -entropy * share,
                    to: work.logitGradients.pointer + index * count)
                work.valueGradients.pointer[index] = options.valueCoefficient * error * share
            }
            network.backward(weights, steps: minibatch.steps, lanes: minibatch.lanes, work: work)
        }
    }
}

/// A rate that falls linearly to `final` within `steps`; constant when there is no end.
func annealed(from first: Float, to final: Float?, step: Int, steps: Int) -> Float {
    guard let final, steps > 0 else { return first }
    return first + Swift.min(Float(step) / Float(steps), 1) * (final - first)
}

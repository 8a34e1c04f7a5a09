// Learning from what somebody else did: cloning, and cloning that leans towards what turned out well.

import Base
import Neural

/// Fits actor and critic to recorded episodes, whoever acted in them. It never asks for an action that was not
/// recorded, so it cannot believe in the value of something nobody tried, which is what ruins Q-learning on fixed data
/// (Fujimoto et al. 2019).
///
/// With a temperature each recorded action counts exp(advantage / temperature): advantage-weighted regression (Peng et
/// al. 2019; Nair et al. 2020 call it AWAC), whose optimum is the best policy within a KL distance of the recorded
/// one. Chosen over batch-constrained Q-learning because its result is one network that acts, explores and is fine-tuned
/// by PPO as it stands, recurrent or not.
public struct BehaviorCloning: Sendable {
    public struct Options: Sendable, Hashable {
        /// nil = plain cloning. Otherwise the advantage, in deviations, that makes an action count e times as much.
        public var temperature: Float? = nil
        /// Largest factor (Peng et al. 2019: 20).
        public var maxWeight: Float = 20
        /// Weight of the next step's value.
        public var discount: Float = 0.9
        /// Lambda of the advantage estimate.
        public var gaeLambda: Float = 0.95
        /// Weight of the critic's half squared error.
        public var valueCoefficient: Float = 0.5
        /// Weight of the entropy bonus; a little leaves later learning something to explore with.
        public var entropy: Float = 0.001
        /// Passes over the episodes of one update.
        public var epochs = 4
        public var minibatch = PPO.Minibatch.episodes(4)
        /// Adam's rate.
        public var learningRate: Float = 1e-3
        /// Longest gradient.
        public var gradientNorm: Float = 0.5

        public init() {}

        /// Cloning first, then this: improvement restricted to actions that were seen.
        public static var improvement: Options {
            var options = Options()
            options.temperature = 0.5
            return options
        }

        var scale: Float { Swift.max(1 - discount, 0.01) }
    }

    /// Means over all minibatches of an update.
    public struct Diagnostics: Sendable, Hashable {
        public var steps = 0
        public var skippedEpisodes = 0
        /// Mean of -log p of the recorded actions, unweighted: how well the policy knows what was done.
        public var negativeLogLikelihood: Float = 0
        /// The same, weighted: what the actor is trained on.
        public var weightedLoss: Float = 0
        public var valueLoss: Float = 0
        public var entropy: Float = 0
        public var gradientNorm: Float = 0
        /// Of the critic, before the update, with respect to the returns.
        public var explainedVariance: Float = 0

        public init() {}
    }

    public let network: ActorCritic
    public var options: Options
    public internal(set) var parameters: ParameterBuffer
    private var optimizer: Adam
    private var generator: RandomGenerator

    /// Starts from random weights.
    public init(shape: PolicyShape, options: Options = Options(), seed: UInt64) {
        var generator = RandomGenerator(seed: seed)
        network = ActorCritic(shape)
        parameters = network.initialParameters(using: &generator)
        optimizer = Adam(count: network.layout.count)
        self.generator = generator
        self.options = options
    }

    /// Goes on from a trained policy.
    public init(policy: Policy, options: Options = Options(), seed: UInt64) {
        self.init(shape: policy.shape, options: options, seed: seed)
        parameters.values = policy.parameters
    }

    public var shape: PolicyShape { network.shape }
    public var policy: Policy { Policy(shape: shape, parameters: parameters.values) }

    /// Learns from recorded episodes. Their `logProbabilities`, `values` and `bootstrapValue` are not used.
    public mutating func update(_ episodes: [Episode]) -> Diagnostics {
        let valid = episodes.filter { $0.isValid(for: shape) }
        var diagnostics = Diagnostics()
        diagnostics.skippedEpisodes = episodes.count - valid.count
        guard !valid.isEmpty else { return diagnostics }
        let table = StepTable(valid, shape: shape)
        diagnostics.steps = table.rows
        let batches = Batching(table, options.minibatch, isRecurrent: shape.recurrentSize > 0)
        let longest = table.episodes.reduce(0) { Swift.max($0, $1.count) }
        let work = ActorCritic.Workspace(
            network, rows: Swift.max(batches.maxRows(1), longest), lanes: batches.maxLanes(1))
        var order = Array(0..<batches.units)
        var count: Float = 0
        for epoch in 0..<Swift.max(options.epochs, 1) {
            let targets = Targets(valid, values: values(table, work: work), options: options)
            if epoch == 0 {
                diagnostics.explainedVariance = explainedVariance(values: targets.values, returns: targets.returns)
            }
            generator.shuffle(&order)
            for minibatch in batches.minibatches(order, shards: 1, table: table).joined() {
                table.load(minibatch, into: work)
                work.gradients.clear()
                backpropagate(minibatch, table: table, targets: targets, work: work, diagnostics: &diagnostics)
                let norm = gradientNorm(work.gradients.pointer, count: network.layout.count)
                if norm.isFinite {
                    optimizer.update(
                        &parameters.values, gradients: work.gradients.pointer, rate: options.learningRate,
                        scale: clippingScale(norm: norm, limit: options.gradientNorm))
                }
                diagnostics.gradientNorm += norm
                count += 1
            }
        }
        diagnostics.negativeLogLikelihood /= count
        diagnostics.weightedLoss /= count
        diagnostics.valueLoss /= count
        diagnostics.entropy /= count
        diagnostics.gradientNorm /= count
        return diagnostics
    }

    /// The critic's value of every row, episode by episode.
    private func values(_ table: StepTable, work: ActorCritic.Workspace) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(table.rows)
        for episode in table.episodes.indices {
            let minibatch = table.minibatch(ofEpisodes: [episode])
            table.load(minibatch, into: work)
            parameters.values.withUnsafeBufferPointer {
                network.forward($0.baseAddress!, steps: minibatch.steps, lanes: 1, work: work)
            }
            values += UnsafeBufferPointer(start: network.values(work, rows: minibatch.steps), count: minibatch.steps)
        }
        return values
    }

    /// What each row counts, and the return its value is pulled towards.
    struct Targets {
        var values: [Float] = []
        var returns: [Float] = []
        var weights: [Float] = []

        init(_ episodes: [Episode], values: [Float], options: Options) {
            self.values = values
            var start = 0
            for episode in episodes {
                let own = Array(values[start..<start + episode.count])
                // What comes behind a time limit was not recorded; the last value seen stands for it.
                let advantages = generalizedAdvantages(
                    rewards: episode.rewards.map { $0 * options.scale }, values: own,
                    bootstrap: episode.terminated ? 0 : own[own.count - 1], discount: options.discount,
                    lambda: options.gaeLambda)
                returns += zip(advantages, own).map { $0 + $1 }
                weights += advantages
                start += episode.count
            }
            guard let temperature = options.temperature else {
                weights = weights.map { _ in 1 }
                return
            }
            let (mean, deviation) = moments(weights)
            weights = weights.map {
                Swift.min(exponential(($0 - mean) / ((deviation + 1e-8) * temperature)), options.maxWeight)
            }
        }
    }

    /// loss = -mean weight * log p + valueCoefficient * mean (V - return)^2 / 2 - entropy coefficient * mean entropy.
    func backpropagate(
        _ minibatch: StepTable.Minibatch, table: StepTable, targets: Targets, work: ActorCritic.Workspace,
        diagnostics: inout Diagnostics
    ) {
        let width = shape.actionCount
        let rows = minibatch.rows.count
        let share = 1 / Float(Swift.max(minibatch.count, 1))
        let choice = ChoiceDistribution(shape)
        parameters.values.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            network.forward(weights, steps: minibatch.steps, lanes: minibatch.lanes, work: work)
            let logits = network.logits(work, rows: rows)
            let values = network.values(work, rows: rows)
            work.logitGradients.pointer.update(repeating: 0, count: rows * width)
            work.valueGradients.pointer.update(repeating: 0, count: rows)
            for (index, row) in minibatch.rows.enumerated() where row >= 0 {
                let logProbability = choice.load(logits: logits + index * width, row: row, table: table)
                let error = values[index] - targets.returns[row]
                diagnostics.negativeLogLikelihood -= logProbability * share
                diagnostics.weightedLoss -= targets.weights[row] * logProbability * share
                diagnostics.valueLoss += error * error / 2 * share
                diagnostics.entropy += choice.entropy * share
                choice.addGradient(
                    logProbabilityWeight: -targets.weights[row] * share, entropyWeight: -options.entropy * share,
                    to: work.logitGradients.pointer + index * width)
                work.valueGradients.pointer[index] = options.valueCoefficient * error * share
            }
            network.backward(weights, steps: minibatch.steps, lanes: minibatch.lanes, work: work)
        }
    }
}

// Proximal policy optimisation (Schulman et al. 2017), for feed-forward and recurrent policies.

import Base
import Neural

/// Collects nothing itself: the caller plays episodes with `policy` and hands them over in `update`.
public struct PPO: Sendable {
    /// How the steps of an update are divided.
    public enum Minibatch: Sendable, Hashable {
        /// So many steps in random order. Feed-forward policies only.
        case steps(Int)
        /// So many whole episodes, as a recurrent policy needs.
        case episodes(Int)
    }

    /// Every number that steers the algorithm.
    public struct Options: Sendable, Hashable {
        /// Weight of the next step's value (paper of AWARE, table 2: 0.99).
        public var discount: Float = 0.99
        /// Lambda of generalised advantage estimation (Schulman et al. 2016: 0.95).
        public var gaeLambda: Float = 0.95
        /// How far the ratio of new to old probability may move (Schulman et al. 2017: 0.2).
        public var clip: Float = 0.2
        /// The same limit for the critic around its old value; nil = none (Andrychowicz et al. 2021 found it harmful).
        public var valueClip: Float? = nil
        /// Weight of the entropy bonus (the published code: 0.01).
        public var entropy: Float = 0.01
        /// The weight after `annealedUpdates` updates, reached linearly; nil = constant.
        public var finalEntropy: Float? = nil
        /// Weight of the critic's half squared error (customary 0.5).
        public var valueCoefficient: Float = 0.5
        /// Rewards are multiplied by this before anything else, so that values have about the size of one step's
        /// reward; nil = 1 - discount, at least 0.01. The policy's value is in these units.
        public var rewardScale: Float? = nil
        /// Passes over the steps of one update.
        public var epochs = 4
        public var minibatch = Minibatch.steps(64)
        /// Episodes that a caller should collect for one update. Not used here.
        public var episodesPerUpdate = 5
        /// Adam's rate at the first update (the published code: 3e-4).
        public var learningRate: Float = 3e-4
        /// The rate after `annealedUpdates` updates, reached linearly; nil = constant.
        public var finalLearningRate: Float? = nil
        public var annealedUpdates = 0
        /// Keeps Adam's division finite (1e-5 is customary for PPO; Kingma and Ba: 1e-8).
        public var adamEpsilon: Float = 1e-5
        /// Longest gradient (customary 0.5).
        public var gradientNorm: Float = 0.5
        /// Shift and scale the advantages of an update to mean 0 and deviation 1.
        public var normalizesAdvantages = true
        /// Stop the epochs of an update when the mean KL divergence from the old policy exceeds this; nil = never.
        public var targetKL: Float? = nil

        public init() {}

        /// The best recipe that a prototype found for clusters: discount 0.9 (0.98 collapsed), 32 episodes an update,
        /// whole episodes in minibatches of 4, a rate from 1e-3 down to 5e-5.
        /// - Parameter updates: updates until the rate has reached its end (60,000 episodes: 1,875).
        public static func cluster(updates: Int = 1875) -> Options {
            var options = Options()
            options.discount = 0.9
            options.entropy = 0.003
            options.epochs = 4
            options.minibatch = .episodes(4)
            options.episodesPerUpdate = 32
            options.learningRate = 1e-3
            options.finalLearningRate = 5e-5
            options.annealedUpdates = updates
            return options
        }
        /// `cluster()` with its default length.
        public static var cluster: Options { cluster() }

        var scale: Float { rewardScale ?? Swift.max(1 - discount, 0.01) }
    }

    /// What one update did: the numbers by which one sees whether it learns (as in CleanRL).
    public struct Diagnostics: Sendable, Hashable {
        /// Steps learned from.
        public var steps = 0
        /// Episodes left out because they were not valid.
        public var skippedEpisodes = 0
        /// Epochs run before the KL limit, if any, stopped them.
        public var epochs = 0
        public var learningRate: Float = 0
        /// Means over all minibatches.
        public var policyLoss: Float = 0
        public var valueLoss: Float = 0
        public var entropy: Float = 0
        /// Mean of (ratio - 1) - log ratio: an unbiased estimate of KL(old, new) (joschu.net/blog/kl-approx.html).
        public var approximateKL: Float = 0
        /// Share of steps whose ratio was beyond the clip.
        public var clipFraction: Float = 0
        /// Before clipping.
        public var gradientNorm: Float = 0
        /// Of the old values with respect to the returns.
        public var explainedVariance: Float = 0

        public init() {}
    }

    public let network: ActorCritic
    public var options: Options
    public internal(set) var parameters: ParameterBuffer
    /// Updates done: the position in the schedule.
    public private(set) var updates: Int
    private(set) var optimizer: Adam
    private(set) var generator: RandomGenerator
    /// Gradient of the first epoch's loss by each episode's embedding, in the order of the valid episodes of the last
    /// update, (episodes, embeddingSize): what a meta-learner learns from.
    public private(set) var embeddingGradients: [Float] = []

    public var shape: PolicyShape { network.shape }

    /// So many values at the end of the input are the critic's alone (an asymmetric critic, Pinto et al. 2017): the
    /// actor's weights on them are held at zero. Not stored with the learner.
    public var hiddenFromActor = 0 {
        didSet { blindActor(&parameters.values) }
    }
    /// Only the critic learns. Not stored with the learner.
    public var holdsActor = false

    private func blindActor(_ values: inout [Float]) {
        guard hiddenFromActor > 0 else { return }
        let first = network.actor.layers[0]
        let hidden = first.weight.upperBound - hiddenFromActor * first.outputs
        for index in hidden..<first.weight.upperBound { values[index] = 0 }
    }

    /// Clears what the actor must not learn.
    private func restrain(_ gradients: UnsafeMutablePointer<Float>) {
        let first = network.actor.layers[0]
        if holdsActor {
            for layer in network.actor.layers {
                for index in layer.weight { gradients[index] = 0 }
                for index in layer.bias { gradients[index] = 0 }
            }
        } else if hiddenFromActor > 0 {
            for index in first.weight.upperBound - hiddenFromActor * first.outputs..<first.weight.upperBound {
                gradients[index] = 0
            }
        }
    }

    /// Starts from random weights.
    public init(shape: PolicyShape, options: Options = Options(), seed: UInt64) {
        var generator = RandomGenerator(seed: seed)
        network = ActorCritic(shape)
        parameters = network.initialParameters(using: &generator)
        self.generator = generator
        self.options = options
        optimizer = Adam(count: network.layout.count, options: .init(epsilon: options.adamEpsilon))
        updates = 0
    }

    /// Starts from a trained policy, with a fresh optimiser and schedule: fine-tuning.
    public init(policy: Policy, options: Options = Options(), seed: UInt64) {
        let network = ActorCritic(policy.shape)
        let parameters = ParameterBuffer(layout: network.layout, values: policy.parameters)
        self.init(
            parameters: parameters, network: network, options: options,
            optimizer: Adam(count: network.layout.count, options: .init(epsilon: options.adamEpsilon)),
            generator: RandomGenerator(seed: seed), updates: 0)
    }

    init(
        parameters: ParameterBuffer, network: ActorCritic, options: Options, optimizer: Adam,
        generator: RandomGenerator, updates: Int
    ) {
        self.parameters = parameters
        self.network = network
        self.options = options
        self.optimizer = optimizer
        self.generator = generator
        self.updates = updates
    }

    /// The policy as it stands.
    public var policy: Policy { Policy(shape: shape, parameters: parameters.values) }

    /// Adam's rate of the next update.
    public var learningRate: Float {
        annealed(
            from: options.learningRate, to: options.finalLearningRate, step: updates, steps: options.annealedUpdates)
    }

    private var entropyWeight: Float {
        annealed(from: options.entropy, to: options.finalEntropy, step: updates, steps: options.annealedUpdates)
    }

    /// Learns from episodes that were played with `policy` as it stood before this call.
    public mutating func update(_ episodes: [Episode]) -> Diagnostics {
        update(episodes, shards: 1, parallelFor: sequentially)
    }

    /// The same, the gradient of each minibatch summed from `shards` parts that `parallelFor` may compute side by side. The
    /// weights depend on the number of parts (rounding), not on the threads.
    public mutating func update(_ episodes: [Episode], shards: Int, parallelFor: ParallelFor) -> Diagnostics {
        let valid = episodes.filter { $0.isValid(for: shape) }
        var diagnostics = Diagnostics()
        diagnostics.skippedEpisodes = episodes.count - valid.count
        diagnostics.learningRate = learningRate
        guard !valid.isEmpty else { return diagnostics }
        let table = StepTable(valid, shape: shape)
        let targets = Targets(valid, options: options)
        diagnostics.steps = table.rows
        diagnostics.explainedVariance = explainedVariance(values: targets.oldValues, returns: targets.returns)
        learn(table, targets: targets, shards: Swift.max(shards, 1), parallelFor: parallelFor, diagnostics: &diagnostics)
        updates += 1
        return diagnostics
    }

    /// What each row of a table is pulled towards.
    struct Targets {
        var oldLogProbabilities: [Float] = []
        var oldValues: [Float] = []
        var advantages: [Float] = []
        var returns: [Float] = []

        init(_ episodes: [Episode], options: Options) {
            for episode in episodes {
                let rewards = episode.rewards.map { $0 * options.scale }
                let advantages = generalizedAdvantages(
                    rewards: rewards, values: episode.values,
                    bootstrap: episode.terminated ? 0 : episode.bootstrapValue, discount: options.discount,
                    lambda: options.gaeLambda)
                self.advantages += advantages
                returns += zip(advantages, episode.values).map { $0 + $1 }
                oldValues += episode.values
                oldLogProbabilities += episode.logProbabilities
            }
            guard options.normalizesAdvantages else { return }
            let (mean, deviation) = moments(advantages)
            for row in advantages.indices { advantages[row] = (advantages[row] - mean) / (deviation + 1e-8) }
        }
    }

    private mutating func learn(
        _ table: StepTable, targets: Targets, shards: Int, parallelFor: ParallelFor, diagnostics: inout Diagnostics
    ) {
        let batches = Batching(table, options.minibatch, isRecurrent: shape.recurrentSize > 0)
        let works = (0..<shards).map { _ in
            ActorCritic.Workspace(network, rows: batches.maxRows(shards), lanes: batches.maxLanes(shards))
        }
        let rate = learningRate
        var order = Array(0..<batches.units)
        var count: Float = 0
        embeddingGradients = [Float](repeating: 0, count: table.episodes.count * shape.embeddingSize)
        for epoch in 0..<Swift.max(options.epochs, 1) {
            generator.shuffle(&order)
            var epochKL: Float = 0
            var epochCount: Float = 0
            for parts in batches.minibatches(order, shards: shards, table: table) {
                let losses = addGradients(parts, table: table, targets: targets, works: works, parallelFor: parallelFor)
                if epoch == 0 && shape.embeddingSize > 0 {
                    for (part, work) in zip(parts, works) { collectEmbeddingGradients(part, table: table, work: work) }
                }
                let gradients = works[0].gradients.pointer
                restrain(gradients)
                let norm = gradientNorm(gradients, count: network.layout.count)
                // A gradient that is not finite would destroy the weights for good; leaving it out loses one step.
                if norm.isFinite {
                    optimizer.update(
                        &parameters.values, gradients: gradients, rate: rate,
                        scale: clippingScale(norm: norm, limit: options.gradientNorm))
                }
                diagnostics.policyLoss += losses.policy
                diagnostics.valueLoss += losses.value
                diagnostics.entropy += losses.entropy
                diagnostics.clipFraction += losses.clipFraction
                diagnostics.gradientNorm += norm
                epochKL += losses.kl
                epochCount += 1
            }
            diagnostics.epochs = epoch + 1
            diagnostics.approximateKL += epochKL
            count += epochCount
            if let limit = options.targetKL, epochKL / epochCount > limit { break }
        }
        diagnostics.policyLoss /= count
        diagnostics.valueLoss /= count
        diagnostics.entropy /= count
        diagnostics.clipFraction /= count
        diagnostics.gradientNorm /= count
        diagnostics.approximateKL /= count
    }

    /// The gradient of one minibatch's loss, summed over its parts, into the first workspace.
    private func addGradients(
        _ parts: [StepTable.Minibatch], table: StepTable, targets: Targets, works: [ActorCritic.Workspace],
        parallelFor: ParallelFor
    ) -> Losses {
        let rows = parts.reduce(0) { $0 + $1.count }
        var losses = [Losses](repeating: Losses(), count: parts.count)
        losses.withUnsafeMutableBufferPointer { losses in
            parallelFor(parts.count) { index in
                table.load(parts[index], into: works[index])
                works[index].gradients.clear()
                losses[index] = backpropagate(
                    parts[index], of: rows, table: table, targets: targets, work: works[index])
            }
        }
        let sum = works[0].gradients.pointer
        for index in parts.indices.dropFirst() {
            let other = works[index].gradients.pointer
            for position in 0..<network.layout.count { sum[position] += other[position] }
        }
        return losses.reduce(into: Losses()) { $0.add($1) }
    }

    /// Means over a minibatch.
    struct Losses {
        var policy: Float = 0
        var value: Float = 0
        var entropy: Float = 0
        var kl: Float = 0
        var clipFraction: Float = 0

        mutating func add(_ other: Losses) {
            policy += other.policy
            value += other.value
            entropy += other.entropy
            kl += other.kl
            clipFraction += other.clipFraction
        }
    }

    /// Adds the gradient of one minibatch's loss to `work.gradients`:
    ///
    ///     ratio = exp(log p - old log p), summed over heads
    ///     policy = -mean min(ratio A, clip(ratio) A)
    ///     value  = mean (V - return)^2 / 2
    ///     loss   = policy + valueCoefficient * value - entropy coefficient * mean entropy
    ///
    /// - Parameter total: rows that the means are taken over, when this is a part of a minibatch.
    func backpropagate(
        _ minibatch: StepTable.Minibatch, of total: Int? = nil, table: StepTable, targets: Targets,
        work: ActorCritic.Workspace
    ) -> Losses {
        let rows = minibatch.rows.count
        let count = shape.actionCount
        let share = 1 / Float(Swift.max(total ?? minibatch.count, 1))
        let choice = ChoiceDistribution(shape)
        var losses = Losses()
        parameters.values.withUnsafeBufferPointer { weights in
            guard let weights = weights.baseAddress else { return }
            network.forward(weights, steps: minibatch.steps, lanes: minibatch.lanes, work: work)
            let logits = network.logits(work, rows: rows)
            let values = network.values(work, rows: rows)
            work.logitGradients.pointer.update(repeating: 0, count: rows * count)
            for (index, row) in minibatch.rows.enumerated() {
                guard row >= 0 else {
                    work.valueGradients.pointer[index] = 0
                    continue
                }
                addPolicyGradient(
                    row: row, logits: logits + index * count, choice: choice, table: table, targets: targets,
                    share: share,
                    gradient: work.logitGradients.pointer + index * count, losses: &losses)
                work.valueGradients.pointer[index] =
                    options.valueCoefficient * share
                    * valueGradient(values[index], row: row, targets: targets, share: share, losses: &losses)
            }
            network.backward(weights, steps: minibatch.steps, lanes: minibatch.lanes, work: work)
        }
        return losses
    }

    /// Clipped surrogate and entropy of one row: d(loss)/d(logits) into `gradient`.
    private func addPolicyGradient(
        row: Int, logits: UnsafePointer<Float>, choice: ChoiceDistribution, table: StepTable, targets: Targets,
        share: Float, gradient: UnsafeMutablePointer<Float>, losses: inout Losses
    ) {
        let advantage = targets.advantages[row]
        let logProbability = choice.load(logits: logits, row: row, table: table)
        let logRatio = logProbability - targets.oldLogProbabilities[row]
        let ratio = exponential(logRatio)
        let isClipped = advantage > 0 ? ratio > 1 + options.clip : ratio < 1 - options.clip
        let clipped = Swift.min(Swift.max(ratio, 1 - options.clip), 1 + options.clip)
        losses.policy -= Swift.min(ratio * advantage, clipped * advantage) * share
        losses.entropy += choice.entropy * share
        losses.kl += (ratio - 1 - logRatio) * share
        losses.clipFraction += abs(ratio - 1) > options.clip ? share : 0
        // A clipped row has no gradient: moving it further would gain nothing.
        choice.addGradient(
            logProbabilityWeight: isClipped ? 0 : -advantage * ratio * share,
            entropyWeight: -entropyWeight * share, to: gradient)
    }

    /// d(half squared error)/d(value) of one row, with the critic's own clip if asked for.
    private func valueGradient(
        _ value: Float, row: Int, targets: Targets, share: Float, losses: inout Losses
    ) -> Float {
        let error = value - targets.returns[row]
        guard let clip = options.valueClip else {
            losses.value += error * error / 2 * share
            return error
        }
        let old = targets.oldValues[row]
        let clippedError = old + (value > old ? clip : -clip) - targets.returns[row]
        // Beyond the clip the larger of the two errors counts, and the clipped one does not depend on the value.
        if abs(value - old) > clip && clippedError * clippedError > error * error {
            losses.value += clippedError * clippedError / 2 * share
            return 0
        }
        losses.value += error * error / 2 * share
        return error
    }

    private mutating func collectEmbeddingGradients(
        _ minibatch: StepTable.Minibatch, table: StepTable, work: ActorCritic.Workspace
    ) {
        let size = shape.embeddingSize
        for (index, row) in minibatch.rows.enumerated() where row >= 0 {
            guard let episode = table.episode(ofRow: row) else { continue }
            let line = work.inputGradients.pointer + index * shape.inputSize + shape.observationSize
            for position in 0..<size { embeddingGradients[episode * size + position] += line[position] }
        }
    }
}

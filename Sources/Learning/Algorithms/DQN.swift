// Deep Q-learning (Mnih et al. 2015) with double targets (van Hasselt et al. 2016), for one or several heads.

import Base
import Neural

/// Learns the value of every action from replayed transitions. Q = V + A - mean A (Wang et al. 2016): the critic of the
/// network is V, its actor is A. Several heads are learned as in branching Q-learning (Tavakoli et al. 2018): they
/// share V, and each head's target is the mean of the heads' next values. Feed-forward only.
public struct DQN: Sendable {
    public struct Options: Sendable, Hashable {
        /// Weight of the next step's value (published code 0.999, over at most 100 steps).
        public var discount: Float = 0.9
        /// Adam's rate (published code: RMSprop's default, 1e-2).
        public var learningRate: Float = 1e-3
        /// Transitions of one learning step (published code: 128).
        public var batch = 64
        /// Transitions kept (published code: 1e4).
        public var capacity = 20_000
        /// Transitions before learning begins.
        public var warmUp = 200
        /// Learning steps for each new transition.
        public var stepsPerTransition: Float = 1
        /// Share of random actions at first (published code: 0.9).
        public var firstExploration: Float = 0.9
        /// Share of random actions in the end (published code: 0.05).
        public var lastExploration: Float = 0.05
        /// Transitions in which the excess of random actions falls to 1/e (published code: 200).
        public var explorationDecay: Float = 2000
        /// Learning steps between two copies of the network to the target.
        public var targetInterval = 200
        /// Error beyond which the loss is linear (Huber 1964), in units of a step's reward.
        public var huber: Float = 1
        /// Longest gradient (Wang et al. 2016: 10).
        public var gradientNorm: Float = 10

        public init() {}

        /// Rewards are multiplied by this, so that values have about the size of one step's reward.
        var scale: Float { Swift.max(1 - discount, 0.01) }
    }

    /// Means over the learning steps of one update.
    public struct Diagnostics: Sendable, Hashable {
        /// Learning steps.
        public var steps = 0
        public var skippedEpisodes = 0
        public var loss: Float = 0
        /// Mean Q of the chosen actions.
        public var meanValue: Float = 0
        public var gradientNorm: Float = 0
        public var exploration: Float = 0

        public init() {}
    }

    public let network: ActorCritic
    public var options: Options
    public internal(set) var parameters: ParameterBuffer
    var target: ParameterBuffer
    var optimizer: Adam
    var generator: RandomGenerator
    var replay: ReplayBuffer
    /// Transitions seen.
    var transitions = 0
    /// Learning steps not yet due: the fraction that `stepsPerTransition` leaves.
    var due: Float = 0

    public var shape: PolicyShape { network.shape }

    public init(shape: PolicyShape, options: Options = Options(), seed: UInt64) {
        precondition(shape.recurrentSize == 0, "DQN replays single transitions and has no memory")
        var generator = RandomGenerator(seed: seed)
        network = ActorCritic(shape)
        parameters = network.initialParameters(using: &generator)
        target = parameters
        optimizer = Adam(count: network.layout.count)
        replay = ReplayBuffer(
            capacity: options.capacity, observationSize: shape.inputSize, actionSize: shape.actionCount)
        self.generator = generator
        self.options = options
    }

    /// Goes on from a policy that Q-learning made, with an empty replay and a fresh optimiser. Without a memory only.
    public init(policy: Policy, options: Options = Options(), seed: UInt64) {
        self.init(shape: policy.shape, options: options, seed: seed)
        parameters.values = policy.parameters
        scaleAdvantages(&parameters.values, by: Self.temperature)
        target = parameters
    }

    private func scaleAdvantages(_ values: inout [Float], by factor: Float) {
        let last = network.actor.layers[network.actor.layers.count - 1]
        for index in last.weight.lowerBound..<last.bias.upperBound { values[index] *= factor }
    }

    /// Advantages stand in for logits, divided by a temperature so small that sampling takes the best action and
    /// mixes only what is nearly equal.
    public var policy: Policy {
        var values = parameters.values
        scaleAdvantages(&values, by: 1 / Self.temperature)
        return Policy(shape: shape, parameters: values)
    }
    static let temperature: Float = 0.001

    public var exploration: Float {
        options.lastExploration + (options.firstExploration - options.lastExploration)
            * exponential(-Float(transitions) / options.explorationDecay)
    }

    public mutating func update(_ episodes: [Episode]) -> Diagnostics {
        var diagnostics = Diagnostics()
        for episode in episodes {
            guard episode.isValid(for: shape) else {
                diagnostics.skippedEpisodes += 1
                continue
            }
            let added = replay.append(episode, shape: shape, rewardScale: options.scale)
            transitions += added
            if replay.count >= options.warmUp { due += Float(added) * options.stepsPerTransition }
        }
        diagnostics.exploration = exploration
        guard replay.count > 0, due >= 1 else { return diagnostics }
        let work = ActorCritic.Workspace(network, rows: options.batch)
        while due >= 1 {
            due -= 1
            let rows = (0..<options.batch).map { _ in generator.below(replay.count) }
            learn(rows, work: work, diagnostics: &diagnostics)
        }
        let count = Float(diagnostics.steps)
        diagnostics.loss /= count
        diagnostics.meanValue /= count
        diagnostics.gradientNorm /= count
        return diagnostics
    }

    private mutating func learn(_ rows: [Int], work: ActorCritic.Workspace, diagnostics: inout Diagnostics) {
        let targets = targets(rows, work: work)
        work.gradients.clear()
        let (loss, meanValue) = backpropagate(rows, targets: targets, work: work)
        let norm = gradientNorm(work.gradients.pointer, count: network.layout.count)
        if norm.isFinite {
            optimizer.update(
                &parameters.values, gradients: work.gradients.pointer, rate: options.learningRate,
                scale: clippingScale(norm: norm, limit: options.gradientNorm))
        }
        if optimizer.steps % Swift.max(options.targetInterval, 1) == 0 { target = parameters }
        diagnostics.steps += 1
        diagnostics.loss += loss
        diagnostics.meanValue += meanValue
        diagnostics.gradientNorm += norm
    }

    /// r + discount * mean over heads of the target's value of the action that the online network prefers.
    func targets(_ rows: [Int], work: ActorCritic.Workspace) -> [Float] {
        let width = shape.actionCount
        replay.copyObservations(rows, next: true, to: work.inputs.pointer, stride: shape.inputSize)
        parameters.values.withUnsafeBufferPointer {
            network.forward($0.baseAddress!, steps: 1, lanes: rows.count, work: work)
        }
        let online = network.logits(work, rows: rows.count)
        var preferred: [Int] = []
        for (index, row) in rows.enumerated() {
            var offset = 0
            for head in shape.heads {
                var best = -1
                for action in offset..<offset + head where replay.nextMasks[row * width + action] != 0 {
                    if best < 0 || online[index * width + action] > online[index * width + best] { best = action }
                }
                preferred.append(Swift.max(best, offset))
                offset += head
            }
        }
        target.values.withUnsafeBufferPointer {
            network.forward($0.baseAddress!, steps: 1, lanes: rows.count, work: work)
        }
        return rows.enumerated().map { index, row in
            var next: Float = 0
            var offset = 0
            for (head, count) in shape.heads.enumerated() {
                let action = preferred[index * shape.heads.count + head]
                next += actionValue(index, action: action, head: offset..<offset + count, rows: rows.count, work: work)
                offset += count
            }
            return replay.rewards[row]
                + options.discount * replay.continues[row] * next / Float(shape.heads.count)
        }
    }

    /// V + A - mean A of one action of row `index` of the last forward pass.
    private func actionValue(
        _ index: Int, action: Int, head: Range<Int>, rows: Int, work: ActorCritic.Workspace
    ) -> Float {
        let advantages = network.logits(work, rows: rows) + index * shape.actionCount
        var mean: Float = 0
        for other in head { mean += advantages[other] }
        return network.values(work, rows: rows)[index] + advantages[action] - mean / Float(head.count)
    }

    /// Adds the gradient of the mean Huber loss over rows and heads; returns that loss and the mean Q.
    func backpropagate(
        _ rows: [Int], targets: [Float], work: ActorCritic.Workspace
    ) -> (loss: Float, meanValue: Float) {
        let width = shape.actionCount
        let share = 1 / Float(rows.count * shape.heads.count)
        var (loss, meanValue): (Float, Float) = (0, 0)
        replay.copyObservations(rows, to: work.inputs.pointer, stride: shape.inputSize)
        parameters.values.withUnsafeBufferPointer { weights in
            network.forward(weights.baseAddress!, steps: 1, lanes: rows.count, work: work)
            work.logitGradients.pointer.update(repeating: 0, count: rows.count * width)
            work.valueGradients.pointer.update(repeating: 0, count: rows.count)
            for (index, row) in rows.enumerated() {
                let gradient = work.logitGradients.pointer + index * width
                var offset = 0
                for count in shape.heads {
                    let head = offset..<offset + count
                    let action = head.first { replay.actions[row * width + $0] == 1 } ?? offset
                    let value = actionValue(index, action: action, head: head, rows: rows.count, work: work)
                    let error = value - targets[index]
                    let slope = Swift.min(Swift.max(error, -options.huber), options.huber)
                    loss += slope * (error - slope / 2) * share
                    meanValue += value * share
                    work.valueGradients.pointer[index] += slope * share
                    for other in head { gradient[other] -= slope * share / Float(count) }
                    gradient[action] += slope * share
                    offset += count
                }
            }
            network.backward(weights.baseAddress!, steps: 1, lanes: rows.count, work: work)
        }
        return (loss, meanValue)
    }
}

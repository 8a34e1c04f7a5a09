// Deep deterministic policy gradient (Lillicrap et al. 2015) with FIRM's hyper-parameters, for numbers and for choices.

import Base
import Neural

/// An actor that climbs the critic's slope. Continuous actions are tanh outputs explored with Ornstein-Uhlenbeck noise.
/// For discrete heads the actor's action is each head's vector of probabilities, the critic is trained on the one-hots
/// that were really executed, and the slope reaches the actor through the softmax: what is stored is what was done,
/// which FIRM's argmax over noisy scores is not.
public struct DDPG: Sendable {
    public struct Options: Sendable, Hashable {
        /// Weight of the next step's value (FIRM's code 0.9, AWARE's table 2 0.99).
        public var discount: Float = 0.9
        /// Adam's rate for the actor (FIRM: 3e-4).
        public var actorRate: Float = 3e-4
        /// Adam's rate for the critic (FIRM: 3e-3).
        public var criticRate: Float = 3e-3
        /// Share by which targets follow with each learning step (AWARE's table 2: 3e-3; FIRM's code 1e-3).
        public var softUpdate: Float = 3e-3
        /// Transitions kept (FIRM's code: 1e5).
        public var capacity = 100_000
        /// Transitions of one learning step (FIRM: 64).
        public var batch = 64
        /// Transitions before learning begins (FIRM: 70).
        public var warmUp = 70
        /// Learning steps for each new transition (FIRM: 1).
        public var stepsPerTransition: Float = 1
        /// Pull of the noise towards 0 (FIRM: 0.15).
        public var noiseTheta: Float = 0.15
        /// Strength of the noise (FIRM: 0.2).
        public var noiseSigma: Float = 0.2
        /// Factor of the noise, or share of random choices, at first (FIRM: 1).
        public var firstExploration: Float = 1
        /// What each transition takes from that factor (FIRM: 1e-6, over millions of steps).
        public var explorationDecay: Float = 1e-6
        /// Weight of the discrete actor's entropy: keeps the softmax from saturating, where it has no slope.
        public var entropy: Float = 0.01

        public init() {}

        var scale: Float { Swift.max(1 - discount, 0.01) }
    }

    /// Means over the learning steps of one update.
    public struct Diagnostics: Sendable, Hashable {
        /// Learning steps.
        public var steps = 0
        public var skippedEpisodes = 0
        public var criticLoss: Float = 0
        /// Mean Q of the actor's actions: what the actor climbs.
        public var meanValue: Float = 0
        public var criticGradientNorm: Float = 0
        public var actorGradientNorm: Float = 0
        public var exploration: Float = 0

        public init() {}
    }

    public let shape: PolicyShape
    /// Whether `shape.heads` are choices. Otherwise the actions are `actionCount` numbers in -1...1.
    public let isDiscrete: Bool
    public var options: Options
    let actor: Perceptron
    let critic: Perceptron
    public internal(set) var actorParameters: ParameterBuffer
    var criticParameters: ParameterBuffer
    var actorTarget: ParameterBuffer
    var criticTarget: ParameterBuffer
    var actorOptimizer: Adam
    var criticOptimizer: Adam
    var generator: RandomGenerator
    var replay: ReplayBuffer
    var noise: [Float]
    var transitions = 0
    var due: Float = 0

    /// Choices from heads.
    public init(shape: PolicyShape, options: Options = Options(), seed: UInt64) {
        self.init(shape: shape, isDiscrete: true, options: options, seed: seed)
    }

    /// Numbers in -1...1.
    public init(
        observationSize: Int, actionSize: Int, hidden: [Int] = [64, 64], options: Options = Options(), seed: UInt64
    ) {
        let shape = PolicyShape(
            observationSize: observationSize, hidden: hidden, heads: [actionSize], activation: .relu)
        self.init(shape: shape, isDiscrete: false, options: options, seed: seed)
    }

    init(shape: PolicyShape, isDiscrete: Bool, options: Options, seed: UInt64) {
        precondition(shape.recurrentSize == 0, "DDPG replays single transitions and has no memory")
        var generator = RandomGenerator(seed: seed)
        var actorLayout = ParameterLayout()
        var criticLayout = ParameterLayout()
        actor = Perceptron(
            [shape.inputSize] + shape.hidden + [shape.actionCount], activation: shape.activation,
            output: isDiscrete ? .none : .tanh, name: "actor", layout: &actorLayout)
        critic = Perceptron(
            [shape.inputSize + shape.actionCount] + shape.hidden + [1], activation: shape.activation, name: "critic",
            layout: &criticLayout)
        actorParameters = ParameterBuffer(layout: actorLayout)
        criticParameters = ParameterBuffer(layout: criticLayout)
        actorParameters.initialize(actor, outputGain: 1, using: &generator)
        criticParameters.initialize(critic, outputGain: 1, using: &generator)
        // FIRM: the last layers begin within +-0.003.
        for (network, isActor) in [(actor, true), (critic, false)] {
            let last = network.layers[network.layers.count - 1]
            if isActor {
                actorParameters.initializeUniformly(last, limit: 0.003, using: &generator)
            } else {
                criticParameters.initializeUniformly(last, limit: 0.003, using: &generator)
            }
        }
        // Copies, not networks of their own: the first targets are the critic's own opinion.
        actorTarget = actorParameters
        criticTarget = criticParameters
        actorOptimizer = Adam(count: actorLayout.count)
        criticOptimizer = Adam(count: criticLayout.count)
        replay = ReplayBuffer(
            capacity: options.capacity, observationSize: shape.inputSize, actionSize: shape.actionCount)
        noise = [Float](repeating: 0, count: shape.actionCount)
        self.shape = shape
        self.isDiscrete = isDiscrete
        self.options = options
        self.generator = generator
    }

    /// Goes on from a policy's actor, with a critic that knows nothing, an empty replay and fresh optimisers. Without a memory
    /// only.
    public init(policy: Policy, options: Options = Options(), seed: UInt64) {
        self.init(shape: policy.shape, isDiscrete: true, options: options, seed: seed)
        actorParameters.values = Array(policy.parameters[0..<actorParameters.values.count])
        actorTarget = actorParameters
    }

    public var exploration: Float {
        Swift.max(options.firstExploration - options.explorationDecay * Float(transitions), 0)
    }

    /// The discrete actor with a critic of zeros: Q(s, a) is not a value of s.
    public var policy: Policy {
        let network = ActorCritic(shape)
        var parameters = ParameterBuffer(layout: network.layout)
        parameters.values.replaceSubrange(0..<actorParameters.values.count, with: actorParameters.values)
        return Policy(shape: shape, parameters: parameters.values)
    }

    /// Learns from episodes of choices.
    public mutating func update(_ episodes: [Episode]) -> Diagnostics {
        precondition(isDiscrete, "numbers are learned transition by transition, with `observe`")
        var diagnostics = Diagnostics()
        for episode in episodes {
            guard episode.isValid(for: shape) else {
                diagnostics.skippedEpisodes += 1
                continue
            }
            let added = replay.append(episode, shape: shape, rewardScale: options.scale)
            advance(by: added)
        }
        learnWhatIsDue(&diagnostics)
        return diagnostics
    }

    /// Actions in -1...1 for an observation.
    /// - Parameter exploring: adds the noise and moves it on.
    public mutating func act(_ observation: [Float], exploring: Bool) -> [Float] {
        precondition(!isDiscrete && observation.count == shape.inputSize)
        let activations = FloatBuffer(count: actor.activationWidth)
        actorParameters.values.withUnsafeBufferPointer { weights in
            observation.withUnsafeBufferPointer {
                actor.forward(
                    weights.baseAddress!, x: $0.baseAddress!, rows: 1, activations: activations.pointer)
            }
        }
        var action = (0..<shape.actionCount).map { activations.pointer[actor.outputOffset(rows: 1) + $0] }
        guard exploring else { return action }
        for index in action.indices {
            noise[index] += -options.noiseTheta * noise[index] + options.noiseSigma * generator.normal()
            action[index] = Swift.min(Swift.max(action[index] + exploration * noise[index], -1), 1)
        }
        return action
    }

    /// Takes in one transition of numbers as it was executed, and learns what is due.
    public mutating func observe(
        observation: [Float], action: [Float], reward: Float, next: [Float], terminated: Bool
    ) -> Diagnostics {
        precondition(!isDiscrete)
        observation.withUnsafeBufferPointer { observation in
            action.withUnsafeBufferPointer { action in
                next.withUnsafeBufferPointer {
                    replay.append(
                        observation: observation, action: action, reward: reward * options.scale, next: $0,
                        nextMask: .empty, terminated: terminated)
                }
            }
        }
        if terminated { noise = noise.map { _ in 0 } }
        advance(by: 1)
        var diagnostics = Diagnostics()
        learnWhatIsDue(&diagnostics)
        return diagnostics
    }

    private mutating func advance(by added: Int) {
        transitions += added
        if replay.count >= options.warmUp { due += Float(added) * options.stepsPerTransition }
    }

    private mutating func learnWhatIsDue(_ diagnostics: inout Diagnostics) {
        diagnostics.exploration = exploration
        guard due >= 1, replay.count > 0 else { return }
        let work = Workspace(self, rows: options.batch)
        while due >= 1 {
            due -= 1
            let rows = (0..<options.batch).map { _ in generator.below(replay.count) }
            learn(rows, work: work, diagnostics: &diagnostics)
        }
        let count = Float(diagnostics.steps)
        diagnostics.criticLoss /= count
        diagnostics.meanValue /= count
        diagnostics.criticGradientNorm /= count
        diagnostics.actorGradientNorm /= count
    }

    private mutating func learn(_ rows: [Int], work: Workspace, diagnostics: inout Diagnostics) {
        let targets = targets(rows, work: work)
        diagnostics.criticLoss += backpropagateCritic(rows, targets: targets, work: work)
        var norm = gradientNorm(work.criticGradients.pointer, count: criticParameters.values.count)
        diagnostics.criticGradientNorm += norm
        if norm.isFinite {
            criticOptimizer.update(
                &criticParameters.values, gradients: work.criticGradients.pointer, rate: options.criticRate)
        }
        diagnostics.meanValue += backpropagateActor(rows, work: work).value
        norm = gradientNorm(work.actorGradients.pointer, count: actorParameters.values.count)
        diagnostics.actorGradientNorm += norm
        if norm.isFinite {
            actorOptimizer.update(
                &actorParameters.values, gradients: work.actorGradients.pointer, rate: options.actorRate)
        }
        actorTarget.approach(actorParameters, rate: options.softUpdate)
        criticTarget.approach(criticParameters, rate: options.softUpdate)
        diagnostics.steps += 1
    }
}

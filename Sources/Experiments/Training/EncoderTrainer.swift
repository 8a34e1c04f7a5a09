// Trains the trajectory encoder that ships: from how an application behaved to what it is.

import Base
import ClusterModel
import Deciding
import Learning
import Neural
import Scaling

/// Supervised: a linear head on the embedding has to tell the characteristics of the application that the trajectories
/// came from, whoever acted in them. Afterwards the head is thrown away and the encoder frozen.
public struct EncoderTrainer {
    public struct Options: Sendable {
        /// Trajectories of each application, and steps of each.
        public var episodes = 3
        public var episodeSteps = 100
        /// Applications of a gradient step, and passes over all.
        public var batch = 16
        public var epochs = 12
        public var units = 16
        public var embeddingSize = 32
        public var learningRate: Float = 1e-2

        public init() {}
    }

    /// What the embedding has to tell, each as a logarithm or a share, scaled to mean 0 and deviation 1 over the
    /// training applications.
    public static let characteristics = [
        "idle memory", "memory of 16 requests over idle memory", "share of input and output in a lone request's time",
        "speed-up of a second core", "objective over an idle replica's percentile",
    ]

    private let options: Options
    private let head: Linear
    private let headLayout: ParameterLayout
    private var headParameters: ParameterBuffer
    private var headOptimizer: Adam
    private var learner: MetaLearner
    private var scale: [(mean: Double, deviation: Double)] = []
    private var generator: RandomGenerator

    public init(options: Options = Options(), seed: UInt64) {
        self.options = options
        generator = RandomGenerator(seed: seed)
        let encoder = TrajectoryEncoder(
            observationSize: StateEncoder.count, heads: ActionSpace.standard.headSizes, units: options.units,
            embeddingSize: options.embeddingSize)
        learner = MetaLearner(encoder: encoder, learningRate: options.learningRate, seed: seed)
        var layout = ParameterLayout()
        head = Linear(
            inputs: options.embeddingSize, outputs: Self.characteristics.count, name: "head", layout: &layout)
        headLayout = layout
        headParameters = ParameterBuffer(layout: layout)
        headParameters.initialize(head, gain: 1, using: &generator)
        headOptimizer = Adam(count: layout.count)
    }

    static func characteristics(of application: SyntheticApplication) -> [Double] {
        let service = application.service
        let alone = service.cpuTime(cores: 1)
        return [
            logarithm(service.baseBytes),
            logarithm(1 + ServiceModel.requestsInFlightMax * service.bytesPerRequest / service.baseBytes),
            service.ioSeconds / (service.ioSeconds + alone), logarithm(alone / service.cpuTime(cores: 2)),
            logarithm(
                application.sloSeconds
                    / service.latency(cores: 1, load: 0, percentile: SyntheticApplication.percentile)),
        ]
    }

    /// `count` trajectories of one application under loads of their own, the rules and the policy acting in turn.
    public static func trajectories(
        of application: SyntheticApplication, count: Int, steps: Int = 100, policy: Policy?, traces: [LoadTrace],
        seed: UInt64
    ) -> [Episode] {
        var curriculum = ClusterCurriculum(applications: [application])
        curriculum.traces = traces
        curriculum.staySteps = steps...steps
        curriculum.restartShare = 0.25
        var generator = RandomGenerator(seed: seed)
        return (0..<count).map { index in
            play(
                ClusterEnvironment(curriculum), steps: steps, policy: index % 2 == 0 ? nil : policy,
                generator: &generator)
        }
    }

    private static func play(
        _ world: ClusterEnvironment, steps: Int, policy: Policy?, generator: inout RandomGenerator
    ) -> Episode {
        var world = world
        world.reset(using: &generator)
        var episode = Episode()
        var state = [Float](repeating: 0, count: world.observationSize)
        var mask = [UInt8](repeating: 1, count: world.heads.reduce(0, +))
        var actions = [Int32](repeating: 0, count: world.heads.count)
        var memory = policy?.shape.emptyMemory() ?? []
        let scratch = policy?.makeScratch()
        for _ in 0..<steps where !world.isOver {
            state.withUnsafeMutableBufferPointer { world.observe(into: $0) }
            if let policy, let scratch {
                mask.withUnsafeMutableBufferPointer { world.legal(into: $0) }
                state.withUnsafeBufferPointer { state in
                    mask.withUnsafeBufferPointer { mask in
                        memory.withUnsafeMutableBufferPointer {
                            policy.decide(observation: state, mask: mask, memory: $0, scratch: scratch)
                        }
                    }
                }
                actions = Array(scratch.actions)
            } else {
                actions.withUnsafeMutableBufferPointer { world.rulesChoice(into: $0) }
            }
            episode.observations += state
            episode.actions += actions
            let outcome = actions.withUnsafeBufferPointer { world.step($0, using: &generator) }
            episode.rewards.append(outcome.reward)
            policy?.shape.record(reward: outcome.reward, memory: &memory)
        }
        return episode
    }

    /// Trains on `applications`; returns the share of the characteristics' variance that the embedding explains, after
    /// each epoch, as it went.
    public mutating func train(
        on applications: [SyntheticApplication], policy: Policy?, traces: [LoadTrace], parallelFor: ParallelFor = sequentially,
        report: (Int) -> Void = { _ in }
    ) -> [Double] {
        let truths = applications.map(Self.characteristics)
        scale = Self.characteristics.indices.map { index in
            let values = truths.map { $0[index] }
            let mean = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            return (mean, max(variance.squareRoot(), 1e-6))
        }
        let (options, seeds) = (options, applications.map { _ in generator.next() })
        var trajectories = [[Episode]](repeating: [], count: applications.count)
        trajectories.withUnsafeMutableBufferPointer { trajectories in
            parallelFor(applications.count) { index in
                trajectories[index] = Self.trajectories(
                    of: applications[index], count: options.episodes, steps: options.episodeSteps, policy: policy,
                    traces: traces, seed: seeds[index])
            }
        }
        var order = Array(applications.indices)
        return (0..<options.epochs).map { epoch in
            order.shuffle(using: &generator)
            // The rate falls linearly to a twentieth.
            let rate = options.learningRate * (1 - 0.95 * Float(epoch) / Float(max(options.epochs, 1)))
            learner.learningRate = rate
            var error = 0.0
            for start in stride(from: 0, to: order.count, by: options.batch) {
                let chosen = order[start..<min(start + options.batch, order.count)]
                error += learn(
                    chosen.map { index in
                        // Sometimes all, sometimes fewer: a new application has one episode first.
                        let count = 1 + generator.below(trajectories[index].count)
                        let first = generator.below(trajectories[index].count - count + 1)
                        return (Array(trajectories[index][first..<first + count]), target(truths[index]))
                    }, rate: rate, parallelFor: parallelFor)
            }
            report(epoch + 1)
            return 1 - error / Double(order.count * Self.characteristics.count)
        }
    }

    private func target(_ truth: [Double]) -> [Float] {
        zip(truth, scale).map { Float(($0 - $1.mean) / $1.deviation) }
    }

    /// One gradient step on half the mean squared error; returns the sum of squared errors.
    private mutating func learn(
        _ samples: [(episodes: [Episode], target: [Float])], rate: Float, parallelFor: ParallelFor
    ) -> Double {
        let learner = learner
        var encodings = [TrajectoryEncoder.Encoding?](repeating: nil, count: samples.count)
        encodings.withUnsafeMutableBufferPointer { encodings in
            parallelFor(samples.count) { encodings[$0] = learner.encode(samples[$0].episodes) }
        }
        let outputs = Self.characteristics.count
        let share = 1 / Float(samples.count * outputs)
        var headGradients = [Float](repeating: 0, count: headLayout.count)
        var updates: [(encoding: TrajectoryEncoder.Encoding, gradient: [Float])] = []
        var squares = 0.0
        for (encoding, sample) in zip(encodings, samples) {
            guard let encoding else { continue }
            var predicted = [Float](repeating: 0, count: outputs)
            head.forward(headParameters.values, x: encoding.embedding, rows: 1, y: &predicted)
            var slope = zip(predicted, sample.target).map { $0 - $1 }
            squares += slope.reduce(0) { $0 + Double($1 * $1) }
            for index in slope.indices { slope[index] *= share }
            var gradient = [Float](repeating: 0, count: options.embeddingSize)
            head.backward(
                headParameters.values, x: encoding.embedding, dy: slope, rows: 1, gradients: &headGradients,
                dx: &gradient)
            updates.append((encoding, gradient))
        }
        self.learner.update(updates)
        headOptimizer.update(&headParameters.values, gradients: headGradients, rate: rate, scale: 1)
        return squares
    }

    /// Share of each characteristic's variance that the embedding explains on other applications.
    public func explained(
        on applications: [SyntheticApplication], episodes: Int, policy: Policy?, traces: [LoadTrace], seed: UInt64
    ) -> [Double] {
        var squares = [Double](repeating: 0, count: Self.characteristics.count)
        var truths: [[Float]] = []
        for (index, application) in applications.enumerated() {
            let played = Self.trajectories(
                of: application, count: episodes, steps: options.episodeSteps, policy: policy, traces: traces,
                seed: seed &+ UInt64(index))
            let truth = target(Self.characteristics(of: application))
            var predicted = [Float](repeating: 0, count: truth.count)
            head.forward(headParameters.values, x: learner.encode(played).embedding, rows: 1, y: &predicted)
            for position in truth.indices {
                squares[position] += Double(
                    (predicted[position] - truth[position]) * (predicted[position] - truth[position]))
            }
            truths.append(truth)
        }
        return squares.indices.map { position in
            let values = truths.map { Double($0[position]) }
            let mean = values.reduce(0, +) / Double(max(values.count, 1))
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return 1 - squares[position] / max(variance, 1e-9)
        }
    }

    /// The trained encoder with the embeddings of known workloads: every segment alone, and some combinations.
    public func frozen(policy: Policy?, traces: [LoadTrace], seed: UInt64) -> FrozenEncoder {
        let alone = Segment.all.enumerated().map { SyntheticApplication(segments: [$1], seed: seed &+ UInt64($0)) }
        let together = SyntheticApplication.validation.filter { $0.segments.count > 1 }.prefix(8)
        let references = (alone + together).enumerated().map { index, application in
            FrozenEncoder.Reference(
                name: application.name,
                vector: learner.encode(
                    Self.trajectories(
                        of: application, count: 6, steps: options.episodeSteps, policy: policy, traces: traces,
                        seed: seed &+ UInt64(index))
                ).embedding)
        }
        return FrozenEncoder(encoder: learner.encoder, parameters: learner.parameters, references: references)
    }
}

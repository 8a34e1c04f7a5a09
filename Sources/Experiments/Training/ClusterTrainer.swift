// Training across generated applications: how the base policy that ships with the product is made.

import Base
import ClusterModel
import Deciding
import Learning
import Neural
import Scaling

/// PPO over many applications side by side. Deterministic for a seed, whatever `parallelFor` runs at the same time.
public struct ClusterTrainer {
    public struct Options: Sendable {
        /// Steps of an episode, as the service has them.
        public var episodeSteps = 100
        /// Episodes in all.
        public var episodes = 60_000
        public var recurrentSize = 0
        /// Share of the episodes, at the end, that only teach the critic, which until then saw the future.
        public var criticShare = 0.04
        /// Of the finished policy (`PolicyShape.restraint`). The same weight on all no-ops at any time, as it was before, made a
        /// policy that never came down under a load that falls slowly: 1.24 times the bill of HPA on a smooth day, now 1.06.
        public var restraint: Float = 0
        /// Widths of the hidden layers of actor and critic.
        public var hidden = [64, 64]
        public var ppo = PPO.Options.cluster
        /// Updates after which every worker moves on to another application. Then its generator is all there is of it,
        /// and a checkpoint is short: `encode` wants a multiple of this.
        public var renewal = 150
        /// What gives the policy an embedding of its application, by the episodes of the present stay so far; `nil` for a
        /// policy without one (as the base policy is).
        public var encoder: BaseEncoder?

        public init() {}

        /// Updates in all.
        public var updates: Int { max(1, episodes / ppo.episodesPerUpdate) }
    }

    /// How training stands after an update.
    public struct Progress: Sendable {
        public let episodes: Int
        public let totalEpisodes: Int
        /// Means over the update's steps: reported reward x 100, priced reward x 100, share of violations, OOM kills and
        /// replica changes an episode. Played with exploration: the greedy policy is better.
        public let r: Double
        public let pricedReward: Double
        public let violationRate: Double
        public let oomKills: Double
        public let changes: Double
        public let diagnostics: PPO.Diagnostics
    }

    /// One application at a time, and the policy's memory of it.
    private struct Worker {
        var environment: ClusterEnvironment
        var memory: [Float]
        var generator: RandomGenerator
        /// Of the present stay, the last ones; kept when there is an encoder.
        var trajectories: [Episode] = []
        var totals = Totals()
    }

    /// Episodes of a stay that are encoded.
    private static let encodedEpisodes = 2

    /// Parts that a minibatch's gradient is summed from, whatever the number of threads: a sum's rounding depends on it.
    private static let shards = 2

    public let options: Options
    public private(set) var ppo: PPO
    public private(set) var episodesDone = 0
    private var workers: [Worker]
    /// Of the policy that is made; the learner's has the critic's values as well while that sees the future.
    private let visible: PolicyShape
    private let seed: UInt64

    public init(curriculum: ClusterCurriculum, options: Options = Options(), seed: UInt64) {
        var options = options
        if options.ppo.finalLearningRate != nil { options.ppo.annealedUpdates = options.updates }
        self.options = options
        self.seed = seed
        let shape = PolicyShape.cluster(
            space: curriculum.space, recurrentSize: options.recurrentSize,
            embeddingSize: options.encoder?.size ?? 0, hidden: options.hidden,
            additional: curriculum.isExtended ? TransferFeatures.count : 0)
        visible = shape
        var informed = shape
        // A critic that sees the future is for networks without memory: a GRU would carry it to the actor.
        let isInformed = options.criticShare > 0 && shape.recurrentSize == 0 && options.encoder == nil
        if isInformed { informed.observationSize += ClusterEnvironment.hiddenCount }
        ppo = PPO(shape: informed, options: options.ppo, seed: seed)
        if isInformed { ppo.hiddenFromActor = ClusterEnvironment.hiddenCount }
        var generator = RandomGenerator(seed: seed ^ 0x5EED)
        workers = (0..<options.ppo.episodesPerUpdate).map { _ in
            Worker(
                environment: ClusterEnvironment(curriculum), memory: shape.emptyMemory(), generator: generator.split())
        }
    }

    /// Continues from a policy, for fine-tuning and for transfer (TL).
    public init(curriculum: ClusterCurriculum, from policy: Policy, options: Options, seed: UInt64) {
        self.init(curriculum: curriculum, options: options, seed: seed)
        ppo = PPO(policy: policy, options: self.options.ppo, seed: seed)
    }

    /// Whether all episodes were played.
    public var isDone: Bool { episodesDone >= options.episodes }

    /// The policy as it stands. Until the end its critic has only a part of what it learned with.
    public var policy: Policy { isDone && options.restraint != 0 ? seeing.restrained(by: options.restraint) : seeing }

    private var seeing: Policy {
        ppo.shape == visible ? ppo.policy : ppo.policy.narrowed(toObservation: visible.observationSize)
    }

    /// Episodes at the end that only teach the critic.
    private var criticEpisodes: Int {
        max(options.ppo.episodesPerUpdate, Int(Double(options.episodes) * options.criticShare))
    }

    /// The learner's options in that time.
    private var criticOptions: PPO.Options {
        var result = options.ppo
        result.learningRate = 5e-4
        result.finalLearningRate = 5e-5
        result.annealedUpdates = max(1, criticEpisodes / options.ppo.episodesPerUpdate)
        return result
    }

    /// From here on the actor stays as it is, and a critic learns to do without the future.
    private mutating func closeEyes() {
        ppo = PPO(policy: seeing, options: criticOptions, seed: seed ^ 0xC1171C)
        ppo.holdsActor = true
    }

    private var isRenewing: Bool { episodesDone / workers.count % options.renewal == 0 }

    /// Plays one episode in every worker and learns from them.
    public mutating func update(parallelFor: ParallelFor = sequentially) -> Progress {
        if ppo.shape != visible, episodesDone > 0, options.episodes - episodesDone <= criticEpisodes { closeEyes() }
        let policy = ppo.policy
        let isRenewing = isRenewing
        let (steps, encoder) = (options.episodeSteps, options.encoder)
        var episodes = [Episode](repeating: Episode(), count: workers.count)
        episodes.withUnsafeMutableBufferPointer { episodes in
            workers.withUnsafeMutableBufferPointer { workers in
                parallelFor(workers.count) { index in
                    if isRenewing { Self.renew(&workers[index], number: index, steps: steps) }
                    episodes[index] = Self.play(&workers[index], policy: policy, encoder: encoder, steps: steps)
                }
            }
        }
        let diagnostics = ppo.update(episodes, shards: Self.shards, parallelFor: parallelFor)
        episodesDone += episodes.count
        return progress(diagnostics)
    }

    /// Updates until done. `report` may return false to stop early.
    public mutating func run(
        report: (Progress) -> Bool = { _ in true }, parallelFor: ParallelFor = sequentially
    ) {
        while !isDone {
            guard report(update(parallelFor: parallelFor)) else { return }
        }
    }

    /// Seats begin staggered, so that every update has young and old stays in it.
    private static func renew(_ worker: inout Worker, number: Int, steps: Int) {
        let longest = max(1, worker.environment.curriculum.staySteps.upperBound / steps)
        worker.environment.reset(using: &worker.generator, stay: (1 + number % longest) * steps)
        worker.memory = [Float](repeating: 0, count: worker.memory.count)
        worker.trajectories = []
    }

    private func progress(_ diagnostics: PPO.Diagnostics) -> Progress {
        let totals = workers.reduce(into: Totals()) { $0.add($1.totals) }
        let episodes = Double(workers.count)
        let steps = max(totals.steps, 1)
        return Progress(
            episodes: episodesDone, totalEpisodes: options.episodes, r: totals.reward / steps * 100,
            pricedReward: totals.priced / steps * 100, violationRate: totals.violations / steps,
            oomKills: totals.oomKills / episodes, changes: totals.changes / episodes, diagnostics: diagnostics)
    }

    /// Sums over one episode, or several.
    private struct Totals {
        var steps = 0.0
        var reward = 0.0
        var priced = 0.0
        var violations = 0.0
        var oomKills = 0.0
        var changes = 0.0

        mutating func add(_ outcome: StepOutcome, priced: Float) {
            steps += 1
            reward += outcome.reward
            self.priced += Double(priced)
            violations += outcome.violated ? 1 : 0
            oomKills += Double(outcome.oomKills)
            changes += outcome.replicasChanged ? 1 : 0
        }

        mutating func add(_ other: Totals) {
            steps += other.steps
            reward += other.reward
            priced += other.priced
            violations += other.violations
            oomKills += other.oomKills
            changes += other.changes
        }
    }

    private static func play(
        _ worker: inout Worker, policy: Policy, encoder: BaseEncoder?, steps: Int
    ) -> Episode {
        let shape = policy.shape
        let scratch = policy.makeScratch()
        worker.totals = Totals()
        var episode = Episode()
        episode.reserve(steps: steps, shape: shape)
        if worker.environment.isOver {
            worker.environment.reset(using: &worker.generator)
            worker.memory = shape.emptyMemory()
            worker.trajectories = []
        }
        let embedding = encoder?.embed(worker.trajectories) ?? []
        episode.initialMemory = worker.memory
        episode.embedding = embedding
        var state = [Float](repeating: 0, count: shape.observationSize)
        var mask = [UInt8](repeating: 1, count: shape.actionCount)
        for _ in 0..<steps where !worker.environment.isOver {
            state.withUnsafeMutableBufferPointer { worker.environment.observe(into: $0) }
            mask.withUnsafeMutableBufferPointer { worker.environment.legal(into: $0) }
            state.withUnsafeBufferPointer { state in
                mask.withUnsafeBufferPointer { mask in
                    embedding.withUnsafeBufferPointer { embedding in
                        worker.memory.withUnsafeMutableBufferPointer { memory in
                            policy.decide(
                                observation: state, embedding: embedding, mask: mask, memory: memory,
                                scratch: scratch, sampling: &worker.generator)
                        }
                    }
                    episode.append(observation: state, mask: mask, decision: scratch)
                }
            }
            let outcome = worker.environment.step(UnsafeBufferPointer(scratch.actions), using: &worker.generator)
            episode.rewards.append(outcome.reward)
            shape.record(reward: outcome.reward, memory: &worker.memory)
            worker.totals.add(worker.environment.outcome, priced: outcome.reward)
        }
        state.withUnsafeMutableBufferPointer { worker.environment.observe(into: $0) }
        episode.bootstrapValue = state.withUnsafeBufferPointer { state in
            embedding.withUnsafeBufferPointer { embedding in
                worker.memory.withUnsafeBufferPointer {
                    policy.value(observation: state, embedding: embedding, memory: $0, scratch: scratch)
                }
            }
        }
        if encoder != nil { worker.trajectories = Array((worker.trajectories + [episode]).suffix(encodedEpisodes)) }
        return episode
    }
}

extension ClusterTrainer {
    /// Whether the run stands where `encode` may be called.
    public var isAtCheckpoint: Bool { isRenewing || isDone }

    /// Position, learner, and every worker's generator. A run that goes on from it gives the same bytes as one that was
    /// never stopped.
    /// - Precondition: `isAtCheckpoint`.
    public func encode() -> [UInt8] {
        precondition(isAtCheckpoint, "a checkpoint is written when the workers are renewed")
        var writer = ByteWriter()
        writer.write(UInt64(episodesDone))
        writer.write(ppo.encode())
        writer.write(UInt32(workers.count))
        for worker in workers { worker.generator.encode(into: &writer) }
        return writer.bytes
    }

    /// Goes on from what `encode` wrote in a run with the same curriculum and options.
    /// - Throws: `CodingFailure` or `ByteReader.Failure`; then the trainer is as it was.
    public mutating func restore(from bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        let done = Int(clamping: try reader.integer(UInt64.self))
        let learner = try PPO(decoding: try reader.byteArray())
        let isClosing = learner.shape == visible && ppo.shape != visible
        guard isClosing ? learner.options == criticOptions : learner.shape == ppo.shape && learner.options == ppo.options,
            Int(try reader.integer(UInt32.self)) == workers.count
        else { throw CodingFailure.wrongSize }
        var generators: [RandomGenerator] = []
        for _ in workers { generators.append(try RandomGenerator(from: &reader)) }
        guard reader.isAtEnd else { throw CodingFailure.wrongSize }
        let hidden = ppo.hiddenFromActor
        ppo = learner
        if isClosing { ppo.holdsActor = true } else { ppo.hiddenFromActor = hidden }
        episodesDone = done
        for index in workers.indices { workers[index].generator = generators[index] }
    }
}

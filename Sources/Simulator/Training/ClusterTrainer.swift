// Training across generated applications: how the base policy that ships with the product is made (LEARNING).

import Learning
import Neural
import Scaling

/// PPO over many applications side by side. Deterministic for a seed.
public struct ClusterTrainer {
    public struct Options: Sendable {
        /// Steps of an episode, as the service has them.
        public var episodeSteps = 100
        /// Episodes in all.
        public var episodes = 60_000
        public var recurrentSize = 32
        public var ppo = PPO.Options.cluster

        public init() {}

        var updates: Int { max(1, episodes / ppo.episodesPerUpdate) }
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
    private struct Seat {
        var environment: ClusterEnvironment
        var memory: [Float]
        var generator: RandomGenerator
    }

    public let options: Options
    public private(set) var ppo: PPO
    public private(set) var episodesDone = 0
    private var seats: [Seat]

    public init(curriculum: ClusterCurriculum, options: Options = Options(), seed: UInt64) {
        var options = options
        if options.ppo.finalLearningRate != nil { options.ppo.annealedUpdates = options.updates }
        self.options = options
        let shape = PolicyShape.cluster(
            space: curriculum.space, recurrentSize: options.recurrentSize, isExtended: curriculum.isExtended)
        ppo = PPO(shape: shape, options: options.ppo, seed: seed)
        var generator = RandomGenerator(seed: seed ^ 0x5EED)
        seats = (0..<options.ppo.episodesPerUpdate).map { _ in
            var own = generator.split()
            var environment = ClusterEnvironment(curriculum)
            environment.reset(using: &own)
            return Seat(environment: environment, memory: shape.emptyMemory(), generator: own)
        }
    }

    /// Continues from a policy, for fine-tuning and for transfer (TL).
    public init(curriculum: ClusterCurriculum, from policy: Policy, options: Options, seed: UInt64) {
        self.init(curriculum: curriculum, options: options, seed: seed)
        ppo = PPO(policy: policy, options: self.options.ppo, seed: seed)
    }

    /// Whether all episodes were played.
    public var isDone: Bool { episodesDone >= options.episodes }

    /// The policy as it stands; `policy.encode()` is its checkpoint.
    public var policy: Policy { ppo.policy }

    /// Plays one episode in every seat and learns from them.
    public mutating func update() -> Progress {
        let policy = ppo.policy
        let scratch = policy.makeScratch()
        var totals = Totals()
        var episodes: [Episode] = []
        episodes.reserveCapacity(seats.count)
        for index in seats.indices {
            episodes.append(
                Self.play(&seats[index], policy: policy, steps: options.episodeSteps, scratch: scratch, &totals))
        }
        let diagnostics = ppo.update(episodes)
        episodesDone += episodes.count
        let steps = Double(episodes.count * options.episodeSteps)
        return Progress(
            episodes: episodesDone, totalEpisodes: options.episodes, r: totals.reward / steps * 100,
            pricedReward: totals.priced / steps * 100, violationRate: totals.violations / steps,
            oomKills: totals.oomKills / Double(episodes.count), changes: totals.changes / Double(episodes.count),
            diagnostics: diagnostics)
    }

    /// Updates until done. `report` may return false to stop early.
    public mutating func run(report: (Progress) -> Bool = { _ in true }) {
        while !isDone {
            guard report(update()) else { return }
        }
    }

    private struct Totals {
        var reward = 0.0
        var priced = 0.0
        var violations = 0.0
        var oomKills = 0.0
        var changes = 0.0

        mutating func add(_ outcome: StepOutcome, priced: Float) {
            reward += outcome.reward
            self.priced += Double(priced)
            violations += outcome.violated ? 1 : 0
            oomKills += Double(outcome.oomKills)
            changes += outcome.replicasChanged ? 1 : 0
        }
    }

    private static func play(
        _ seat: inout Seat, policy: Policy, steps: Int, scratch: PolicyScratch, _ totals: inout Totals
    ) -> Episode {
        let shape = policy.shape
        var episode = Episode()
        episode.reserve(steps: steps, shape: shape)
        if seat.environment.isOver {
            seat.environment.reset(using: &seat.generator)
            seat.memory = shape.emptyMemory()
        }
        episode.initialMemory = seat.memory
        var state = [Float](repeating: 0, count: shape.observationSize)
        var mask = [UInt8](repeating: 1, count: shape.actionCount)
        for _ in 0..<steps where !seat.environment.isOver {
            state.withUnsafeMutableBufferPointer { seat.environment.observe(into: $0) }
            mask.withUnsafeMutableBufferPointer { seat.environment.legal(into: $0) }
            state.withUnsafeBufferPointer { state in
                mask.withUnsafeBufferPointer { mask in
                    seat.memory.withUnsafeMutableBufferPointer { memory in
                        policy.decide(
                            observation: state, mask: mask, memory: memory, scratch: scratch,
                            sampling: &seat.generator)
                    }
                    episode.append(observation: state, mask: mask, decision: scratch)
                }
            }
            let outcome = seat.environment.step(UnsafeBufferPointer(scratch.actions), using: &seat.generator)
            episode.rewards.append(outcome.reward)
            shape.record(reward: outcome.reward, memory: &seat.memory)
            totals.add(seat.environment.outcome, priced: outcome.reward)
        }
        state.withUnsafeMutableBufferPointer { seat.environment.observe(into: $0) }
        episode.bootstrapValue = state.withUnsafeBufferPointer { state in
            seat.memory.withUnsafeBufferPointer { policy.value(observation: state, memory: $0, scratch: scratch) }
        }
        return episode
    }
}

// What is learned about one application: its lifecycle, its optimiser, and the episodes that wait for the next update.

import Learning
import Neural
import Scaling

/// Pure: episodes in, versions and events out. Everything it knows survives in `encode`, so that a run that was
/// interrupted continues as if it had not been.
struct ApplicationLearner: Sendable {
    /// Policy episodes of one PPO update. Fewer make the first versions come sooner, more make them steadier.
    static let episodesPerUpdate = 4

    /// PPO for one application from a cloned start.
    ///
    /// The discount and entropy are LEARNING's recipe; the rate is lower, because an update has 400 steps and not 3,200.
    static let options: PPO.Options = {
        var options = PPO.Options()
        options.discount = 0.9
        options.entropy = 0.003
        options.epochs = 4
        options.minibatch = .steps(64)
        options.learningRate = 5e-4
        options.finalLearningRate = 1e-4
        options.annealedUpdates = 150
        options.targetKL = 0.03
        return options
    }()

    /// The same from a base policy, which is recurrent: whole episodes, smaller steps.
    static let fineTuning: PPO.Options = {
        var options = ApplicationLearner.options
        options.minibatch = .episodes(2)
        options.learningRate = 2e-4
        options.finalLearningRate = 5e-5
        return options
    }()

    static let shape = PolicyShape(
        observationSize: StateEncoder.count, heads: ActionSpace.standard.headSizes,
        noOps: ActionSpace.standard.heads.map(\.noop))

    /// What one episode changed.
    struct Progress {
        /// The new version and its policy, when there is one.
        var model: (version: Int, parent: Int, policy: Policy, diagnostics: [String: Double])?
        /// Alarms, and at most one change of stage.
        var transitions: [Lifecycle.Transition] = []
    }

    var lifecycle = Lifecycle()
    /// The version on duty, 0 before there is one.
    var version = 0
    /// The highest version ever made: numbers are never used twice.
    var latest = 0
    var ppo: PPO
    /// Numbers of policy episodes that the next update will use; their steps are read again from the store.
    var pending: [Int] = []
    /// Numbers of the last episodes in which the rules acted: what a candidate is cloned from.
    private var rulesEpisodes: [Int] = []
    private static let rulesEpisodesMax = 40
    /// Episodes of the rules since the stage was entered.
    var rulesInStage = 0
    /// Whether a version was made since the rules took over: a demoted policy does not come back as it was.
    var hasCandidate = false

    /// The episodes by which its workload is known.
    var trajectories = BestEpisodes()

    /// Policy episodes that a base policy gets to show itself better than the rules, before it is fine-tuned.
    private static let baseEpisodesMax = 30
    /// Policy episodes of the base policy so far, `nil` when the acting weights are the application's own.
    var baseEpisodes: Int?

    /// - Parameter base: the first candidate; without one the first candidate is cloned from the rules.
    init(base: Policy?, seed: UInt64) {
        if let base {
            ppo = PPO(policy: base, options: Self.fineTuning, seed: seed)
            baseEpisodes = 0
        } else {
            ppo = PPO(shape: Self.shape, options: Self.options, seed: seed)
        }
    }

    /// Exploring is for learning: a base policy that is on trial acts as well as it can.
    var explores: Bool { lifecycle.stage == .online && baseEpisodes == nil }

    var policy: Policy? { version > 0 ? ppo.policy : nil }

    /// Takes a finished episode into account.
    /// - Parameter load: reads an episode's steps from the store.
    mutating func learn(
        from summary: EpisodeSummary, profile: Profile, load: (Int) throws -> Episode?
    ) rethrows -> Progress {
        var progress = Progress()
        if lifecycle.stage == .initialized { _ = lifecycle.start(profile) }
        trajectories.insert(summary)
        guard profile.algorithm != .rules else { return progress }
        if summary.actor == .policy, let count = baseEpisodes {
            baseEpisodes = lifecycle.stage == .online && count + 1 >= Self.baseEpisodesMax ? nil : count + 1
        } else if summary.actor == .policy {
            pending.append(summary.number)
            if pending.count >= Self.episodesPerUpdate {
                let episodes = try pending.compactMap(load)
                pending.removeAll()
                if lifecycle.stage == .online, !episodes.isEmpty {
                    let diagnostics = ppo.update(episodes)
                    progress.model = publish(Self.figures(diagnostics))
                }
            }
        } else {
            rulesEpisodes.append(summary.number)
            rulesEpisodes.removeFirst(max(0, rulesEpisodes.count - Self.rulesEpisodesMax))
            rulesInStage += 1
            if lifecycle.stage == .offline, version == 0, baseEpisodes != nil {
                progress.model = publish(["base": 1])
                hasCandidate = true
            } else if lifecycle.stage == .offline, !hasCandidate, rulesInStage >= profile.thresholds.window {
                progress.model = publish(clone(try rulesEpisodes.compactMap(load)))
                hasCandidate = true
            }
        }
        progress.transitions = lifecycle.episodeEnded(
            policyReward: summary.actor == .policy ? summary.reward : nil,
            rulesReward: summary.actor == .policy ? nil : summary.reward, candidateEstimate: candidateEstimate,
            profile: profile)
        if progress.transitions.contains(where: { !$0.isAlarm }) {
            pending.removeAll()
            rulesInStage = 0
            hasCandidate = false
            // A base policy that was sent back gives way to the application's own.
            if lifecycle.stage == .offline { baseEpisodes = nil }
        }
        return progress
    }

    /// A version that was cloned from the rules is expected to earn what they earn; no better judge is consulted here.
    private var candidateEstimate: Lifecycle.Estimate? {
        guard hasCandidate, lifecycle.stage == .offline, let reward = lifecycle.rulesReward else { return nil }
        return Lifecycle.Estimate(mean: reward, standardError: 0, windows: Lifecycle.estimateWindowsMin)
    }

    private mutating func publish(_ diagnostics: [String: Double]) -> (Int, Int, Policy, [String: Double]) {
        let parent = version
        latest += 1
        version = latest
        return (version, parent, ppo.policy, diagnostics)
    }

    /// Behaviour cloning: the policy learns to do what the rules did.
    /// PPO then goes on from there with a fresh optimiser.
    private mutating func clone(_ episodes: [Episode]) -> [String: Double] {
        var options = BehaviorCloning.Options()
        options.epochs = 20
        options.minibatch = ppo.shape.recurrentSize > 0 ? .episodes(1) : .steps(64)
        var cloning = BehaviorCloning(policy: ppo.policy, options: options, seed: UInt64(episodes.count))
        let diagnostics = cloning.update(episodes)
        ppo = PPO(policy: cloning.policy, options: ppo.options, seed: UInt64(episodes.count))
        return [
            "negativeLogLikelihood": Double(diagnostics.negativeLogLikelihood), "entropy": Double(diagnostics.entropy),
            "valueLoss": Double(diagnostics.valueLoss), "gradientNorm": Double(diagnostics.gradientNorm),
            "explainedVariance": Double(diagnostics.explainedVariance),
        ]
    }

    private static func figures(_ diagnostics: PPO.Diagnostics) -> [String: Double] {
        [
            "approximateKL": Double(diagnostics.approximateKL), "clipFraction": Double(diagnostics.clipFraction),
            "entropy": Double(diagnostics.entropy), "explainedVariance": Double(diagnostics.explainedVariance),
            "gradientNorm": Double(diagnostics.gradientNorm), "policyLoss": Double(diagnostics.policyLoss),
            "valueLoss": Double(diagnostics.valueLoss), "learningRate": Double(diagnostics.learningRate),
            "epochs": Double(diagnostics.epochs),
        ]
    }

    // MARK: Persistence

    private static let format: UInt8 = 3

    /// The part that changes with every episode.
    func encodeState() -> [UInt8] {
        var writer = ByteWriter(reserving: 512)
        writer.write(Self.format)
        lifecycle.encode(into: &writer)
        writer.write(UInt32(clamping: version))
        writer.write(UInt32(clamping: latest))
        writer.write(UInt32(clamping: pending.count))
        for number in pending { writer.write(UInt32(clamping: number)) }
        writer.write(UInt32(clamping: rulesEpisodes.count))
        for number in rulesEpisodes { writer.write(UInt32(clamping: number)) }
        writer.write(UInt32(clamping: rulesInStage))
        writer.write(hasCandidate)
        writer.write(Int32(clamping: baseEpisodes ?? -1))
        trajectories.encode(into: &writer)
        return writer.bytes
    }

    /// The part that changes with updates.
    func encodeOptimizer() -> [UInt8] { ppo.encode() }

    /// - Parameters: as of a learner that has not learned anything yet.
    init(decoding saved: StoredTrainer, base: Policy?, seed: UInt64) throws {
        var reader = ByteReader(saved.state)
        guard try reader.integer(UInt8.self) == Self.format else { throw ByteReader.Failure.malformed }
        lifecycle = try Lifecycle(from: &reader)
        version = Int(try reader.integer(UInt32.self))
        latest = Int(try reader.integer(UInt32.self))
        pending = try (0..<(try reader.integer(UInt32.self))).map { _ in Int(try reader.integer(UInt32.self)) }
        rulesEpisodes = try (0..<(try reader.integer(UInt32.self))).map { _ in Int(try reader.integer(UInt32.self)) }
        rulesInStage = Int(try reader.integer(UInt32.self))
        hasCandidate = try reader.bool()
        let count = Int(try reader.integer(Int32.self))
        baseEpisodes = count < 0 ? nil : count
        trajectories = try BestEpisodes(from: &reader)
        if let optimizer = saved.optimizer {
            ppo = try PPO(decoding: optimizer)
        } else {
            ppo = ApplicationLearner(base: base, seed: seed).ppo
        }
    }
}

// A policy that learns from what it does in one application, episode by episode, as the service's trainer has it.

import Base
import Deciding
import Learning
import Neural
import Scaling

/// PPO on one application. Acts behind the guards.
struct Apprentice: Sendable {
    private var ppo: PPO
    private(set) var policy: Policy
    private let episodesPerUpdate: Int
    private var pending: [Episode] = []
    private var random: RandomGenerator
    /// CPU time of acting for learning and of learning itself.
    private(set) var seconds = 0.0
    var embedding: [Float]

    /// Adapts a policy: the same settings for every arm. Small updates, so that the first come soon.
    init(adapting policy: Policy, embedding: [Float] = [], seed: UInt64) {
        var options = PPO.Options.cluster
        options.minibatch = .episodes(2)
        options.learningRate = 5e-4
        options.finalLearningRate = nil
        options.targetKL = 0.03
        self.init(policy, options: options, episodesPerUpdate: 4, embedding: embedding, seed: seed)
    }

    /// Trains on one application alone, to the end: larger updates, a falling rate.
    init(specializing policy: Policy, episodes: Int, seed: UInt64) {
        var options = PPO.Options.cluster(updates: episodes / 8)
        options.minibatch = .episodes(2)
        self.init(policy, options: options, episodesPerUpdate: 8, embedding: [], seed: seed)
    }

    private init(_ policy: Policy, options: PPO.Options, episodesPerUpdate: Int, embedding: [Float], seed: UInt64) {
        ppo = PPO(policy: policy, options: options, seed: seed)
        self.policy = policy
        self.episodesPerUpdate = episodesPerUpdate
        self.embedding =
            embedding.isEmpty ? [Float](repeating: 0, count: policy.shape.embeddingSize) : embedding
        random = RandomGenerator(seed: seed ^ 0xA99)
    }

    /// Plays a trial, exploring, and learns when enough episodes have come together.
    mutating func learn(_ trial: Trial) -> TrialResult {
        let start = threadSeconds()
        var controller = DecisionController(
            policy: policy, profile: trial.profile, embedding: embedding,
            sampling: random.split(), additional: TransferFeatures.read(by: policy), recordsAfter: trial.warmUpSteps - 1)
        let result = trial.run(&controller)
        if let episode = controller.episode { pending.append(episode) }
        if pending.count >= episodesPerUpdate {
            _ = ppo.update(pending)
            pending.removeAll()
            policy = ppo.policy
        }
        seconds += threadSeconds() - start
        return result
    }

    /// Plays a trial as well as it can, and learns nothing.
    func serve(_ trial: Trial) -> TrialResult { Self.serve(policy, trial, embedding: embedding) }

    static func serve(_ policy: Policy, _ trial: Trial, embedding: [Float] = []) -> TrialResult {
        var controller = DecisionController(
            policy: policy, profile: trial.profile, embedding: embedding,
            additional: TransferFeatures.read(by: policy))
        return trial.run(&controller)
    }

    /// A policy that knows one application alone, from random weights.
    static func specialist(_ course: Course, episodes: Int, isExtended: Bool = false, seed: UInt64) -> Policy {
        let first = Policy(shape: .cluster(additional: isExtended ? TransferFeatures.count : 0), seed: seed)
        var apprentice = Apprentice(specializing: first, episodes: episodes, seed: seed)
        for number in 0..<episodes { _ = apprentice.learn(course.episode(number)) }
        return apprentice.policy
    }
}

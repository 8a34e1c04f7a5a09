// A policy that was trained on one application alone, to the end: what adapting and serving are compared with.

import Base
import Deciding
import Learning

/// PPO on the episodes of one application, from random weights or from another policy, with a falling rate.
enum Specialist {
    private static let episodesPerUpdate = 8

    /// - Parameters:
    ///   - first: where training begins; `nil` for random weights.
    ///   - start: number of the first episode.
    static func train(
        _ schedule: EpisodeSchedule, from first: Policy? = nil, episodes: Int, start: Int = 0, seed: UInt64
    ) -> Policy {
        var options = PPO.Options.cluster(updates: episodes / episodesPerUpdate)
        options.minibatch = .episodes(2)
        var ppo = PPO(policy: first ?? Policy(shape: .cluster(), seed: seed), options: options, seed: seed)
        var random = RandomGenerator(seed: seed ^ 0xA99)
        var pending: [Episode] = []
        for number in start..<start + episodes {
            let trial = schedule.episode(number)
            var controller = DecisionController(
                policy: ppo.policy, profile: trial.profile, sampling: random.split(),
                recordsAfter: trial.warmUpSteps - 1)
            _ = trial.run(&controller)
            if let episode = controller.episode { pending.append(episode) }
            guard pending.count >= episodesPerUpdate else { continue }
            _ = ppo.update(pending)
            pending.removeAll()
        }
        return ppo.policy
    }

    /// Plays a trial with a policy that acts as well as it can and learns nothing.
    static func serve(_ policy: Policy, _ trial: Trial) -> TrialResult {
        var controller = DecisionController(policy: policy, profile: trial.profile)
        return trial.run(&controller)
    }
}

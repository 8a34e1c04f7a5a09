// TL and TL+ (AWARE, USENIX ATC 2023): what was learned on one application, carried over to another and trained further there.

import Base
import ClusterModel
import Deciding
import Learning
import Scaling

extension Arm {
    /// A policy trained on one application, copied to the tested one and trained further on its training windows.
    /// - Parameters:
    ///   - isExtended: TL+, with a load forecast and an allocation table in the state.
    ///   - episodes: Episodes on the first application, which is drawn from the training set by `seed`.
    ///   - adaptation: Episodes on the tested application.
    public static func transfer(
        isExtended: Bool, episodes: Int, adaptation: Int, traces: [LoadTrace], seed: UInt64
    ) -> Arm {
        let training = SyntheticApplication.split(seed: 1).training
        let first = training[Int(SimulationRandom(seed: seed, index: 77).peek % UInt64(training.count))]
        @Sendable func train(_ application: SyntheticApplication, _ episodes: Int, from policy: Policy?) -> Policy {
            var curriculum = ClusterCurriculum(applications: [application])
            curriculum.traces = traces
            curriculum.isExtended = isExtended
            var options = ClusterTrainer.Options()
            options.episodes = episodes
            var trainer =
                policy.map { ClusterTrainer(curriculum: curriculum, from: $0, options: options, seed: seed) }
                ?? ClusterTrainer(curriculum: curriculum, options: options, seed: seed)
            trainer.run()
            return trainer.policy
        }
        let source = Once { train(first, episodes, from: nil) }
        return Arm(
            name: isExtended ? "tl-plus" : "tl",
            summary:
                "trained for \(episodes) episodes on \(first.name), then for \(adaptation) on the tested application"
                + (isExtended ? ", with load forecast and allocation table" : ""),
            candidates: { application in
                let policy = train(application, adaptation, from: source.value)
                return [
                    Setting("from \(first.name)") {
                        DecisionController(
                            policy: policy, profile: $0.profile, additional: TransferFeatures.read(by: policy))
                    }
                ]
            })
    }
}

extension SimulationRandom {
    /// The next number, without moving on.
    var peek: UInt64 {
        var copy = self
        return copy.next()
    }
}

// The recipe of the base policy: applications, loads, prices and schedule, in one place.

import ClusterModel
import Learning
import Scaling

extension ClusterTrainer.Options {
    /// What `aware train --environment cluster` runs unless told otherwise.
    public static var base: ClusterTrainer.Options {
        var options = ClusterTrainer.Options()
        options.episodes = 60_000
        return options
    }
}

extension ClusterCurriculum {
    /// 2,000 generated applications, none of which is tested or chosen by.
    public static func base(seed: UInt64, traces: [LoadTrace]) -> ClusterCurriculum {
        let split = SyntheticApplication.split(seed: 1)
        var curriculum = ClusterCurriculum(
            applications: applications(
                count: 2000, seed: 1000 &+ seed, excluding: split.test + SyntheticApplication.validation))
        curriculum.traces = traces
        curriculum.restartShare = 0.4
        curriculum.surgeShare = 0.3
        curriculum.reward.violation = 0.03
        curriculum.reward.oom = 0.8
        curriculum.reward.replicaChange = 0.004
        curriculum.reward.resize = 0.006
        curriculum.reward.unusedCpu = 0.025
        return curriculum
    }
}

// The recipe of the base policy: applications, loads, prices and schedule, in one place.

import ClusterModel
import Learning
import Scaling

extension ClusterTrainer.Options {
    /// What `aware train --environment cluster` runs unless told otherwise.
    public static var base: ClusterTrainer.Options {
        var options = ClusterTrainer.Options()
        options.episodes = 83_200
        options.ppo.discount = 0.93
        options.restraint = 16
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
        return curriculum
    }
}

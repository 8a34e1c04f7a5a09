// Arms that decide as the service does: a policy, or the fallback rules watched by whoever learns from them.

import ClusterModel
import Deciding
import Learning
import Scaling

extension DecisionController: Controller {}

extension Arm {
    /// A trained policy without adaptation, as served.
    public static func policy(
        _ policy: Policy, name: String = "policy", summary: String = "learned across applications, no adaptation"
    ) -> Arm {
        Arm(name: name, summary: summary) {
            DecisionController(policy: policy, profile: $0.profile)
        }
    }
}

extension Trial {
    /// Played by the fallback rules, recorded in a policy's own terms: what bootstrapping learns from.
    func taughtByRules() -> (result: TrialResult, episode: Episode) {
        var rules = DecisionController(rulesOf: profile, recordsAfter: warmUpSteps - 1)
        let result = run(&rules)
        return (result, rules.episode ?? Episode())
    }
}

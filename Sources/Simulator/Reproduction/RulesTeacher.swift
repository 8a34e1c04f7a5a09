// The fallback rules in charge, recorded in a policy's own terms: what bootstrapping learns from.

import Learning
import Scaling

/// Rules that act and are watched: states and rewards as a policy would have had them, and of its actions the ones
/// nearest to what the rules did.
struct RulesTeacher: Controller {
    private var rules: Rules
    private var view: ApplicationView
    private var skipped: Int
    private(set) var episode = Episode()
    private var isRewarded = true

    /// - Parameter skipping: decisions that are not recorded.
    init(profile: Profile, initial: Allocation, skipping: Int) {
        rules = Rules(profile)
        view = ApplicationView(space: .standard, profile: profile, allocation: initial)
        skipped = skipping
    }

    mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        let time = observation.time ?? 0
        let desired = rules.recommend(observation, current: current, time: time)
        watch(observation, current: current)
        guard skipped == 0 else {
            skipped -= 1
            return desired
        }
        var state = [Float](repeating: 0, count: ApplicationView.stateSize(isExtended: false))
        state.withUnsafeMutableBufferPointer { view.write(state: $0) }
        var mask = [UInt8](repeating: 0, count: view.space.choiceCount)
        mask.withUnsafeMutableBufferPointer { view.write(mask: $0) }
        let action = view.space.nearest(to: desired, from: current, view.profile)
        episode.observations += state
        episode.masks += mask
        var offset = 0
        for (head, choices) in view.space.heads.enumerated() {
            // The rules may do what a policy may not; then the nearest is to do nothing.
            let isLegal = mask[offset + action[head]] != 0
            episode.actions.append(Int32(isLegal ? action[head] : choices.noop))
            offset += choices.choices.count
        }
        episode.logProbabilities.append(0)
        episode.values.append(0)
        isRewarded = false
        return desired
    }

    mutating func finish(_ observation: Observation, current: Allocation) { watch(observation, current: current) }

    private mutating func watch(_ observation: Observation, current: Allocation) {
        view.observe(observation, current: current, time: observation.time ?? 0)
        if !isRewarded { episode.rewards.append(view.reward) }
        isRewarded = true
    }

    /// Plays a trial by the rules.
    static func play(_ trial: Trial) -> (result: TrialResult, episode: Episode) {
        var teacher = RulesTeacher(
            profile: trial.profile, initial: trial.initial, skipping: trial.warmUpSteps - 1)
        let result = trial.run(&teacher)
        return (result, teacher.episode)
    }
}

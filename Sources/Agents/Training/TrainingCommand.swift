// What an operator may demand of an application's training, and what it does to the learner.

import Learning
import Scaling

public enum TrainingCommand: Sendable {
    /// Go to this stage, and with `hold` stay there; otherwise the lifecycle continues from it.
    case stage(Stage, hold: Bool)
    /// Learn on from the policy on duty, with a fresh optimiser.
    case retrain
    /// Forget what was learned and begin again. Versions and history stay.
    case reset
    /// Put this version on duty, greedily and without further training until the detector objects.
    case promote(version: Int, Policy)
    /// Add a version from outside; it acts only after it is promoted.
    case adopt(ModelVersion)
    /// Take the last calibration back: the setting before it acts again, and no other is searched for a day.
    case uncalibrate
    /// An outcome that came late changed what a finished episode earned.
    case correct(EpisodeCorrection)

    /// The version that is stored with the command.
    var model: ModelVersion? {
        if case .adopt(let model) = self { return model }
        return nil
    }
}

/// Why a command could not be carried out.
public enum CommandError: Error, Equatable {
    /// The stage needs a policy and there is none.
    case noPolicy(Stage)
    /// Versions are immutable and numbered upwards: the next one is `next`.
    case versionTaken(next: Int)
    /// Rules and policy are set as the profile says.
    case notCalibrated
}

/// A command that waits for its turn.
struct WaitingCommand: Sendable {
    let command: TrainingCommand
    /// Seconds since 1970.
    let time: Double
    let audit: AuditEntry?
    let completion: @Sendable (Result<ActivePolicy, any Error>) -> Void
}

extension ApplicationLearner {
    /// Carries out `command`; on a throw nothing has changed.
    /// - Returns: the changes of stage and version that it means.
    /// - Parameters base, seed: as of a learner that has not learned anything yet.
    mutating func apply(
        _ command: TrainingCommand, base: Policy?, seed: UInt64, profile: Profile
    ) throws(CommandError) -> [CommandEffect] {
        switch command {
        case .stage(let stage, let hold):
            guard version > 0 || stage == .offline || stage == .initialized else { throw .noPolicy(stage) }
            startAfresh()
            return transition(to: stage, hold: hold)
        case .retrain:
            startAfresh()
            // The schedule begins anew, and with another stream of random numbers than the first time.
            learnOn(from: learner.policy, seed: seed)
            return transition(to: version > 0 ? .online : .offline, hold: false)
        case .reset:
            let before = version
            let effects = transition(to: .initialized, hold: false)
            begin(profile.algorithm, base: base, seed: seed &+ UInt64(latest))
            calibrated = CalibrationState()
            return effects + (lifecycle.start(profile).map { [.transition($0)] } ?? [])
                + [.promotion(from: before, to: 0, reason: "ResetRequested")]
        case .promote(let chosen, let policy):
            let before = version
            startAfresh()
            learnOn(from: policy, seed: seed)
            version = chosen
            calibrated.setThrift(nil, profile)
            // A person holds a stage for the policy that acts in it.
            lifecycle.versionChanged()
            return [.promotion(from: before, to: chosen, reason: "PromotedByHand")]
                + transition(to: .serving, hold: false)
        case .adopt(let model):
            guard model.version > latest else { throw .versionTaken(next: latest + 1) }
            latest = model.version
            return [.adoption(version: model.version)]
        case .uncalibrate:
            guard let before = calibrated.calibration else { throw .notCalibrated }
            calibrated.takeBack(at: recent.last)
            return [.calibration(from: before, to: calibrated.calibration ?? Calibration(profile))]
        case .correct(let correction):
            // The lifecycle goes by what was measured when the episode ended: news of what it was worth come from outside.
            trajectories.correct(correction)
            return []
        }
    }

    /// Nothing that was collected for the stage so far counts for the next one.
    private mutating func startAfresh() {
        pending.removeAll()
        rulesInStage = 0
        estimate = nil
    }

    /// A fresh optimiser for `policy`, which from now on is the application's own.
    private mutating func learnOn(from policy: Policy, seed: UInt64) {
        trialEpisodes = nil
        learner = algorithm.learner(from: policy, seed: seed &+ UInt64(latest))
    }

    private mutating func transition(to stage: Stage, hold: Bool) -> [CommandEffect] {
        lifecycle.force(stage, hold: hold).map { [.transition($0)] } ?? []
    }
}

/// What a command changed, as it is told to operators.
enum CommandEffect {
    case transition(Lifecycle.Transition)
    case promotion(from: Int, to: Int, reason: String)
    case adoption(version: Int)
    case calibration(from: Calibration, to: Calibration)

    func event(of application: Int64, episode: Int, at time: Double) -> Event {
        switch self {
        case .transition(let transition):
            Event(
                time: time, application: application, episode: episode, kind: "transition",
                from: transition.from.rawValue, to: transition.to.rawValue, reason: transition.reason.rawValue,
                figures: transition.figures)
        case .promotion(let from, let to, let reason):
            Event(
                time: time, application: application, episode: episode, kind: "promotion", from: "\(from)",
                to: "\(to)", reason: reason, figures: [:])
        case .calibration(let from, let to):
            Event(
                time: time, application: application, episode: episode, kind: "calibration", from: from.text, to: to.text,
                reason: "TakenBack", figures: [:])
        case .adoption(let version):
            Event(
                time: time, application: application, episode: episode, kind: "import", from: "", to: "\(version)",
                reason: "WeightsImported", figures: [:])
        }
    }
}

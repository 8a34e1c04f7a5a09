// What learning changed, and how it is told.

import Learning
import Scaling

extension ApplicationLearner {
    /// A version that was made, and whether it acts from now on.
    struct NewVersion {
        var version: Int
        var parent: Int
        var policy: Policy
        var diagnostics: [String: Double]
    }

    /// What the judge said of a candidate.
    struct Judgement {
        enum Reason: String {
            /// Offline: the best candidate there is; whether that is enough is the lifecycle's to decide.
            case best = "BestCandidate"
            /// Offline: the application cannot be identified from its metrics, or its replays are far from what was measured, so
            /// that only a trial can tell.
            case unjudged = "CannotBeJudged"
            /// Online: an update that acts from now on.
            case accepted = "BetterThanActing"
            /// Online: an update that does not.
            case rejected = "NotBetter"
        }
        var candidate: Int
        var acting: Int
        var reason: Reason
        var figures: [String: Double]
    }

    /// What one episode changed.
    struct Progress {
        var versions: [NewVersion] = []
        var judgements: [Judgement] = []
        var calibrations: [Calibrated] = []
        /// Alarms, and at most one change of stage (two in the first episode).
        var transitions: [Lifecycle.Transition] = []

        var isEmpty: Bool { versions.isEmpty && judgements.isEmpty && calibrations.isEmpty && transitions.isEmpty }
    }

    /// A new setting of rules or policy.
    struct Calibrated {
        enum Reason: String {
            case firstRecord = "FirstRecord"
            case daily = "DayRecorded"
            case missing = "MissedObjective"
        }
        var from: Calibration
        var to: Calibration
        var reason: Reason
        var figures: [String: Double]
    }
}

extension ApplicationLearner.Progress {
    /// For operators, in the order in which it happened.
    func events(of application: Int64, episode: Int, at time: Double) -> [Event] {
        func event(_ kind: String, from: String, to: String, _ reason: String, _ figures: [String: Double]) -> Event {
            Event(
                time: time, application: application, episode: episode, kind: kind, from: from, to: to, reason: reason,
                figures: figures)
        }
        return judgements.map {
            event("judgement", from: "\($0.acting)", to: "\($0.candidate)", $0.reason.rawValue, $0.figures)
        }
            + calibrations.map { event("calibration", from: $0.from.text, to: $0.to.text, $0.reason.rawValue, $0.figures) }
            + transitions.map {
                event(
                    $0.isAlarm ? "alarm" : "transition", from: $0.from.rawValue, to: $0.to.rawValue, $0.reason.rawValue,
                    $0.figures)
            }
    }
}

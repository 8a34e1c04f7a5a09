// What is to become of one workload in this interval, whoever decided it.

import Scaling

/// The outcome of one interval for one workload, before it is carried out.
struct Recommendation: Sendable {
    /// Who decided.
    enum Origin: Sendable, Equatable {
        case aware(AwareDecision)
        /// aware is away: the local rules, never below what runs.
        case localRules(why: String)
        /// Nobody: what runs stays.
        case nobody(why: String)
    }

    var assignment: Assignment
    var observed: Observed
    var current: Allocation
    var desired: Allocation
    var origin: Origin
    var pods: [Pod] = []

    /// Requests and limits of every sized container under `desired`.
    var resources: [String: Resources] {
        observed.sizing.resources(desired, only: assignment.resources) { assignment.policy($0).requestsOnly }
    }

    var changesReplicas: Bool { desired.replicas != current.replicas }
    var changesSize: Bool {
        (assignment.resources.contains(.cpu) && desired.cpuMillicores != current.cpuMillicores)
            || (assignment.resources.contains(.memory) && desired.memoryBytes != current.memoryBytes)
    }

    /// In a sentence, for events, conditions and the log.
    var sentence: String {
        let who =
            switch origin {
            case .aware(let decision): "\(decision.source), \(decision.reason)"
            case .localRules(let why): "local rules, \(why)"
            case .nobody(let why): "held, \(why)"
            }
        return "\(desired.replicas) replicas of \(Quantity.text(millicores: desired.cpuMillicores)) CPU and "
            + "\(Quantity.text(bytes: desired.memoryBytes)) (\(who))"
    }
}

// Where time comes from: the machine, or in a simulation the observations.

import Agents
import Foundation
import Scaling
import Synchronization

/// The server's time.
public final class Clock: Sendable {
    /// Observations carry the time; what has none sees the latest.
    public let followsObservations: Bool
    private let latest = Mutex(0.0)

    public init(followsObservations: Bool) { self.followsObservations = followsObservations }

    /// Seconds since 1970.
    public var now: Double {
        followsObservations ? latest.withLock { $0 } : Date().timeIntervalSince1970
    }

    /// When `observation` counts as made, in seconds since 1970. In a simulation one without a time is made one step after
    /// the decision before it.
    public func time(of observation: Observation, by agent: Agent?) -> Double {
        guard followsObservations else { return now }
        if let time = observation.time {
            latest.withLock { $0 = max($0, time) }
            return time
        }
        return agent?.nextStepTime ?? now
    }
}

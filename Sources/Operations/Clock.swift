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
    private let wall: @Sendable () -> Double
    private let monotonic: @Sendable () -> Double
    /// Seconds since 1970 when `monotonic` was 0, as the machine's clock was set at the start.
    private let origin: Double

    /// - Parameters:
    ///   - wall: seconds since 1970; whoever sets the machine's clock makes it jump.
    ///   - monotonic: seconds of a clock that nobody sets.
    public init(
        followsObservations: Bool, wall: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 },
        monotonic: @escaping @Sendable () -> Double = Clock.sinceBoot
    ) {
        self.followsObservations = followsObservations
        self.wall = wall
        self.monotonic = monotonic
        origin = wall() - monotonic()
    }

    /// Counts on while the machine is suspended.
    public static let sinceBoot: @Sendable () -> Double = {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Seconds since 1970: what is told and stored.
    public var now: Double { followsObservations ? latest.withLock { $0 } : wall() }

    /// Seconds since 1970 as if nobody had set the clock since the start: what spans of time are measured by.
    public var steady: Double { followsObservations ? now : origin + monotonic() }

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

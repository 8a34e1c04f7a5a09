// What operators demand of applications, with their reasons: it outlives a restart.

import Scaling

/// Demands on one application, with their reasons.
public struct StoredControl: Sendable, Equatable {
    public enum Mode: String, Sendable, CaseIterable { case running, pause, freezeDown, freezeUp }

    public struct Pin: Sendable, Equatable {
        public var allocation: Allocation
        /// Seconds since 1970, `nil` for good.
        public var until: Double?
        public var reason: String
        public var operatorName: String
        public var created: Double

        public init(allocation: Allocation, until: Double?, reason: String, operatorName: String, created: Double) {
            self.allocation = allocation
            self.until = until
            self.reason = reason
            self.operatorName = operatorName
            self.created = created
        }
    }

    public var mode = Mode.running
    public var modeReason = ""
    public var pin: Pin?
    public var approved: Allocation?
    /// Episodes up to this number end at the next decision.
    public var episodeEnded = 0

    public init() {}
}

/// Who holds something back, and why: everything by the kill switch, one application by its seal.
public struct StoredHold: Sendable, Equatable {
    public var reason: String
    public var operatorName: String
    /// Seconds since 1970.
    public var created: Double

    public init(reason: String, operatorName: String, created: Double) {
        self.reason = reason
        self.operatorName = operatorName
        self.created = created
    }
}

// Entries of the audit log and of the event log, as they are asked for.

import Agents

/// An event with the name of its application.
public struct NamedEvent: Sendable {
    public var event: Event
    /// `nil` for what concerns all applications.
    public var application: String?

    public init(event: Event, application: String?) {
        self.event = event
        self.application = application
    }
}

/// Which entries of a log are asked for, newest first.
public struct LogFilter: Sendable {
    public var application: String?
    public var kind: String?
    /// Only ids below this.
    public var before = Int64.max
    public var since = -Double.infinity
    public var until = Double.infinity
    public var limit = 50

    public init() {}
}

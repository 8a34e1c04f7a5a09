// Who did what and why, as it stands in the audit log.

public struct AuditEntry: Sendable, Equatable {
    public var id: Int64 = 0
    /// Seconds since 1970.
    public var time: Double
    public var operatorName: String
    /// For example `pin` or `killSwitch.on`.
    public var action: String
    /// Its name; `nil` for what concerns all of them.
    public var application: String?
    public var reason: String
    /// What was asked for, as a JSON object.
    public var detail: String

    public init(
        time: Double, operatorName: String, action: String, application: String?, reason: String, detail: String = "{}"
    ) {
        self.time = time
        self.operatorName = operatorName
        self.action = action
        self.application = application
        self.reason = reason
        self.detail = detail
    }
}

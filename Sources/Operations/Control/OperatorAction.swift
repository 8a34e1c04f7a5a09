// What all acts of operators have in common: who, why, when, and an entry in the audit log.

import Agents

/// One act of a person, or of a program that acts for one.
public struct OperatorAction: Sendable {
    /// Why, in a sentence: whoever reads the audit log at three in the morning was not there.
    public var reason: String
    public var operatorName: String
    /// What is done, such as "pin".
    public var action: String
    /// `nil` for what concerns all applications.
    public var application: String?
    /// Seconds since 1970.
    public var time: Double

    /// Characters of a reason.
    public static let reasonMax = 500

    public init(operatorName: String, action: String, time: Double, reason: String = "", application: String? = nil) {
        self.operatorName = operatorName
        self.action = action
        self.time = time
        self.reason = reason
        self.application = application
    }

    /// Its entry in the audit log; `detail` is a JSON object.
    public func entry(_ detail: String = "{}") -> AuditEntry {
        AuditEntry(
            time: time, operatorName: operatorName, action: action, application: application, reason: reason,
            detail: detail)
    }
}

// Why an operation was refused: typed, so that each protocol can say it in its own way.

import Scaling

/// A refusal. Nothing has been changed when one is thrown.
public struct OperationError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// What was named does not exist.
        case notFound
        /// What was given is impossible or outside its limits.
        case invalid
        /// It does not go together with what is the case now.
        case conflict
        /// Somebody else has changed it since the caller looked.
        case changedMeanwhile
        /// Not now; the same may succeed later.
        case unavailable
    }

    /// One thing that is wrong with what was given.
    public struct Fault: Sendable, Equatable {
        /// A JSON pointer (RFC 6901) to it, such as "/replicas"; "" for the whole.
        public var pointer: String
        /// A stable word for programs.
        public var code: String
        /// A sentence for people: what is wrong and what is allowed.
        public var detail: String

        public init(pointer: String, code: String, detail: String) {
            self.pointer = pointer
            self.code = code
            self.detail = detail
        }
    }

    public var kind: Kind
    /// A sentence for people.
    public var message: String
    public var faults: [Fault]
    /// What the rules would answer, for a caller who cannot wait.
    public var advice: Allocation?
    /// When the same may succeed; `nil` when that is unknown or never.
    public var retryAfterSeconds: Int?

    public init(
        _ kind: Kind, _ message: String, faults: [Fault] = [], advice: Allocation? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.kind = kind
        self.message = message
        self.faults = faults
        self.advice = advice
        self.retryAfterSeconds = retryAfterSeconds
    }

    public var description: String { message }
}

extension OperationError {
    /// What is wrong, for those who see one line only.
    public static func summary(of faults: [Fault]) -> String {
        guard faults.count == 1 else {
            let pointers = faults.prefix(8).map { $0.pointer.isEmpty ? "the document" : $0.pointer }
            return "\(faults.count) things are wrong: \(pointers.joined(separator: ", "))"
                + (faults.count > 8 ? " and more." : ".")
        }
        return faults[0].pointer.isEmpty ? faults[0].detail : "\(faults[0].pointer): \(faults[0].detail)"
    }
}

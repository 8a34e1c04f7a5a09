// How urgent requests are: under overload the less urgent ones wait, or are turned away, first.

/// The urgency of a route; each has bounds of its own, so that a flood of one cannot keep out another.
public enum Priority: Int, Sendable, CaseIterable, Comparable {
    /// Health, and people who take control: cheap, and what an overloaded server needs most.
    case control
    /// What the server is for.
    case work
    /// Looking at things; can be asked again.
    case read

    public static func < (a: Priority, b: Priority) -> Bool { a.rawValue < b.rawValue }
}

extension Router {
    /// The same routes with priorities.
    public func prioritized(by priority: (_ method: Method, _ pattern: String) -> Priority) -> Router {
        var copy = self
        copy.setPriorities(priority)
        return copy
    }
}

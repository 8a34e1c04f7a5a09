// What we know of one kind of objects: kept up to date by a reflector, read by the loop.

import Synchronization

/// Objects by `namespace/name`, shared by threads.
public final class ObjectCache<Object: Sendable>: Sendable {
    /// How current the cache is.
    public enum Condition: Sendable, Equatable {
        /// Nothing was read yet.
        case empty
        case current
        /// The server does not know this kind.
        case absent
        /// The last thing that failed; what was read before is still there.
        case failing(String)
    }

    private struct Content {
        var objects: [String: Object] = [:]
        var condition = Condition.empty
        var isListed = false
    }
    private let content = Mutex(Content())

    public init() {}

    public var objects: [String: Object] { content.withLock { $0.objects } }
    public var condition: Condition { content.withLock { $0.condition } }
    /// Whether the kind was read at least once, or is known not to exist.
    public var isReady: Bool { content.withLock { $0.isListed || $0.condition == .absent } }

    public subscript(key: String) -> Object? { content.withLock { $0.objects[key] } }

    /// - Returns: what was there before.
    func store(_ object: Object, at key: String) -> Object? {
        content.withLock { $0.objects.updateValue(object, forKey: key) }
    }

    func remove(_ key: String) { _ = content.withLock { $0.objects.removeValue(forKey: key) } }

    /// - Returns: what was there before.
    func replace(_ objects: [String: Object]) -> [String: Object] {
        content.withLock { content in
            let before = content.objects
            content.objects = objects
            content.isListed = true
            content.condition = .current
            return before
        }
    }

    func set(_ condition: Condition) {
        content.withLock { content in
            content.condition = condition
            if condition == .absent { content.objects = [:] }
        }
    }
}

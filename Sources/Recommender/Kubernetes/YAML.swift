// Reads YAML of files that people write; what Yams would trap on is refused with words.

import Yams

public enum YAML {
    public struct Unusable: Error, CustomStringConvertible {
        public let description: String
    }

    /// Nodes that a document may have once its aliases are followed, so that a short text cannot ask for all memory.
    private static let nodesMax = 1 << 17

    /// The document as dictionaries by text, arrays and scalars; `nil` when there is none.
    public static func load(_ text: String) throws -> Any? {
        guard let root = try Yams.compose(yaml: text) else { return nil }
        var count = 0
        var pending = [root]
        while let node = pending.popLast() {
            count += 1
            guard count <= nodesMax else { throw Unusable(description: "more than \(nodesMax) nodes") }
            switch node {
            case .scalar: break
            case .sequence(let elements): pending += elements
            case .mapping(let members):
                for (key, value) in members {
                    guard key.scalar != nil else { throw Unusable(description: "a member's name that is a list or a mapping") }
                    pending.append(value)
                }
            case .alias: throw Unusable(description: "an alias of nothing")
            }
        }
        return root.any
    }
}

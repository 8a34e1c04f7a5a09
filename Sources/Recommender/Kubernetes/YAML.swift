// Reads YAML of files that people write; what Yams would trap on is refused with words.

import Yams

public enum YAML {
    public struct Unusable: Error, CustomStringConvertible {
        public let description: String
    }

    /// Nodes that a document may have once its aliases are followed, so that a short text cannot ask for all memory.
    private static let nodesMax = 1 << 17

    /// Places where a node is used again. Yams compares names that are lists before anybody can look at them, in time that doubles
    /// with each alias in an alias.
    private static let aliasesMax = 16

    /// The document as dictionaries by text, arrays and scalars; `nil` when there is none.
    public static func load(_ text: String) throws -> Any? {
        guard text.matches(of: /\*[0-9A-Za-z_-]/).count <= aliasesMax else {
            throw Unusable(description: "more than \(aliasesMax) aliases")
        }
        guard let root = try Yams.compose(yaml: text) else { return nil }
        var count = 0
        var pending = [root]
        while let node = pending.popLast() {
            count += 1
            guard count <= nodesMax else { throw Unusable(description: "more than \(nodesMax) nodes") }
            switch node {
            case .scalar(let scalar): try check(scalar)
            case .sequence(let elements): pending += elements
            case .mapping(let members):
                for (key, value) in members {
                    guard let name = key.scalar else { throw Unusable(description: "a member's name that is a list or a mapping") }
                    try check(name)
                    pending.append(value)
                }
            case .alias: throw Unusable(description: "an alias of nothing")
            }
        }
        return root.any
    }

    /// YAML 1.1 takes 12:30 for a number in base 60. Nobody means one, and Yams traps where it is too large.
    private static func check(_ scalar: Node.Scalar) throws {
        guard scalar.string.contains(":"), Node.scalar(scalar).tag == Tag(.int) else { return }
        throw Unusable(description: "\(scalar.string) is a number in base 60 to YAML: put it in quotes")
    }
}

// JSON values as Kubernetes and Prometheus send them: looked into by key, a missing member is `nil`.

import CJSON

/// One JSON value.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// The member `key`; `nil` when it is missing or null, or this is no object.
    public subscript(key: String) -> JSON? {
        guard case .object(let members) = self, let value = members[key], value != .null else { return nil }
        return value
    }

    public var string: String? { if case .string(let text) = self { text } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var array: [JSON] { if case .array(let elements) = self { elements } else { [] } }
    public var object: [String: JSON] { if case .object(let members) = self { members } else { [:] } }
    public var integer: Int? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    /// The members that are strings: labels, annotations, resource lists.
    public var strings: [String: String] { object.compactMapValues(\.string) }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
    }
}

extension JSON {
    /// The bytes are not one JSON document.
    public struct Malformed: Error, CustomStringConvertible {
        public let description: String
    }

    /// Deeper nesting than any object of Kubernetes has.
    private static let depthMax = 256
    /// Values of one document: a list page of 500 large pods has some hundred thousand.
    private static let nodesMax = 1 << 23

    /// Reads one document of strict RFC 8259 JSON.
    public static func parse(_ bytes: [UInt8]) throws(Malformed) -> JSON {
        guard !bytes.isEmpty else { throw Malformed(description: "an empty document") }
        guard let parser = cjson_parser_create(depthMax, nodesMax) else { fatalError("out of memory for a JSON parser") }
        defer { cjson_parser_destroy(parser) }
        let padded = bytes + [UInt8](repeating: 0, count: Int(CJSON_PADDING))
        var nodes: UnsafePointer<cjson_node>?
        var count = 0
        let reason = padded.withUnsafeBufferPointer {
            cjson_parse(parser, $0.baseAddress, bytes.count, &nodes, &count)
        }
        if let reason { throw Malformed(description: String(cString: reason)) }
        guard let nodes else { throw Malformed(description: "an empty document") }
        return value(nodes, 0)
    }

    public static func parse(_ text: String) throws(Malformed) -> JSON { try parse(Array(text.utf8)) }

    private static func value(_ nodes: UnsafePointer<cjson_node>, _ index: Int) -> JSON {
        let node = nodes[index]
        switch cjson_type(UInt32(node.type)) {
        case CJSON_NULL: return .null
        case CJSON_FALSE: return .bool(false)
        case CJSON_TRUE: return .bool(true)
        case CJSON_INTEGER: return .integer(Int(node.integer))
        case CJSON_NUMBER: return .number(node.number)
        case CJSON_STRING: return .string(text(node))
        case CJSON_ARRAY:
            var elements: [JSON] = []
            elements.reserveCapacity(Int(node.count))
            var child = index + 1
            for _ in 0..<Int(node.count) {
                elements.append(value(nodes, child))
                child = Int(nodes[child].next)
            }
            return .array(elements)
        default:
            var members: [String: JSON] = [:]
            members.reserveCapacity(Int(node.count))
            var child = index + 1
            for _ in 0..<Int(node.count) {
                members[text(nodes[child])] = value(nodes, child + 1)
                child = Int(nodes[child + 1].next)
            }
            return .object(members)
        }
    }

    private static func text(_ node: cjson_node) -> String {
        String(
            decoding: UnsafeBufferPointer(
                start: UnsafeRawPointer(node.text)?.assumingMemoryBound(to: UInt8.self), count: Int(node.count)),
            as: UTF8.self)
    }
}

// Reads JSON: a parser that each event loop owns, and values that point into its last document.

import CJSON

/// Parses documents with simdjson. Confined to one thread: a document is valid until the next one is parsed.
///
/// Values point into the parser's memory without keeping it, because a reference count for every value would cost more
/// than the parse. Event loops keep their parsers as long as they live; whoever makes one of his own uses `withDocument`.
final class JSONParser {
    /// Deeper nesting is refused.
    static let depthMax = 32
    /// More values are refused. Each takes 48 bytes here and may have taken two in the document. The largest document in
    /// use, the weights of a network, has fewer than a third of it.
    static let valuesMax = 1 << 18

    private let parser: OpaquePointer

    init() {
        guard let parser = cjson_parser_create(Self.depthMax, Self.valuesMax) else { fatalError("out of memory for a JSON parser") }
        self.parser = parser
    }

    deinit { cjson_parser_destroy(parser) }

    /// `bytes` must be followed by at least `CJSON_PADDING` readable bytes, as request bodies are.
    func parse(padded bytes: UnsafeRawBufferPointer) throws(ParseFailure) -> JSONValue {
        var nodes: UnsafePointer<cjson_node>?
        var count = 0
        guard let base = bytes.baseAddress, bytes.count > 0 else {
            throw ParseFailure(reason: "The body is empty; a JSON document is expected.", isEmpty: true)
        }
        if let reason = cjson_parse(
            parser, base.assumingMemoryBound(to: UInt8.self), bytes.count, &nodes, &count)
        {
            throw ParseFailure(reason: String(cString: reason))
        }
        guard let nodes else { throw ParseFailure(reason: "The document is empty.") }
        return JSONValue(nodes: nodes, index: 0)
    }

    /// Lets `body` look at a document, which lives as long as the call.
    func withDocument<Result>(_ text: String, _ body: (JSONValue) throws -> Result) throws -> Result {
        try withExtendedLifetime(self) { try body(try parse(text)) }
    }

    /// Parses text that is not padded. The caller must keep the parser while it looks at the value.
    func parse(_ text: String) throws(ParseFailure) -> JSONValue {
        scratch = Array(text.utf8)
        let count = scratch.count
        scratch.append(contentsOf: repeatElement(0, count: Int(CJSON_PADDING)))
        do {
            return try scratch.withUnsafeBytes { try parse(padded: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        } catch let failure as ParseFailure {
            throw failure
        } catch {
            throw ParseFailure(reason: "\(error)")
        }
    }
    private var scratch: [UInt8] = []

    struct ParseFailure: Error {
        let reason: String
        /// There was nothing to parse.
        var isEmpty = false
    }
}

/// A value of the document that its parser holds. Must outlive neither the parser nor its next `parse`.
struct JSONValue {
    private let nodes: UnsafePointer<cjson_node>
    private let index: Int

    fileprivate init(nodes: UnsafePointer<cjson_node>, index: Int) {
        self.nodes = nodes
        self.index = index
    }

    enum Kind: String { case null, boolean, integer, number, string, array, object }

    private var node: cjson_node { nodes[index] }

    var kind: Kind {
        switch cjson_type(UInt32(node.type)) {
        case CJSON_NULL: .null
        case CJSON_FALSE, CJSON_TRUE: .boolean
        case CJSON_INTEGER: .integer
        case CJSON_NUMBER: .number
        case CJSON_STRING: .string
        case CJSON_ARRAY: .array
        default: .object
        }
    }

    var isNull: Bool { node.type == UInt8(CJSON_NULL.rawValue) }
    var boolean: Bool? {
        switch cjson_type(UInt32(node.type)) {
        case CJSON_FALSE: false
        case CJSON_TRUE: true
        default: nil
        }
    }
    /// The value of any number.
    var number: Double? {
        switch cjson_type(UInt32(node.type)) {
        case CJSON_INTEGER, CJSON_NUMBER: node.number
        default: nil
        }
    }
    /// A number without a fraction that fits, also when written as `3.0`.
    var integer: Int? {
        switch cjson_type(UInt32(node.type)) {
        case CJSON_INTEGER: Int(node.integer)
        case CJSON_NUMBER: Int(exactly: node.number)
        default: nil
        }
    }
    /// UTF-8 of a string.
    var utf8: UnsafeBufferPointer<UInt8>? {
        guard cjson_type(UInt32(node.type)) == CJSON_STRING else { return nil }
        return UnsafeBufferPointer(
            start: UnsafeRawPointer(node.text)?.assumingMemoryBound(to: UInt8.self), count: Int(node.count))
    }
    var string: String? { utf8.map { String(decoding: $0, as: UTF8.self) } }

    /// Elements of an array; members' values of an object; bytes of a string.
    var count: Int { Int(node.count) }

    /// Elements in order; anything but an array has none.
    func forEachElement(_ body: (Int, JSONValue) -> Void) {
        guard cjson_type(UInt32(node.type)) == CJSON_ARRAY else { return }
        var child = index + 1
        for position in 0..<Int(node.count) {
            let value = JSONValue(nodes: nodes, index: child)
            body(position, value)
            child = Int(nodes[child].next)
        }
    }

    /// Members in the document's order, repeated keys included; anything but an object has none.
    @inline(__always)
    func forEachMember(_ body: (_ key: UnsafeBufferPointer<UInt8>, _ value: JSONValue) -> Void) {
        guard cjson_type(UInt32(node.type)) == CJSON_OBJECT else { return }
        var child = index + 1
        for _ in 0..<Int(node.count) {
            let key = nodes[child]
            let name = UnsafeBufferPointer(
                start: UnsafeRawPointer(key.text)?.assumingMemoryBound(to: UInt8.self), count: Int(key.count))
            body(name, JSONValue(nodes: nodes, index: child + 1))
            child = Int(nodes[child + 1].next)
        }
    }

    /// A short form of the value for error messages.
    var summary: String {
        switch kind {
        case .null: "null"
        case .boolean: boolean == true ? "true" : "false"
        case .integer: String(node.integer)
        case .number: String(node.number)
        case .string: "\"\((string ?? "").prefix(40))\""
        case .array: "an array"
        case .object: "an object"
        }
    }
}

// What the tests of this module share: parsed documents.

import CJSON

@testable import API

/// Parses `text` and lets `body` look at it, while the document lives.
func withJSON<T>(_ text: String, _ body: (JSONValue) throws -> T) throws -> T {
    var bytes = Array(text.utf8)
    let count = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: Int(CJSON_PADDING)))
    let parser = JSONParser()
    return try withExtendedLifetime(parser) {
        try bytes.withUnsafeBytes { try body(try parser.parse(padded: UnsafeRawBufferPointer(rebasing: $0[..<count]))) }
    }
}

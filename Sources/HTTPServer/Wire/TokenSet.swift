// Sets of field names and media types that requests are looked through for.

/// A fixed set of ASCII texts, upper and lower case of their letters taken as equal.
public struct TokenSet: Sendable, ExpressibleByArrayLiteral {
    private let tokens: [StaticString]
    /// A bit for each length that occurs: most of what is looked up has another one.
    private let lengths: UInt64

    public init(arrayLiteral tokens: StaticString...) {
        precondition(tokens.allSatisfy { $0.utf8CodeUnitCount < 64 }, "a token is shorter than 64 bytes")
        self.tokens = tokens
        lengths = tokens.reduce(0) { $0 | 1 << UInt64($1.utf8CodeUnitCount) }
    }

    /// Media types of bodies. Constants, because a literal in a handler would be a new set for each request.
    public static let json: TokenSet = ["application/json"]
    public static let octetStream: TokenSet = ["application/octet-stream"]

    func contains(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count < 64, lengths & 1 << UInt64(bytes.count) != 0 else { return false }
        for token in tokens where bytes.equalsIgnoringCase(token) { return true }
        return false
    }
}

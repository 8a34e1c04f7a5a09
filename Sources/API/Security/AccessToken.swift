// Bearer tokens: what they allow, how they are made, stored and recognised.

import Crypto

/// What a token allows; each includes those before it.
public enum Scope: String, Sendable, CaseIterable, Comparable {
    /// Look at everything but the audit log.
    case read
    /// Decide, and tell what became of it.
    case decide
    /// Change profiles, control applications, read the audit log.
    case admin

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    public static func < (a: Scope, b: Scope) -> Bool { a.rank < b.rank }
}

/// A token as the server knows it: never its text, only the digest. A token has 256 random bits, so that a plain digest
/// cannot be turned back by guessing.
public struct AccessToken: Sendable, Equatable {
    public var name: String
    public var scope: Scope
    /// SHA-256 of its text.
    public var digest: [UInt8]
    /// Seconds since 1970.
    public var created: Double
    /// Seconds since 1970; `nil` is for good.
    public var expires: Double?

    /// Bytes of randomness in a token.
    private static let randomBytes = 32
    /// So that scanners of leaked secrets recognise one.
    private static let prefix = "aware_"

    public init(name: String, scope: Scope, text: String, created: Double, expires: Double? = nil) {
        self.name = name
        self.scope = scope
        digest = Array(SHA256.hash(data: Array(text.utf8)))
        self.created = created
        self.expires = expires
    }

    /// The text of a new token, from the system's source of randomness.
    public static func newText() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef".utf8)
        var text = Array(prefix.utf8)
        for _ in 0..<randomBytes {
            let byte = UInt8.random(in: .min ... .max, using: &generator)
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether `other` is this token's. Digests are compared in the same time wherever they differ.
    func matches(_ other: SHA256.Digest) -> Bool { other == digest }

    /// A name fits into one word of the token file and of a log line.
    public static func isValid(name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
    }
}

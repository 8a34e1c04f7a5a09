// A response that is kept for its Idempotency-Key.

/// What was answered to the first request with a key.
public struct StoredResponse: Sendable, Equatable {
    /// Who asked, and the key.
    public var key: String
    /// What tells one request from another.
    public var request: String
    /// Seconds since 1970.
    public var created: Double
    public var status: Int
    public var body: [UInt8]

    public init(key: String, request: String, created: Double, status: Int, body: [UInt8]) {
        self.key = key
        self.request = request
        self.created = created
        self.status = status
        self.body = body
    }
}

// GET /v1/base/policy and /v1/base/encoder: what this server's applications share, for servers that are to have the same.

import Base
import HTTPServer

/// The base policy and the encoder of workloads in their byte forms.
public struct SharedBytes: Sendable {
    public let policy: [UInt8]
    public let encoder: [UInt8]
    /// Equal for equal bytes; the entity tag of what the routes answer.
    public let policyVersion: String
    public let encoderVersion: String

    public init(policy: [UInt8], encoder: [UInt8]) {
        self.policy = policy
        self.encoder = encoder
        policyVersion = String(FNV1a.hash(policy), radix: 16)
        encoderVersion = String(FNV1a.hash(encoder), radix: 16)
    }
}

enum BaseRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        for (pattern, bytes) in [("/v1/base/policy", api.shared.policy), ("/v1/base/encoder", api.shared.encoder)] {
            router.add(.get, pattern) { request, _ in
                api.polled(request) { ResponseBytes(contentType: .octetStream, body: bytes) }
            }
        }
    }
}

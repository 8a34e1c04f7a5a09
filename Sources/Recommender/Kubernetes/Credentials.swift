// Who we are: tokens that are read again because they expire, and the programs that make them.

import Foundation
import Synchronization

/// The identity of all requests to one cluster, shared by threads.
public final class Credentials: Sendable {
    public enum Source: Sendable, Equatable {
        case none
        case token(String)
        /// Read again at least every minute: projected service account tokens live an hour.
        case tokenFile(String)
        case basic(user: String, password: String)
        case exec(ExecPlugin)
    }

    /// What a request carries.
    public struct Identity: Sendable, Equatable {
        public var authorization: String?
        /// PEM of a client certificate and its key.
        public var certificate: [UInt8]?
        public var key: [UInt8]?
    }

    private struct Held {
        var identity: Identity?
        var expires: Double = 0
        var refusedAt: Double = -.infinity
    }

    private static let fileSeconds = 55.0
    /// After a 401 a plugin runs once, not once for each of ten threads.
    private static let refreshPauseSeconds = 10.0

    private let source: Source
    private let held = Mutex(Held())
    /// Seconds of a clock that nobody sets.
    private let now: @Sendable () -> Double

    public init(
        _ source: Source, now: @escaping @Sendable () -> Double = { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
    ) {
        self.source = source
        self.now = now
    }

    /// The identity to use now, read or made anew where its time has come.
    public func identity() throws -> Identity {
        let now = now()
        return try held.withLock { held in
            if let identity = held.identity, now < held.expires { return identity }
            let (identity, expires) = try make(now)
            held.identity = identity
            held.expires = expires
            return identity
        }
    }

    /// To be called after a 401: the next `identity()` is a new one, unless there was a refusal a moment ago.
    public func refused() {
        let now = now()
        held.withLock { held in
            guard now - held.refusedAt >= Self.refreshPauseSeconds else { return }
            held.refusedAt = now
            held.expires = 0
        }
    }

    private func make(_ now: Double) throws -> (Identity, expires: Double) {
        switch source {
        case .none: return (Identity(), .infinity)
        case .token(let token): return (Identity(authorization: "Bearer \(token)"), .infinity)
        case .tokenFile(let path):
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw ClusterAccess.Unusable(description: "the token file \(path) cannot be read")
            }
            let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard !token.isEmpty else { throw ClusterAccess.Unusable(description: "the token file \(path) is empty") }
            return (Identity(authorization: "Bearer \(token)"), now + Self.fileSeconds)
        case .basic(let user, let password):
            let pair = Data("\(user):\(password)".utf8).base64EncodedString()
            return (Identity(authorization: "Basic \(pair)"), .infinity)
        case .exec(let plugin):
            let wall = Date().timeIntervalSince1970
            let (identity, expires) = try plugin.run(now: wall)
            return (identity, now + (expires - wall))
        }
    }
}

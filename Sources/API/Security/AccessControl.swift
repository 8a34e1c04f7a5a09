// Who may do what: decided for every request before its body is read.

import Agents
import Crypto
import Dispatch
import Foundation
import HTTPServer
import Logging
import Synchronization

/// How a server protects itself.
public struct SecurityOptions: Sendable {
    /// Files of tokens; they are read again when they change.
    public var tokenFiles: [String] = []
    /// Tokens from the environment.
    public var tokens: [AccessToken] = []
    /// Callers on this machine need a token, too. Always so when the server listens to others.
    public var requiresToken = false
    /// Callers on this machine need none although there are tokens. Without it they need none only while there is no
    /// token at all: whoever makes one wants to know who is who.
    public var trustsLoopback = false
    /// Everyone may do everything.
    public var isInsecure = false
    /// Requests a second of one token, over all; twice as many in a burst. 0: no limit, neither for wrong tokens.
    public var requestsPerSecond = 10_000.0
    /// Names by which the server may be called besides those of this machine.
    public var allowedHosts: [String] = []

    public init() {}

    /// The names that a server on loopback answers to: a page of another site whose name was pointed here (DNS rebinding)
    /// has another one. `nil` for a server on other addresses, which asks everyone for a token instead.
    public func hostFilter(isLoopbackOnly: Bool) -> [String]? {
        isLoopbackOnly
            ? ["localhost", "*.localhost", "127.0.0.1", "::1", "[::1]"] + allowedHosts
            : allowedHosts.isEmpty ? nil : allowedHosts
    }
}

public final class AccessControl: Sendable {
    /// Wrong tokens of one peer in a minute, after which it must wait.
    private static let failuresMax = 20
    /// Addresses that are remembered at once. Beyond it new ones are not: their wrong tokens are wrong all the same.
    private static let rememberedMax = 4096
    private static let suspendedSeconds = 60.0
    /// How often token files are looked at.
    private static let refreshSeconds = 1.0

    private struct State {
        var tokens: [AccessToken] = []
        var modified: [String: Double] = [:]
        var looked = -Double.infinity
        /// Wrong tokens by address, since a time of the monotonic clock.
        var failures: [PeerAddress: (count: Int, since: Double)] = [:]
        var buckets: [String: (level: Double, time: Double)] = [:]
    }

    private let options: SecurityOptions
    private let log: Logger
    private let state = Mutex(State())
    /// Seconds since 1970, for what expires; and of a clock that nobody sets, for what is limited by time.
    private let clock: @Sendable () -> Double
    private let monotonic: @Sendable () -> Double

    /// - Throws: `TokenFile.Failure` when a file is there but wrong.
    public init(
        _ options: SecurityOptions, log: Logger = .silent, clock: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 },
        monotonic: @escaping @Sendable () -> Double = { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
    ) throws {
        self.options = options
        self.log = log
        self.clock = clock
        self.monotonic = monotonic
        let files = try options.tokenFiles.flatMap(TokenFile.read)
        let modified = Self.modified(options.tokenFiles)
        state.withLock {
            $0.tokens = options.tokens + files
            $0.modified = modified
        }
    }

    public var hasTokens: Bool { state.withLock { !$0.tokens.isEmpty } }

    // MARK: What routes need

    /// The scope that a route asks for; `nil` is open to everyone. What is not listed here needs admin.
    public static func scope(of method: HTTPServer.Method, _ pattern: String) -> Scope? {
        if method == .get {
            if pattern == "/v1/audit" || pattern.hasSuffix("/export") { return .admin }
            let isAPI = pattern.hasPrefix("/v1/") || (pattern.hasPrefix("/v2/") && !pattern.hasPrefix("/v2/health/"))
            // Pages, health and the API's description tell nothing of what is served.
            return isAPI || pattern == "/metrics" ? .read : nil
        }
        let application = "/v1/applications/{app}"
        let decide = [
            "/v1/decisions", application + "/decisions", application + "/decisions/{id}/outcome",
            application + "/transitions", application + "/recommender",
            application + "/episodes", application + "/episodes/{id}/end", "/v2/models/{app}/infer", "/v1/replays",
        ]
        return method == .post && decide.contains(pattern) ? .decide : .admin
    }

    /// The hook of the server with these routes: false when the response says no.
    public func intercept(
        _ routes: [(method: HTTPServer.Method, pattern: String)]
    ) -> @Sendable (borrowing Request, inout Response) -> Bool {
        let scopes = routes.map { Self.scope(of: $0.method, $0.pattern) }
        return { [self] request, response in
            // An unknown path is answered 404 whoever asks: the list of routes is public.
            guard let route = request.route else { return true }
            guard isFromHere(request, &response) else { return false }
            guard let scope = scopes[route] else { return true }
            return admit(request, scope, &response)
        }
    }

    // MARK: Browsers

    private static let formTypes: TokenSet = ["text/plain", "multipart/form-data"]

    /// Refuses what the pages of other sites send, and bodies that a form could send.
    private func isFromHere(_ request: borrowing Request, _ response: inout Response) -> Bool {
        if request.method == .get || request.method == .head { return true }
        if let site = request.headerBytes("sec-fetch-site"), !site.elementsEqual("same-origin".utf8),
            !site.elementsEqual("none".utf8)
        {
            response.problem(.forbidden, detail: "Pages of other sites may not change anything here.")
            return false
        }
        if let origin = request.header("origin"),
            origin.drop(while: { $0 != "/" }).drop(while: { $0 == "/" }) != request.authority
        {
            response.problem(
                .forbidden, detail: "Pages of another origin (\(origin.prefix(100))) may not change anything here.")
            return false
        }
        if request.contentTypeIs(among: Self.formTypes) {
            response.problem(.unsupportedMediaType, detail: "Send the body with Content-Type: application/json.")
            return false
        }
        return true
    }

    // MARK: Tokens

    private func admit(_ request: borrowing Request, _ scope: Scope, _ response: inout Response) -> Bool {
        guard request.headerBytes("authorization") != nil else {
            return options.isInsecure || isTrustedNeighbour(request) || refuse(&response)
        }
        // A valid token always gets in, whatever others at the same address (a proxy, say) have sent.
        guard let token = token(of: request) else {
            guard noteFailure(request.peer.network) else { return refuse(&response) }
            response.addHeader("Retry-After", "\(Int(Self.suspendedSeconds))")
            response.problem(.tooManyRequests, detail: "Too many wrong tokens came from this address. Wait a minute.")
            return false
        }
        guard token.scope >= scope else {
            response.problem(
                .forbidden,
                detail: "The token \(token.name) has the scope \(token.scope.rawValue); this needs \(scope.rawValue).")
            return false
        }
        guard spend(token.name) else {
            response.addHeader("Retry-After", "1")
            response.problem(
                .tooManyRequests,
                detail: "The token \(token.name) asks more than \(Int(options.requestsPerSecond)) times a second.")
            return false
        }
        return true
    }

    /// Field names by which proxies say that they speak for someone else.
    private static let forwardingFields: TokenSet = [
        "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-server",
        "x-forwarded-prefix", "x-real-ip", "x-client-ip", "x-original-forwarded-for", "true-client-ip", "cf-connecting-ip",
        "via",
    ]

    /// Whether the caller is somebody on this machine, who needs no token: while there are none, or where that is wanted.
    ///
    /// A proxy on this machine speaks for others, who need one. nginx adds no field by default, but speaks HTTP/1.0.
    private func isTrustedNeighbour(_ request: borrowing Request) -> Bool {
        guard request.peer.isLoopback, !options.requiresToken else { return false }
        refresh(clock())
        guard options.trustsLoopback || !hasTokens else { return false }
        guard request.isUnixSocket || !request.isHTTP10 else { return false }
        return !request.hasHeader(among: Self.forwardingFields)
    }

    /// 401 without a hint which part was wrong.
    private func refuse(_ response: inout Response) -> Bool {
        response.addHeader("WWW-Authenticate", "Bearer realm=\"aware\"")
        response.problem(
            .unauthorized, detail: "Send a token: \"Authorization: Bearer TOKEN\". `aware token create` makes one.")
        return false
    }

    /// Name of the token of a request, for the audit log.
    func name(of request: borrowing Request) -> String? { token(of: request)?.name }

    private func token(of request: borrowing Request) -> AccessToken? {
        guard request.headerCount("authorization") == 1, let field = request.header("authorization") else { return nil }
        let words = field.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bearer", words[1].utf8.count <= 512 else { return nil }
        let digest = SHA256.hash(data: Array(words[1].utf8))
        let now = clock()
        refresh(now)
        // Every token is compared, so that the time does not tell which one was near.
        return state.withLock { state in
            state.tokens.reduce(nil as AccessToken?) { found, token in
                token.matches(digest) && now < token.expires ?? .infinity ? token : found
            }
        }
    }

    private static func modified(_ files: [String]) -> [String: Double] {
        var result: [String: Double] = [:]
        for file in files {
            var info = stat()
            if stat(file, &info) == 0 {
                result[file] =
                    Double(info.st_mtim.tv_sec) + Double(info.st_mtim.tv_nsec) * 1e-9 + Double(info.st_ino % 1000) * 1e3
            }
        }
        return result
    }

    /// Reads changed token files again. A file that became wrong leaves the tokens as they were.
    private func refresh(_ now: Double) {
        let isDue = state.withLock { state in
            // Either way: the clock may be set back.
            guard abs(now - state.looked) >= Self.refreshSeconds else { return false }
            state.looked = now
            return true
        }
        guard isDue else { return }
        let modified = Self.modified(options.tokenFiles)
        guard modified != state.withLock({ $0.modified }), let files = try? options.tokenFiles.flatMap(TokenFile.read)
        else { return }
        state.withLock { state in
            state.tokens = options.tokens + files
            state.modified = modified
        }
    }

    // MARK: Limits

    /// Counts a wrong token; true when there were so many that the address must wait.
    private func noteFailure(_ address: PeerAddress) -> Bool {
        guard options.requestsPerSecond > 0 else { return false }
        let now = monotonic()
        return state.withLock { state in
            var entry = state.failures[address] ?? (0, now)
            if now - entry.since >= Self.suspendedSeconds { entry = (0, now) }
            entry.count += 1
            if state.failures[address] == nil, state.failures.count >= Self.rememberedMax {
                state.failures = state.failures.filter { now - $0.value.since < Self.suspendedSeconds }
                guard state.failures.count < Self.rememberedMax else { return false }
            }
            state.failures[address] = entry
            // Twice a minute and address: a flood of wrong tokens must not become a flood of lines.
            if entry.count == 1 || entry.count == Self.failuresMax + 1 {
                log.warning(
                    "wrong token", metadata: ["address": "\(address)", "suspended": "\(entry.count > Self.failuresMax)"])
            }
            return entry.count > Self.failuresMax
        }
    }

    /// Takes one from the token's bucket, which fills by `requestsPerSecond`.
    private func spend(_ name: String) -> Bool {
        let rate = options.requestsPerSecond
        guard rate > 0 else { return true }
        let now = monotonic()
        return state.withLock { state in
            if state.buckets.count >= Self.rememberedMax { state.buckets.removeAll() }
            let bucket = state.buckets[name] ?? (2 * rate, now)
            let level = min(2 * rate, bucket.level + max(0, now - bucket.time) * rate)
            state.buckets[name] = (max(0, level - 1), now)
            return level >= 1
        }
    }
}

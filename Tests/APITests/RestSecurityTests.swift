// Who may do what: tokens and scopes on every route, browsers, names, limits, and the files that tokens live in.

import Crypto
import Foundation
import HTTPServer
import Service
import Synchronization
import Testing

@testable import API

@Suite struct TokenTests {
    @Test func tokensAreRandomAndRecognised() {
        let text = AccessToken.newText()
        #expect(text != AccessToken.newText() && text.hasPrefix("aware_") && text.utf8.count == 70)
        let token = AccessToken(name: "ci", scope: .decide, text: text, created: 1)
        #expect(token.matches(SHA256.hash(data: Array(text.utf8))))
        #expect(!token.matches(SHA256.hash(data: Array((text + "x").utf8))))
        // What `printf %s aware_0123456789 | sha256sum` says.
        #expect(
            AccessToken(name: "ci", scope: .read, text: "aware_0123456789", created: 1).digest.prefix(4)
                == [0x8b, 0x48, 0x94, 0xb3])
    }

    @Test func tokenFilesKeepDigestsOnly() throws {
        let folder = NSTemporaryDirectory() + "aware-tokens-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = TokenFile.path(in: folder)
        #expect(try TokenFile.read(path).isEmpty)
        let tokens = [
            AccessToken(name: "ci", scope: .decide, text: "secret-secret-secret", created: 5, expires: 10),
            AccessToken(name: "ops", scope: .admin, text: "other-other-other", created: 6),
        ]
        try TokenFile.write(tokens, to: path)
        #expect(try TokenFile.read(path) == tokens)
        #expect(try !String(contentsOfFile: path, encoding: .utf8).contains("secret-secret"))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        chmod(path, 0o644)
        #expect(throws: TokenFile.Failure.self) { try TokenFile.read(path) }
    }

    @Test func plainTokensComeFromTheEnvironment() throws {
        let tokens = try TokenFile.parse(
            "ci decide 0123456789abcdef, ops admin fedcba9876543210 # mounted", source: "x")
        #expect(tokens.map(\.name) == ["ci", "ops"] && tokens[1].scope == .admin)
        for wrong in ["ci decide short", "ci root 0123456789abcdef", "ci 0123456789abcdef", "ci read sha256:12"] {
            #expect(throws: TokenFile.Failure.self) { try TokenFile.parse(wrong, source: "x") }
        }
    }
}

@Suite(.serialized) struct RestSecurityTests {
    private static let texts: [Scope: String] = [
        .read: "read-read-read-read", .decide: "decide-decide-decide", .admin: "admin-admin-admin",
    ]

    private static func guarded(_ options: inout ServiceOptions) {
        options.security.requiresToken = true
        options.security.tokens = texts.map {
            AccessToken(name: $0.key.rawValue, scope: $0.key, text: $0.value, created: 0)
        }
    }

    private func bearer(_ scope: Scope) -> (String, String) { ("Authorization", "Bearer " + (Self.texts[scope] ?? "")) }

    /// Every route of the router with no token, a wrong one, and one of every scope.
    @Test func everyRouteAsksForItsScope() async throws {
        try await withRest(Self.guarded) { server in
            var checked = 0
            for (method, pattern) in server.routes {
                let path = pattern.split(separator: "/").map { $0.hasPrefix("{") ? "none" : String($0) }.joined(
                    separator: "/")
                let needed = AccessControl.scope(of: method, pattern)
                func status(_ headers: [(String, String)]) async throws -> Int {
                    let body = method == .post || method == .put ? "{}" : nil
                    return try await server.send("\(method.name)", "/" + path, body, headers: headers).status
                }
                let anonymous = try await status([])
                #expect((anonymous == 401) == (needed != nil), "\(method) \(pattern) without a token: \(anonymous)")
                for scope in Scope.allCases {
                    let answer = try await status([bearer(scope)])
                    let mayPass = needed.map { scope >= $0 } ?? true
                    #expect((answer != 403 && answer != 401) == mayPass, "\(method) \(pattern) as \(scope): \(answer)")
                    checked += 1
                }
            }
            #expect(checked >= 100)
        }
    }

    @Test func wrongTokensAreRefusedAndSlowedDown() async throws {
        try await withRest(Self.guarded) { server in
            let refused = try await server.send("GET", "/v1/applications", headers: [("Authorization", "Bearer wrong")])
            #expect(refused.status == 401 && refused.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
            for bad in ["Basic YTpi", "Bearer", "bearer  ", "Bearer a b"] {
                #expect(
                    try await server.send("GET", "/v1/applications", headers: [("Authorization", bad)]).status == 401)
            }
            let twice = [bearer(.admin), bearer(.admin)]
            #expect(try await server.send("GET", "/v1/applications", headers: twice).status == 401)
            for _ in 0..<20 {
                _ = try await server.send("GET", "/v1/applications", headers: [("Authorization", "Bearer x")])
            }
            let slowed = try await server.send("GET", "/v1/applications", headers: [("Authorization", "Bearer x")])
            #expect(slowed.status == 429 && slowed.headers["retry-after"] == "60")
            let valid = try await server.send("GET", "/v1/applications", headers: [bearer(.read)])
            #expect(valid.status == 200, "who shares an address with somebody guessing is not locked out")
            #expect(try await server.send("GET", "/livez").status == 200, "health stays open")
        }
    }

    @Test func aTokensNameStandsInTheAuditLog() async throws {
        try await withRest(Self.guarded) { server in
            try await server.send("PUT", "/v1/killswitch", #"{"actor": "ann", "reason": "a test"}"#, headers: [bearer(.admin)])
            let audit = try await server.send("GET", "/v1/audit", headers: [bearer(.admin)])
            #expect(audit.string("/items/0/actor") == "ann (admin)")
        }
    }

    @Test func tokensCanBeMadeAndRevokedWhileTheServerRuns() async throws {
        try await withRest({ $0.security.requiresToken = true }) { server in
            let path = TokenFile.path(in: server.folder)
            let text = AccessToken.newText()
            try TokenFile.write([AccessToken(name: "new", scope: .read, text: text, created: 0)], to: path)
            try await Task.sleep(for: .milliseconds(1100))
            let headers = [("Authorization", "Bearer \(text)")]
            #expect(try await server.send("GET", "/v1/applications", headers: headers).status == 200)
            try TokenFile.write([AccessToken(name: "new", scope: .read, text: text, created: 0, expires: 1)], to: path)
            try await Task.sleep(for: .milliseconds(1100))
            #expect(try await server.send("GET", "/v1/applications", headers: headers).status == 401, "it expired")
        }
    }

    @Test func aTokenHasItsRate() async throws {
        try await withRest({
            Self.guarded(&$0)
            $0.security.requestsPerSecond = 2
        }) { server in
            var statuses: [Int] = []
            for _ in 0..<8 {
                statuses.append(try await server.send("GET", "/v1/applications", headers: [bearer(.read)]).status)
            }
            #expect(statuses.prefix(4).allSatisfy { $0 == 200 } && statuses.contains(429), "\(statuses)")
            #expect(try await server.send("GET", "/v1/applications", headers: [bearer(.admin)]).status == 200)
        }
    }

    @Test func thisMachineNeedsNoTokenButProxiesDo() async throws {
        try await withRest { server in
            let direct = try await server.send("GET", "/v1/applications")
            #expect(direct.status == 200)
            #expect(direct.headers["cache-control"] == "no-store")
            for header in ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP", "Via"] {
                let forwarded = try await server.send("GET", "/v1/applications", headers: [(header, "for=10.0.0.1")])
                #expect(forwarded.status == 401, "\(header)")
            }
            // What nginx's proxy_pass sends when nothing else is configured.
            let nginx = "PUT /v1/killswitch HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            let answer = try await RestServer.exchange(server.port, Array(nginx.utf8))
            #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 401"))
        }
    }

    @Test func thisMachineNeedsATokenOnceThereIsOne() async throws {
        let token = AccessToken(name: "ops", scope: .admin, text: "admin-admin-admin", created: 0)
        try await withRest({ $0.security.tokens = [token] }) { server in
            let anonymous = try await server.send("GET", "/v1/applications")
            let known = try await server.send("GET", "/v1/applications", headers: [bearer(.admin)])
            let health = try await server.send("GET", "/livez")
            #expect([anonymous, known, health].map(\.status) == [401, 200, 200])
        }
        try await withRest({
            $0.security.tokens = [token]
            $0.security.trustsLoopback = true
        }) { server in
            let anonymous = try await server.send("GET", "/v1/applications")
            let forwarded = try await server.send("GET", "/v1/applications", headers: [("Via", "1.1 proxy")])
            #expect([anonymous, forwarded].map(\.status) == [200, 401])
        }
    }

    @Test func whoMayNotSendIsToldBeforeTheBody() async throws {
        try await withRest(Self.guarded) { server in
            let head = "POST /v1/decisions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 8000000\r\n\r\n"
            let answer = try await RestServer.exchange(server.port, Array(head.utf8))
            let text = String(decoding: answer, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 401") && text.contains("Connection: close"))
        }
    }

    @Test func lockOutsGoByAClockThatNobodySets() throws {
        let time = Mutex((wall: 1e9, monotonic: 0.0))
        var options = SecurityOptions()
        options.tokens = [AccessToken(name: "ops", scope: .admin, text: "admin-admin-admin", created: 0, expires: 2e9)]
        let access = try AccessControl(options, clock: { time.withLock { $0.wall } }, monotonic: { time.withLock { $0.monotonic } })
        var router = Router()
        router.add(.get, "/v1/x") { _, response in
            response.body("in")
            return .respond
        }
        var server = ServerOptions()
        server.intercept = access.intercept(router.routes)
        func status(_ token: String) -> String {
            let request = "GET /v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(token)\r\n\r\n"
            return String(decoding: router.exchange(Array(request.utf8), options: server).dropFirst(9).prefix(3), as: UTF8.self)
        }
        for _ in 0..<20 { #expect(status("wrong") == "401") }
        #expect(status("wrong") == "429")
        time.withLock { $0.wall += 86_400 * 365 }
        #expect(status("wrong") == "429" && status("admin-admin-admin") == "200", "a year on the wall is no minute")
        time.withLock { $0.wall -= 86_400 * 3650 }
        #expect(status("wrong") == "429" && status("admin-admin-admin") == "200")
        time.withLock { $0.monotonic += 61 }
        #expect(status("wrong") == "401")
    }

    @Test func otherNamesAndOtherSitesAreRefused() async throws {
        try await withRest { server in
            for name in ["localhost:8080", "127.0.0.1", "[::1]:80", "aware.localhost"] {
                let answer = try await server.send("GET", "/v1/applications", headers: [("Host", name)])
                #expect(answer.status == 200, "\(name)")
            }
            let stranger = try await server.send("GET", "/v1/applications", headers: [("Host", "evil.example")])
            #expect(stranger.status == 403)
            let body = observation()
            let path = "/v1/applications/a/decisions"
            for (name, value, status) in [
                ("Sec-Fetch-Site", "cross-site", 403), ("Sec-Fetch-Site", "same-site", 403),
                ("Sec-Fetch-Site", "same-origin", 200),
                ("Origin", "http://evil.example", 403), ("Origin", "null", 403), ("Origin", "http://127.0.0.1", 200),
                ("Content-Type", "text/plain", 415), ("Content-Type", "multipart/form-data; boundary=x", 415),
                ("Content-Type", "application/json; charset=utf-8", 200),
            ] {
                let answer = try await server.send("POST", path, body, headers: [(name, value)])
                #expect(answer.status == status, "\(name): \(value)")
            }
        }
    }

    @Test func othersAreNotServedWithoutAToken() throws {
        var options = ServiceOptions()
        options.dataFolder = NSTemporaryDirectory() + "aware-open-\(UUID().uuidString)"
        options.listen = [try ListenAddress("0.0.0.0:0")]
        #expect(throws: StartupError.self) { try PolicyServer.start(options) }
        #expect(!FileManager.default.fileExists(atPath: options.dataFolder), "a refused start leaves nothing behind")
    }

    @Test func insecureSaysSoInWords() async throws {
        try await withRest({
            $0.listen = [try! ListenAddress("0.0.0.0:0")]
            $0.security.isInsecure = true
        }) { server in
            let answer = try await server.send("GET", "/v1/applications", headers: [("Host", "anything")])
            #expect(answer.status == 200)
        }
    }
}

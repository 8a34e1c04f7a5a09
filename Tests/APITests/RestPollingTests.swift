// What pollers and probes ask: entity tags on lists, compression of large answers, names to filter by, health.

import Foundation
import Testing

@Suite(.serialized) struct RestPollingTests {
    private let path = "/v1/applications/shop"

    @Test func listsAreTaggedAndSparedWhoHasThem() async throws {
        try await withRest { server in
            try await server.send("POST", path + "/decisions", observation())
            for list in [
                "/v1/applications", path + "/decisions", path + "/episodes", path + "/models", path + "/rewards",
                path + "/control", "/v1/events", "/v1/audit",
            ] {
                let first = try await server.send("GET", list)
                let tag = try #require(first.headers["etag"], "\(list)")
                #expect(first.status == 200 && tag.hasPrefix("W/\""))
                for known in [tag, "\"other\", \(tag)", String(tag.dropFirst(2)), "*"] {
                    let same = try await server.send("GET", list, headers: [("If-None-Match", known)])
                    #expect(same.status == 304 && same.body.isEmpty && same.headers["etag"] == tag, "\(list): \(known)")
                }
                let other = try await server.send("GET", list, headers: [("If-None-Match", "\"other\"")])
                #expect(other.status == 200 && other.body == first.body)
            }
            let tag = try #require(try await server.send("GET", path + "/decisions").headers["etag"])
            try await server.send("POST", path + "/decisions", observation())
            let changed = try await server.send("GET", path + "/decisions", headers: [("If-None-Match", tag)])
            #expect(changed.status == 200 && (changed["/items"] as? [Any])?.count == 2)
        }
    }

    @Test func largeAnswersAreCompressedForWhoAsks() async throws {
        try await withRest { server in
            for _ in 0..<20 { try await server.send("POST", path + "/decisions", observation()) }
            for list in [path + "/decisions", "/openapi.json", "/metrics"] {
                let plain = try await server.send("GET", list)
                #expect(plain.headers["content-encoding"] == nil)
                let packed = try await server.send("GET", list, headers: [("Accept-Encoding", "br, gzip")])
                #expect(
                    packed.headers["content-encoding"] == "gzip" && packed.body.starts(with: [0x1F, 0x8B]), "\(list)")
                #expect(packed.body.count * 3 < plain.body.count, "\(list)")
                #expect(packed.headers["vary"]?.contains("Accept-Encoding") == true)
                let refused = try await server.send("GET", list, headers: [("Accept-Encoding", "gzip;q=0")])
                #expect(refused.headers["content-encoding"] == nil)
            }
            let small = try await server.send("GET", path + "/control", headers: [("Accept-Encoding", "gzip")])
            #expect(small.headers["content-encoding"] == nil, "too small to be worth it")
        }
    }

    @Test func applicationsAreFoundByTheirName() async throws {
        try await withRest { server in
            for name in ["shop-web", "shop-api", "blog"] {
                try await server.send("PUT", "/v1/applications/\(name)", "{}")
            }
            func names(_ query: String) async throws -> [String] {
                let list = try await server.send("GET", "/v1/applications?" + query)
                return ((list["/items"] as? [[String: Any]]) ?? []).compactMap { $0["name"] as? String }
            }
            #expect(try await names("name=shop") == ["shop-api", "shop-web"])
            #expect(try await names("name=g") == ["blog"])
            #expect(try await names("name=") == ["blog", "shop-api", "shop-web"])
            #expect(try await names("name=none") == [])
            #expect(try await names("until=2001-01-01T00:00:00Z") == [])
            let page = try await server.send("GET", "/v1/applications?name=shop&limit=1")
            #expect(page.string("/items/0/name") == "shop-api")
            let cursor = try #require(page.string("/nextCursor"))
            #expect(try await names("name=shop&limit=1&cursor=\(cursor)") == ["shop-web"])
        }
    }

    @Test func healthGoesComponentByComponent() async throws {
        try await withRest { server in
            #expect(try await server.send("GET", "/livez").text == "ok\n")
            #expect(try await server.send("GET", "/readyz").text == "ok\n")
            let living = try await server.send("GET", "/livez?verbose").text
            let ready = try await server.send("GET", "/readyz?verbose").text
            for (text, names) in [
                (living, ["loops", "background", "trainer"]), (ready, ["server", "database", "recorder", "trainer"]),
            ] {
                #expect(
                    text.split(separator: "\n").map { $0.split(separator: " ")[1] } == names.map { $0[...] }, "\(text)")
                #expect(
                    text.split(separator: "\n").allSatisfy { $0.hasPrefix("[+] ") && $0.contains(" ok") }, "\(text)")
            }
        }
    }
}

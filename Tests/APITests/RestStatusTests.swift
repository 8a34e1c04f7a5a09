// What the status page asks for: lists that the server sorts and filters, overriding states at once, tags that cover them.

import Foundation
import Testing

@testable import API

@Suite(.serialized) struct RestStatusTests {
    private func names(_ answer: RestAnswer) -> [String] {
        ((answer["/items"] as? [[String: Any]]) ?? []).compactMap { $0["name"] as? String }
    }

    @Test func theListIsSortedFilteredSearchedAndPaged() async throws {
        try await withRest { server in
            for (name, replicas) in [("b", 2), ("a", 5), ("c", 3)] {
                try await server.send("POST", "/v1/applications/\(name)/decisions", observation(replicas: replicas))
            }
            try await server.send("PUT", "/v1/applications/idle", "{}")
            let list = "/v1/applications"
            #expect(names(try await server.send("GET", list)) == ["idle", "c", "a", "b"])
            #expect(names(try await server.send("GET", list + "?sort=name")) == ["a", "b", "c", "idle"])
            #expect(names(try await server.send("GET", list + "?sort=name&order=desc&limit=1")) == ["idle"])
            // What is unknown stands last in either order.
            for order in ["asc", "desc"] {
                let sorted = names(try await server.send("GET", list + "?sort=replicas&order=\(order)"))
                #expect(sorted.last == "idle", "\(order)")
            }
            let first = try await server.send("GET", list + "?sort=name&limit=3")
            #expect(first.integer("/total") == 4 && first.string("/nextCursor") == "3")
            let rest = try await server.send("GET", list + "?sort=name&limit=3&cursor=3")
            #expect(names(rest) == ["idle"] && rest["/nextCursor"] is NSNull)
            #expect(names(try await server.send("GET", list + "?q=dl")) == ["idle"])
            let acted = try await server.send("GET", list + "?source=rules")
            #expect(names(acted) == ["c", "a", "b"] && acted.integer("/counts/all") == 4)
            #expect(names(try await server.send("GET", list + "?alarm=true")).isEmpty)
        }
    }

    @Test func aMisspeltParameterIsNamedWithThoseThatAreKnown() async throws {
        try await withRest { server in
            try await server.send("PUT", "/v1/applications/shop", "{}")
            for path in [
                "/v1/applications?sorted=name", "/v1/applications/shop/decisions?count=5", "/v1/events?app=shop",
                "/v1/applications/shop/rewards?point=5", "/v1/applications/shop/series?step=5",
            ] {
                let answer = try await server.send("GET", path)
                #expect(answer.status == 400 && answer.text.contains("Known: "), "\(path): \(answer.text)")
            }
            let wrong = try await server.send("GET", "/v1/applications?sort=size&alarm=yes&stage=gone")
            #expect(Set(wrong.errorPointers) == ["/sort", "/alarm", "/stage"])
        }
    }

    @Test func whateverOverridesTheAgentStandsInTheStatusAtOnce() async throws {
        try await withRest { server in
            let path = "/v1/applications/shop"
            try await server.send("POST", path + "/decisions", observation())
            var tag = try #require(try await server.send("GET", path).headers["etag"])
            func changed(_ kind: String?, _ reason: String = "") async throws {
                let answer = try await server.send("GET", path, headers: [("If-None-Match", tag)])
                #expect(answer.status == 200, "the tag covers \(kind ?? "its end")")
                tag = answer.headers["etag"] ?? ""
                #expect(answer.string("/status/overrides/0/kind") == kind)
                guard kind != nil else { return }
                #expect(answer.string("/status/overrides/0/reason") == reason)
                #expect(answer.string("/status/overrides/0/actor")?.contains("127.0.0.1") == true, "\(answer.text)")
                #expect(answer.string("/status/overrides/0/since") != nil)
                let control = try await server.send("GET", path + "/control")
                #expect(control.string("/overrides/0/kind") == kind)
            }
            for mode in ["pause", "freezeDown", "freezeUp"] {
                try await server.send("PUT", path + "/mode", #"{"mode": "\#(mode)", "reason": "why \#(mode)"}"#)
                try await changed(mode, "why \(mode)")
            }
            try await server.restart()
            #expect(
                try await server.send("GET", path).string("/status/overrides/0/actor") != nil, "also after a restart")
            try await server.send("PUT", path + "/mode", #"{"mode": "running", "reason": "over"}"#)
            try await changed(nil)
            try await server.send("PUT", path + "/stage", #"{"stage": "offline", "hold": true, "reason": "watch"}"#)
            try await changed("stageHold", "watch")
            try await server.send("PUT", path + "/stage", #"{"stage": "offline", "hold": false, "reason": "seen"}"#)
            try await server.send("PUT", path + "/pin", #"{"replicas": 4, "seconds": 600, "reason": "sale"}"#)
            try await changed("pin", "sale")
        }
    }

    @Test func theTagOfAGetIsAConditionOnTheProfileAlone() async throws {
        try await withRest { server in
            let path = "/v1/applications/shop"
            try await server.send("PUT", path, "{}")
            let tag = try #require(try await server.send("GET", path).headers["etag"])
            try await server.send("POST", path + "/decisions", observation())
            #expect(try await server.send("PUT", path, "{}", headers: [("If-Match", tag)]).status == 200)
            #expect(try await server.send("PUT", path, "{}", headers: [("If-Match", tag)]).status == 412)
        }
    }

    @Test func policyAndRulesAreComparedWithTheErrorOfBothMeans() throws {
        #expect(ApplicationFigures.compare([0.8, 0.9], [0.7, 0.7, 0.7]) == nil, "too few to know an error")
        let found = try #require(ApplicationFigures.compare([0.8, 0.9, 1.0], [0.7, 0.7, 0.7]))
        #expect(abs(found.difference - 0.2) < 1e-12)
        // Variance 0.01 over three episodes on one side, none on the other.
        #expect(abs(found.standardError - (0.01 / 3).squareRoot()) < 1e-12)
    }

    @Test func seriesAreColumnsOfOneLength() async throws {
        try await withRest { server in
            let path = "/v1/applications/shop"
            for step in 0..<4 {
                try await server.send("POST", path + "/decisions", observation(replicas: 3 + step, cpu: 0.5))
            }
            let answer = try await server.send("GET", path + "/series?steps=3")
            let columns = try #require(answer.json as? [String: Any]).values.compactMap { $0 as? [Any] }
            #expect(columns.count == 18 && columns.allSatisfy { $0.count == 3 }, "\(answer.text)")
            #expect(answer.integer("/replicas/2") == 6 && answer["/oomKills/0"] is NSNull)
        }
    }
}

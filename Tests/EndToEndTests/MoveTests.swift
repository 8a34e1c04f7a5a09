// An application that moves between servers in the middle of its life decides as if it had stayed.

import Foundation
import HTTPServer
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct MoveTests {
    private static let path = RestartTests.path
    private static let steps = 90
    private static let reason = #"{"reason": "moving"}"#

    /// Without the ids of decisions: another server numbers them otherwise.
    private static func plain(_ body: String) -> String {
        body.replacing(/"id":"[0-9A-Z]{26}",/, with: "").replacing(/"(created|nextCursor)":("[^"]*"|null),?/, with: "")
    }

    /// Decisions of others, so that numbers and ids are other ones than here.
    private static func neighbours(_ address: ListenAddress, _ prefix: String, count: Int) async throws {
        let client = try Client(address)
        for index in 0..<count {
            let body = RestartTests.observation(index, replicas: 3)
            #expect(try await client.post("/v1/applications/\(prefix)-\(index % 5)/decisions", body).status == 200)
        }
    }

    private static func views(_ address: ListenAddress) async throws -> [String] {
        let client = try Client(address)
        var bodies: [String] = []
        for view in RestartTests.views.dropLast() {
            let answer = try await client.get(view)
            try #require(answer.status == 200)
            bodies.append(plain(answer.body))
        }
        return bodies
    }

    private static func move(from source: ListenAddress, to target: ListenAddress) async throws {
        let (here, there) = (try Client(source), try Client(target))
        #expect(try await here.send("PUT", path + "/seal", reason).status == 200)
        let refused = try await here.post(path + "/decisions", RestartTests.observation(1000, replicas: 3))
        #expect(refused.status == 503 && refused.headers["retry-after"] == "2", "\(refused)")
        #expect(try refused.json["advice"]["source"].string == "rules")
        for (method, what, body) in [
            ("PUT", "", "{}"), ("PUT", "/pin", #"{"replicas": 2, "reason": "x"}"#), ("POST", "/retrain", reason),
            ("PUT", "/mode", #"{"mode": "pause", "reason": "x"}"#), ("POST", "/episodes", "{}"),
        ] {
            let answer = try await here.send(method, path + what, body)
            #expect(answer.status == 503, "\(method) \(what): \(answer)")
        }
        #expect(try await here.post(path + "/decisions?dryRun=true", RestartTests.observation(1000, replicas: 3)).status == 200)
        let bundle = try await here.get(path + "/export")
        try #require(bundle.status == 200)
        let arrived = try await there.put(path + "/import", bytes: bundle.bytes)
        try #require(arrived.status == 201, "\(arrived)")
        let again = try await there.put(path + "/import", bytes: bundle.bytes)
        #expect(again.status == 409, "\(again)")
        #expect(try await here.send("DELETE", path).status == 204)
    }

    /// Cloned from the rules (which goes on trial: what is measured here contradicts every model), from the base policy, and exploring
    /// from the first episode on.
    @Test(arguments: [(false, ""), (true, ""), (false, #", "bootstrap": false"#)])
    func aMovedApplicationDecidesAsIfItHadStayed(meta: Bool, more: String) async throws {
        let (whole, views) = try await withService(followsObservedTime: true) { address in
            var replicas = 3
            let bodies = try await RestartTests.run(0..<Self.steps, address, meta: meta, more: more, replicas: &replicas)
            return (bodies, try await Self.views(address))
        }
        #expect(try whole.contains { try JSON($0)["source"].string == "policy" })
        #expect(try whole.contains { try JSON($0)["exploring"].boolean == true } == !meta)
        try await withService(followsObservedTime: true) { first in
            try await withService(followsObservedTime: true) { second in
                var replicas = 3
                var pieces = try await RestartTests.run(0..<31, first, meta: meta, more: more, replicas: &replicas)
                try await Self.neighbours(first, "first", count: 40)
                try await Self.neighbours(second, "second", count: 70)
                try await Self.move(from: first, to: second)
                pieces += try await RestartTests.run(31..<62, second, meta: meta, more: more, replicas: &replicas)
                try await Self.neighbours(first, "first", count: 200)
                try await Self.move(from: second, to: first)
                pieces += try await RestartTests.run(62..<Self.steps, first, meta: meta, more: more, replicas: &replicas)
                for (step, pair) in zip(pieces, whole).enumerated() {
                    try #require(Self.plain(pair.0) == Self.plain(pair.1), "step \(step) differs after a move")
                }
                for (view, pair) in zip(RestartTests.views, zip(try await Self.views(first), views)) {
                    #expect(pair.0 == pair.1, "\(view)")
                }
                // Every decision is known by the id that it was answered with, wherever that was.
                let client = try Client(first)
                for piece in pieces {
                    let id = try #require(try JSON(piece)["id"].string)
                    let found = try await client.get(Self.path + "/decisions/" + id)
                    #expect(found.status == 200 && Self.plain(found.body).hasPrefix(Self.plain(piece).dropLast()), "\(id): \(found)")
                }
                let last = try #require(try JSON(pieces[60])["id"].string)
                let outcome = try await client.post(Self.path + "/decisions/\(last)/outcome", #"{"applied": false}"#)
                #expect(try outcome.status == 200 && outcome.json["id"].string == last, "\(outcome)")
            }
        }
    }

    @Test func aMoveSurvivesRestarts() async throws {
        try await withFolder { folder in
            var replicas = 3
            let (before, bundle) = try await withService(on: folder + "/a", followsObservedTime: true) { address in
                let pieces = try await RestartTests.run(0..<22, address, meta: true, replicas: &replicas)
                let client = try Client(address)
                #expect(try await client.send("PUT", Self.path + "/pin", #"{"replicas": 4, "reason": "for the test"}"#).status == 200)
                #expect(try await client.send("PUT", Self.path + "/seal", Self.reason).status == 200)
                return (pieces, try await client.get(Self.path + "/export").bytes)
            }
            // The seal outlives the source; what it would not have decided is decided when it is taken away.
            try await withService(on: folder + "/a", followsObservedTime: true) { address in
                let client = try Client(address)
                let observation = RestartTests.observation(22, replicas: replicas)
                #expect(try await client.post(Self.path + "/decisions", observation).status == 503)
                #expect(try await client.read(Self.path + "/seal")["reason"].string == "moving")
                #expect(try await client.get(Self.path + "/export").status == 200)
                #expect(try await client.send("DELETE", Self.path + "/seal?reason=x").status == 200)
                #expect(try await client.post(Self.path + "/decisions", observation).status == 200)
            }
            try await withService(on: folder + "/b", followsObservedTime: true) { address in
                try await Self.neighbours(address, "other", count: 33)
                let client = try Client(address)
                #expect(try await client.put(Self.path + "/import", bytes: bundle).status == 201)
                #expect(try await client.put("/v1/applications/another/import", bytes: bundle).status == 201)
            }
            try await withService(on: folder + "/b", followsObservedTime: true) { address in
                let client = try Client(address)
                for name in ["shop-web", "another"] {
                    let path = "/v1/applications/" + name
                    let control = try await client.read(path + "/control")
                    #expect(control["pin"]["replicas"].integer == 4 && control["sealed"].boolean == false)
                    let items = try await client.read(path + "/decisions?limit=500")["items"].items
                    #expect(items.map { $0["id"].string } == (try before.reversed().map { try JSON($0)["id"].string }))
                    #expect(try await client.read("/v1/audit?application=\(name)")["items"].items.map { $0["action"].string } == ["arrive", "seal", "pin"])
                    let answer = try await client.post(path + "/decisions", RestartTests.observation(22, replicas: replicas))
                    #expect(try answer.json["source"].string == "pin" && answer.json["step"].integer == 22 % 4, "\(answer)")
                }
            }
        }
    }

    @Test func whatIsDamagedIsRefusedAndLeavesNothing() async throws {
        try await withService(followsObservedTime: true) { address in
            var replicas = 3
            _ = try await RestartTests.run(0..<10, address, meta: true, replicas: &replicas)
            let client = try Client(address)
            let bundle = try await client.get(Self.path + "/export").bytes
            let copy = "/v1/applications/copy"
            for place in stride(from: 0, to: bundle.count, by: bundle.count / 40) {
                var damaged = bundle
                damaged[place] ^= 1
                let answer = try await client.put(copy + "/import", bytes: damaged)
                #expect(answer.status == 422, "byte \(place): \(answer)")
            }
            for length in [0, 10, bundle.count / 2, bundle.count - 1] {
                #expect(try await client.put(copy + "/import", bytes: Array(bundle.prefix(length))).status == 422)
            }
            #expect(try await client.send("PUT", copy + "/import", "{}").status == 415)
            #expect(try await client.get(copy).status == 404)
            #expect(try await client.put(copy + "/import", bytes: bundle).status == 201)
        }
    }
}

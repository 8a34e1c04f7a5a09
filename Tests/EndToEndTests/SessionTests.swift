// A person with curl: create an application, send observations of a rising load, read everything back; and get it wrong.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct SessionTests {
    private static let path = "/v1/applications/shop-web"

    private static func observation(_ replicas: Int, cpu: Double, rate: Double, more: String = "") -> String {
        """
        {"replicas": \(replicas), "cpuLimit": "1", "memoryLimit": "512Mi", "cpuUtilization": \(cpu), \
        "memoryUtilization": 0.5, "latencySeconds": \(0.1 + cpu / 2), "requestRate": \(rate)\(more)}
        """
    }

    @Test func replicasRiseWithTheLoadAndHistoryReadsBack() async throws {
        try await withService { address in
            let client = try Client(address)
            let created = try await client.send("PUT", Self.path, #"{"replicas": {"min": 2, "max": 12}}"#)
            #expect(created.status == 201)
            #expect(created.headers["etag"] == "\"1\"")
            var replicas = 2
            var answers: [JSON] = []
            for step in 0..<10 {
                // The load grows by half each time; the share of it that each replica carries follows.
                let rate = 100 * pow(1.5, Double(step))
                let cpu = min(1.5, rate / 120 / Double(replicas))
                let answer = try await client.post(
                    Self.path + "/decisions", Self.observation(replicas, cpu: cpu, rate: rate))
                try #require(answer.status == 200, "\(answer.body)")
                let json = try answer.json
                let desired = try #require(json["desired"]["replicas"].integer)
                #expect(desired >= replicas && desired <= 12)
                #expect(json["horizontal"].integer == desired - replicas)
                #expect(json["explanation"]["rules"]["replicas"].integer != nil)
                #expect(json["step"].integer == step)
                if step > 0 { #expect(json["reward"].number.map { (0...1).contains($0) } == true) }
                answers.append(json)
                replicas = desired
            }
            #expect(replicas == 12)
            #expect(try await client.read(Self.path + "/decisions")["items"].items == answers.reversed())
            let first = try await client.read(Self.path + "/decisions?limit=3")
            #expect(first["items"].items == Array(answers.reversed().prefix(3)))
            let cursor = try #require(first["nextCursor"].string)
            let second = try await client.read(Self.path + "/decisions?limit=500&cursor=\(cursor)")
            #expect(second["items"].items == Array(answers.reversed().dropFirst(3)))
            #expect(second["nextCursor"] == .null)
            let id = try #require(answers[4]["id"].string)
            #expect(try await client.read(Self.path + "/decisions/\(id)") == answers[4])
            let status = try await client.read(Self.path)["status"]
            #expect(status["decisions"].integer == 10 && status["replicas"].integer == 12)
        }
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var method = "POST"
        var path = SessionTests.path + "/decisions"
        var body: String?
        var status: Int
        var pointer: String?
        var allow: String?
        var testDescription: String { "\(method) \(path) \(body ?? "")" }
    }

    static let wrong = [
        Wrong(body: "{\"replicas\": 3", status: 400, pointer: ""),
        Wrong(body: "", status: 400, pointer: ""),
        Wrong(body: #"{"cpuUtilization": 0.5}"#, status: 400, pointer: "/replicas"),
        Wrong(body: #"{"replicas": 3, "cpuUtilization": NaN}"#, status: 400, pointer: ""),
        Wrong(body: #"{"replicas": 3, "cpuUtilization": 1e999}"#, status: 400, pointer: ""),
        Wrong(body: #"{"replicas": -1}"#, status: 422, pointer: "/replicas"),
        Wrong(body: #"{"replicas": "three"}"#, status: 400, pointer: "/replicas"),
        Wrong(body: #"{"replicas": 3, "time": "yesterday"}"#, status: 422, pointer: "/time"),
        Wrong(path: SessionTests.path + "/decisions?dryRun=yes", body: #"{"replicas": 3}"#, status: 400),
        Wrong(path: "/v1/applications/Shop_Web/decisions", body: #"{"replicas": 3}"#, status: 422, pointer: ""),
        Wrong(
            method: "PUT", path: SessionTests.path, body: #"{"replicas": {"mxa": 3}}"#, status: 422,
            pointer: "/replicas/mxa"),
        Wrong(method: "GET", path: "/v1/no-such-thing", status: 404),
        Wrong(method: "GET", path: "/v1/applications/nobody", status: 404),
        Wrong(method: "GET", path: SessionTests.path + "/decisions/01J", status: 404),
        Wrong(method: "GET", path: SessionTests.path + "/decisions?limit=0", status: 400, pointer: "/limit"),
        Wrong(method: "GET", path: SessionTests.path + "/rewards?points=many", status: 400, pointer: "/points"),
        Wrong(method: "DELETE", path: SessionTests.path + "/decisions", status: 405, allow: "POST"),
        Wrong(method: "POST", path: "/metrics", body: "{}", status: 405, allow: "GET"),
    ]

    @Test func everyMistakeIsExplainedAndHarmless() async throws {
        try await withService { address in
            let client = try Client(address)
            _ = try await client.send("PUT", Self.path, "{}")
            for (index, wrong) in Self.wrong.enumerated() {
                let answer = try await client.send(wrong.method, wrong.path, wrong.body)
                #expect(answer.status == wrong.status, "\(wrong.testDescription): \(answer.body)")
                #expect(answer.headers["content-type"] == "application/problem+json", "\(wrong.testDescription)")
                let problem = try answer.json
                #expect(problem["status"].integer == wrong.status && problem["detail"].string?.isEmpty == false)
                if let pointer = wrong.pointer {
                    #expect(problem["errors"].items.contains { $0["pointer"].string == pointer }, "\(answer.body)")
                }
                if let allow = wrong.allow { #expect(answer.headers["allow"]?.contains(allow) == true) }
                let good = try await client.post(Self.path + "/decisions", Self.observation(3, cpu: 0.5, rate: 10))
                #expect(good.status == 200)
                #expect(try good.json["step"].integer == index)
            }
        }
    }

    @Test func aDryRunChangesNothing() async throws {
        try await withService { address in
            let client = try Client(address)
            for _ in 0..<5 {
                _ = try await client.post(Self.path + "/decisions", Self.observation(3, cpu: 0.6, rate: 9))
            }
            let before = try await client.read(Self.path)
            let history = try await client.read(Self.path + "/decisions")
            let body = Self.observation(3, cpu: 1.4, rate: 90, more: #", "id": "dry-1", "done": true"#)
            let dry = try await client.post(Self.path + "/decisions?dryRun=true", body)
            #expect(dry.status == 200)
            #expect(try dry.json["desired"]["replicas"].integer ?? 0 > 3)
            #expect(try await client.read(Self.path) == before)
            #expect(try await client.read(Self.path + "/decisions") == history)
            // The same observation for real is answered with the same allocation.
            let real = try await client.post(Self.path + "/decisions", body)
            #expect(try real.json["desired"] == dry.json["desired"])
            // An application that does not exist is not made by asking.
            let other = try await client.post(
                "/v1/applications/unknown/decisions?dryRun=true", Self.observation(3, cpu: 1, rate: 9))
            #expect(other.status == 200)
            #expect(try await client.get("/v1/applications/unknown").status == 404)
        }
    }

    @Test func aRepeatedIdGetsTheFirstAnswer() async throws {
        try await withService { address in
            let client = try Client(address)
            let body = Self.observation(3, cpu: 0.9, rate: 9, more: #", "id": "client-1""#)
            let first = try await client.post(Self.path + "/decisions", body)
            let second = try await client.post(
                Self.path + "/decisions", Self.observation(7, cpu: 0.1, rate: 1, more: #", "id": "client-1""#))
            #expect(first.status == 200 && second.status == 200)
            #expect(try first.json == second.json)
            #expect(try await client.read(Self.path + "/decisions/client-1") == first.json)
            #expect(try await client.read(Self.path + "/decisions")["items"].items.count == 1)
        }
    }

    @Test(arguments: [1, 2]) func repeatedIdsAreOneDecisionAlsoWhenTheyComeTogether(loops: Int) async throws {
        try await withService(loops: loops) { address in
            _ = try await Client(address).send("PUT", Self.path, "{}")
            let ids = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<16 {
                    group.addTask {
                        let client = try Client(address)
                        let body = Self.observation(3, cpu: 0.9, rate: 9, more: #", "id": "same-\#(index % 4)""#)
                        for _ in 0..<200 {
                            let answer = try await client.post(Self.path + "/decisions", body)
                            if answer.status == 200 { return "\(index % 4) \(try answer.json["id"].string ?? "")" }
                            // Somebody else is having this very decision made: it will be there.
                            #expect(answer.status == 409, "\(answer.body)")
                            try await Task.sleep(for: .milliseconds(2))
                        }
                        return "never answered"
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(ids.count == 4, "\(ids)")
            #expect(try await Client(address).read(Self.path + "/decisions")["items"].items.count == 4)
        }
    }

    @Test func pipelinedDecisionsAreAnsweredInOrderAndCommitted() async throws {
        try await withService { address in
            let client = try Client(address)
            let reader = try Client(address)
            _ = try await client.send("PUT", Self.path, "{}")
            let one = Client.request("POST", Self.path + "/decisions", Self.observation(3, cpu: 0.7, rate: 9))
            try await client.send(String(repeating: one, count: 40))
            for step in 0..<40 {
                let answer = try await client.receive().json
                #expect(answer["step"].integer == step)
                let id = try #require(answer["id"].string)
                #expect(try await reader.read(Self.path + "/decisions/\(id)") == answer)
            }
        }
    }

    @Test func aDeletedApplicationLeavesNothingBehind() async throws {
        try await withFolder { folder in
            try await withService(on: folder) { address in
                let client = try Client(address)
                _ = try await client.send("PUT", Self.path, #"{"episodeSteps": 2}"#)
                for _ in 0..<9 {
                    _ = try await client.post(Self.path + "/decisions", Self.observation(3, cpu: 0.6, rate: 9))
                }
                #expect(
                    try await eventually { try await client.read(Self.path)["status"]["episodesTrained"].integer == 4 })
                #expect(try await client.send("DELETE", Self.path).status == 204)
                #expect(try await client.get(Self.path).status == 404)
                // The namesake begins at the beginning.
                let answer = try await client.post(Self.path + "/decisions", Self.observation(3, cpu: 0.6, rate: 9))
                    .json
                #expect(answer["episode"].integer == 1 && answer["step"].integer == 0 && answer["reward"] == .null)
                #expect(try await client.read(Self.path)["status"]["episodesTrained"].integer == 0)
            }
            let counts = try await DataFile(folder).counts()
            #expect(counts.decisions == 1 && counts.episodes == 0)
        }
    }
}

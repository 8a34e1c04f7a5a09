// A restart changes nothing: the same history, the same state, the same decisions afterwards.

import Foundation
import HTTPServer
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct RestartTests {
    static let path = "/v1/applications/shop-web"
    private static let steps = 90
    /// Short episodes and a short window, so that every stage and a version happen within the run.
    static func profile(meta: Bool, _ more: String = "") -> String {
        #"{"episodeSteps": 4, "thresholds": {"window": 3, "online": 0.01}, "guards": {"stabilizationDownSeconds": 180}, "meta": \#(meta)\#(more)}"#
    }

    /// Time and everything else about a step follows from its number and the allocation before it.
    static func observation(_ step: Int, replicas: Int) -> String {
        let load = 100 + 80 * sin(Double(step) / 7) + 15 * sin(Double(step) * 1.7)
        let cpu = min(1.4, load / 60 / Double(replicas))
        let seconds = 1_780_000_000 + 60 * step
        let time = Date(timeIntervalSince1970: Double(seconds)).ISO8601Format()
        let latency = step % 11 == 5 ? "null" : "\(0.2 + 0.5 * max(0, cpu - 0.6))"
        return """
            {"replicas": \(replicas), "cpuUtilization": \(cpu), "memoryUtilization": 0.6, "latencySeconds": \(latency), \
            "requestRate": \(load), "time": "\(time)", "id": "step-\(step)"}
            """
    }

    /// Decisions `steps`, each after everything before it was learned from; returns their bodies.
    static func run(
        _ steps: Range<Int>, _ address: ListenAddress, meta: Bool, more: String = "", replicas: inout Int
    ) async throws -> [String] {
        let client = try Client(address)
        if steps.lowerBound == 0 { _ = try await client.send("PUT", path, profile(meta: meta, more)) }
        var bodies: [String] = []
        for step in steps {
            let answer = try await client.post(path + "/decisions", observation(step, replicas: replicas))
            try #require(answer.status == 200, "\(answer.body)")
            bodies.append(answer.body)
            replicas = try #require(try answer.json["desired"]["replicas"].integer)
            // Practice takes a second, and half a minute under a sanitizer.
            let isTrained = try await eventually(seconds: 60) {
                let status = try await client.read(path)["status"]
                return status["episodes"].integer == status["episodesTrained"].integer
            }
            try #require(isTrained)
        }
        return bodies
    }

    static let views = [
        path + "/rewards", path + "/episodes", path + "/decisions?limit=500", path + "/models", path,
        "/v1/applications",
    ]

    /// `meta`: whether the shipped base policy is the first candidate, or one that is cloned from the rules.
    @Test(arguments: [false, true]) func anInterruptedRunDecidesAsAnUninterruptedOne(meta: Bool) async throws {
        let whole = try await withService(followsObservedTime: true) { address in
            var replicas = 3
            return try await Self.run(0..<Self.steps, address, meta: meta, replicas: &replicas)
        }
        let actors = Set(try whole.map { try JSON($0)["source"].string })
        #expect(actors.isSuperset(of: ["policy", "rules"]), "the run must be about both: \(actors)")
        #expect(try whole.contains { try JSON($0)["modelVersion"].integer ?? 0 > 0 })
        try await withFolder { folder in
            var replicas = 3
            var pieces: [String] = []
            // In the first episode, at an episode's end, in the middle of one, twice without a decision between.
            let stops = [0, 2, 4, 5, 16, 16, 31, 57, 60, 78, Self.steps]
            for (start, stop) in zip(stops, stops.dropFirst()) {
                let (part, count) = try await withService(on: folder, followsObservedTime: true) { address in
                    var count = replicas
                    return (try await Self.run(start..<stop, address, meta: meta, replicas: &count), count)
                }
                pieces += part
                replicas = count
            }
            for (step, pair) in zip(pieces, whole).enumerated() {
                try #require(pair.0 == pair.1, "step \(step) differs after a restart")
            }
        }
    }

    @Test func everyViewIsTheSameAfterARestart() async throws {
        try await withFolder { folder in
            func views(_ address: ListenAddress) async throws -> [String] {
                let client = try Client(address)
                var bodies: [String] = []
                for view in Self.views {
                    let answer = try await client.get(view)
                    try #require(answer.status == 200)
                    bodies.append(answer.body)
                }
                return bodies
            }
            let before = try await withService(on: folder, followsObservedTime: true) { address in
                var replicas = 3
                _ = try await Self.run(0..<70, address, meta: false, replicas: &replicas)
                return try await views(address)
            }
            // Seventeen full episodes, or more where a policy stood down before its episode was over.
            #expect(try JSON(before[0])["points"].items.count >= 17)
            #expect(try JSON(before[3])["items"].items.isEmpty == false)
            let after = try await withService(on: folder, followsObservedTime: true) { try await views($0) }
            for (view, pair) in zip(Self.views, zip(before, after)) { #expect(pair.0 == pair.1, "\(view)") }
        }
    }
}

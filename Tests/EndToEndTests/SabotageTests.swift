// Somebody imports random weights and promotes them: over a socket, with a simulated application behind the recommender.

import BasePolicy
@testable import ClusterModel
@testable import Experiments
import Foundation
import Learning
import Scaling
import Testing
@testable import Base
@testable import Deciding

@Suite(.serialized, .timeLimit(.minutes(5))) struct SabotageTests {
    private static let path = "/v1/applications/shop-web"

    /// A simulated application whose recommender asks the server, and its twin under the rules alone.
    private struct World {
        var cluster: Cluster
        var twin: Cluster
        var rules: DecisionController
        var load: LoadGenerator
        /// Requests per second at the load's usual peak.
        let scale: Double
        var observation: Observation
        var twinObservation: Observation
        /// What the rules would have earned more, mean step rewards summed over steps.
        var lost = 0.0

        init(_ application: SyntheticApplication) {
            var generator = LoadGenerator(seed: 2)
            let peak = 0.4 * application.capacity(profile: application.profile)
            let first = (0..<12).map { _ in generator.next() * peak }
            load = generator
            scale = peak
            cluster = Cluster(application: application, seed: 2, startTime: 1_780_000_000)
            twin = cluster
            rules = DecisionController(rulesOf: application.profile)
            observation = cluster.step(desired: cluster.allocation, load: first).observation
            twinObservation = twin.step(desired: twin.allocation, load: first).observation
        }

        var body: String {
            """
            {"replicas": \(observation.replicas), "cpuLimit": "\(observation.cpuMillicores ?? 0)m", \
            "memoryLimit": "\((observation.memoryBytes ?? 0) >> 20)Mi", "cpuUtilization": \(observation.cpuUtilization ?? 0), \
            "memoryUtilization": \(observation.memoryUtilization ?? 0), "latencySeconds": \(observation.latencySeconds ?? 0), \
            "requestRate": \(observation.requestRate ?? 0), "throughput": \(observation.throughput ?? 0), \
            "readyReplicas": \(observation.readyReplicas ?? 0), "oomKills": \(observation.oomKills ?? 0), \
            "time": "\(Date(timeIntervalSince1970: observation.time ?? 0).ISO8601Format())"}
            """
        }

        /// Carries out an answer and lives through one step.
        mutating func live(_ desired: JSON) throws {
            let allocation = Allocation(
                replicas: try #require(desired["replicas"].integer),
                cpuMillicores: try #require(desired["cpu"].string.flatMap { Quantity.millicores($0) }),
                memoryBytes: try #require(desired["memory"].string.flatMap { Quantity.bytes($0) }))
            var arrivals: [Double] = []
            for _ in 0..<12 { arrivals.append(load.next() * scale) }
            let outcome = cluster.step(desired: allocation, load: arrivals)
            let rulesWant = rules.decide(twinObservation, current: twin.allocation)
            let twinOutcome = twin.step(desired: rulesWant, load: arrivals)
            (observation, twinObservation) = (outcome.observation, twinOutcome.observation)
            lost += twinOutcome.reward - outcome.reward
        }
    }

    /// The weights of seed 3 starve the application, those of seed 4 give it all there is.
    @Test(arguments: [3, 4] as [UInt64])
    func aPromotedRandomPolicyIsStoppedAndTheGoodVersionComesBack(_ seed: UInt64) async throws {
        try await withService(followsObservedTime: true) { address in
            let client = try Client(address)
            let application = SyntheticApplication.split(seed: 1).test[1]
            // Against rules as the profile sets them: what is tested is that it is stopped, and who comes back.
            let profile =
                #"{"slo": {"latencySeconds": \#(application.sloSeconds), "percentile": 99}, "fallback": {"calibrate": false}}"#
            #expect(try await client.send("PUT", Self.path, profile).status == 201)
            var world = World(application)

            /// One episode and its training; the stage that it led to.
            func episode() async throws -> String {
                for _ in 0..<100 {
                    let answer = try await client.post(Self.path + "/decisions", world.body)
                    try #require(answer.status == 200, "\(answer.body)")
                    try world.live(try answer.json["desired"])
                }
                var stage = ""
                let isTrained = try await eventually(seconds: 30) {
                    let status = try await client.read(Self.path)["status"]
                    stage = status["stage"].string ?? ""
                    return status["episodesTrained"].integer == status["episodes"].integer
                }
                #expect(isTrained)
                return stage
            }

            var stage = ""
            for _ in 0..<25 where stage != "serving" { stage = try await episode() }
            try #require(stage == "serving")

            // The sabotage: the good version's own form, every weight random.
            let good = try Policy(decoding: BasePolicy.bytes)
            var random = SimulationRandom(seed: seed)
            let numbers = good.parameters.map { _ in "\(Float(random.normal()))" }.joined(separator: ",")
            let head = try await client.send(
                "GET", Self.path + "/models/1/weights", headers: ["Accept: application/json"])
            let shape = try #require(head.body.components(separatedBy: "\"parameters\"").first)
            let put = try await client.send(
                "PUT", Self.path + "/models/7/weights", shape + "\"parameters\":[\(numbers)]}")
            try #require(put.status == 200, "\(put.body)")
            let promoted = try await client.post(Self.path + "/models/7/promote", #"{"reason": "sabotage"}"#)
            try #require(promoted.status == 200, "\(promoted.body)")

            world.lost = 0
            var episodes = 0
            repeat {
                stage = try await episode()
                episodes += 1
            } while stage == "serving" && episodes < 10
            #expect(stage == "offline" && episodes < 10, "stopped before its window of ten episodes ends")
            let lost = world.lost
            print("sabotage: stopped after \(episodes) episodes, \(lost) step rewards lost against the rules")
            #expect(lost > 0 && lost < 300)
            let answer = try await client.post(Self.path + "/decisions", world.body)
            #expect(try answer.json["source"].string == "rules")
            try world.live(try answer.json["desired"])

            for _ in 0..<40 where stage != "serving" { stage = try await episode() }
            #expect(stage == "serving")
            #expect(try await client.read(Self.path)["status"]["modelVersion"].integer == 1)
            let events = try await client.read("/v1/events?application=shop-web&limit=50")["items"].items.reversed()
            for event in events {
                print(
                    "  \(event["kind"].string ?? "") \(event["from"].string ?? "") > \(event["to"].string ?? "") \(event["reason"].string ?? "")"
                )
            }
            let audit = try await client.read("/v1/audit?application=shop-web")["items"].items
            #expect(audit.map { $0["action"].string } == ["promote", "import"])
        }
    }

    /// What a client sends who would like to see its version on duty, although the service is bad.
    enum Bribe: CaseIterable { case none, observation, outcome }

    /// An owner gave thresholds in reported rewards; whoever may decide names the rewards.
    @Test(arguments: Bribe.allCases) func nobodyIsPromotedByTheRewardsThatItSends(_ bribe: Bribe) async throws {
        try await withService(followsObservedTime: true) { address in
            let client = try Client(address)
            let profile = #"""
                {"slo": {"latencySeconds": 0.5}, "episodeSteps": 10, "bootstrap": false, "controlEpisodes": false,
                 "replicas": {"min": 3, "max": 3}, "thresholds": {"serving": 0.8, "deviation": 0.5, "window": 3}}
                """#
            #expect(try await client.send("PUT", Self.path, profile).status == 201)
            var stages: Set<String> = []
            for step in 0..<120 {
                // A service that misses its objective ten times over on idle machines; without a bribe, one that is well.
                let isGood = bribe == .none
                let wave = Double(step % 7) / 100
                let time = Date(timeIntervalSince1970: 1_780_000_000 + 60 * Double(step)).ISO8601Format()
                // Not always the same: a constant reward raises an alarm of its own.
                let reward = bribe == .observation ? ", \"reward\": \(step % 2 == 0 ? 1000 : 0.95 + wave / 2)" : ""
                let answer = try await client.post(
                    Self.path + "/decisions",
                    """
                    {"replicas": 3, "cpuLimit": "500m", "memoryLimit": "512Mi", "cpuUtilization": \(isGood ? 0.8 + wave : 0.1 + wave), \
                    "memoryUtilization": \(isGood ? 0.8 : 0.1), "latencySeconds": \(isGood ? 0.2 + wave : 5 + wave), \
                    "requestRate": \(50 + 100 * wave), "time": "\(time)"\(reward)}
                    """)
                try #require(answer.status == 200, "\(answer.body)")
                let decision = try answer.json
                if let told = decision["reward"].number { #expect((0...1).contains(told), "a reward of \(told) was reported") }
                if bribe == .outcome, let id = decision["id"].string {
                    let told = try await client.post(Self.path + "/decisions/\(id)/outcome", "{\"reward\": \(0.95 + wave / 2)}")
                    try #require(told.status == 200, "\(told.body)")
                }
                guard step % 10 == 9 else { continue }
                #expect(
                    try await eventually(seconds: 30) {
                        let status = try await client.read(Self.path)["status"]
                        stages.insert(status["stage"].string ?? "")
                        return status["episodesTrained"].integer == status["episodes"].integer
                    })
            }
            #expect(stages.contains("online"))
            #expect(stages.contains("serving") == (bribe == .none), "\(bribe): \(stages)")
            // The owner sees what was reported; only the verdict does not go by it.
            let reported = try await client.read(Self.path)["status"]["reward"].number
            #expect(try #require(reported) > 0.8)
        }
    }
}

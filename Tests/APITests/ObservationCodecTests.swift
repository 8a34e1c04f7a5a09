// Observations as clients send them, right and wrong: each mistake gets its pointer and its code.

import HTTPServer
import Scaling
import Testing

@testable import API

@Suite struct ObservationCodecTests {
    @Test func readsEveryMember() throws {
        let request = try withJSON(
            """
            {"replicas": 5, "cpuLimit": "1500m", "memoryLimit": "1Gi", "cpuUtilization": 1.25, "memoryUtilization": 0.5,
             "latencySeconds": 0.25, "sloPreservation": 0.75, "requestRate": 120, "readyReplicas": 4, "oomKills": 1,
             "throughput": 110.5, "networkUtilization": 0.1, "ioUtilization": 0.2, "throttledRatio": 0.3,
             "time": "2026-11-21T01:20:00Z", "applied": false, "reward": -0.5, "done": true, "id": "abc-1"}
            """
        ) { ObservationCodec.decode($0) }
        #expect(request.errors.isEmpty && request.unknown.isEmpty)
        var wanted = Observation(replicas: 5)
        wanted.cpuMillicores = 1500
        wanted.memoryBytes = 1 << 30
        wanted.cpuUtilization = 1.25
        wanted.memoryUtilization = 0.5
        wanted.latencySeconds = 0.25
        wanted.sloPreservation = 0.75
        wanted.requestRate = 120
        wanted.readyReplicas = 4
        wanted.oomKills = 1
        wanted.throughput = 110.5
        wanted.networkUtilization = 0.1
        wanted.ioUtilization = 0.2
        wanted.throttledRatio = 0.3
        wanted.time = 1_795_224_000
        wanted.applied = false
        wanted.reward = -0.5
        wanted.done = true
        #expect(request.observation == wanted)
        #expect(request.id == "abc-1")
    }

    @Test func nullMeansNotMeasured() throws {
        let request = try withJSON(#"{"replicas": 3.0, "cpuUtilization": null, "time": null, "applied": null}"#) {
            ObservationCodec.decode($0)
        }
        #expect(request.errors.isEmpty && request.observation == Observation(replicas: 3))
    }

    /// Found by deploy/fuzz: each repeated member with a wrong value is two complaints, and one more was left for the end.
    @Test func complaintsAreBounded() throws {
        let members = (0..<40).map { _ in "\"cpuLimit\": \"x\"" }.joined(separator: ", ")
        let request = try withJSON("{\(members)}") { ObservationCodec.decode($0) }
        #expect(request.errors.count == ObjectReader.complaintsMax)
    }

    @Test func unknownMembersAreToldAndBounded() throws {
        let members = (0..<40).map { "\"extra\($0)\": [1, {\"a\": 2}]" }.joined(separator: ", ")
        let request = try withJSON("{\"replicas\": 1, \(members), \"application\": \"x\"}") {
            ObservationCodec.decode($0)
        }
        #expect(request.errors.isEmpty && request.unknown.count == 16 && request.unknown[0] == "extra0")
        #expect(request.application == nil)
        let batch = try withJSON(#"{"replicas": 1, "application": "x"}"#) {
            ObservationCodec.decode($0, at: "/3", batch: true)
        }
        #expect(batch.application == "x" && batch.unknown.isEmpty)
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var member: String
        var code: String
        var pointer: String
        var testDescription: String { member }
    }

    /// Members that stand beside a correct `replicas`, and how they are refused.
    static let wrong: [Wrong] = {
        var all: [Wrong] = []
        func add(_ name: String, _ code: String, _ values: [String]) {
            for value in values { all.append(Wrong(member: "\"\(name)\": \(value)", code: code, pointer: "/\(name)")) }
        }
        for name in ["cpuUtilization", "memoryUtilization", "networkUtilization", "ioUtilization"] {
            add(name, "type", ["\"0.5\"", "true"])
        }
        for name in ["sloPreservation", "throttledRatio"] {
            add(name, "type", ["[]"])
        }
        for name in ["requestRate", "throughput"] {
            add(name, "type", ["{}", "\"many\""])
        }
        add("latencySeconds", "type", ["\"250ms\"", "false"])
        add("reward", "type", ["\"high\""])
        for name in ["readyReplicas", "oomKills"] {
            add(name, "type", ["1.5", "\"1\"", "[1]"])
        }
        for name in ["applied", "done"] { add(name, "type", ["1", "\"true\"", "[]"]) }
        add("cpuLimit", "quantity", ["\"\"", "\"1 core\"", "\"-500m\"", "true", "1e300", "\"0m\""])
        add("memoryLimit", "quantity", ["\"12Zi\"", "\"Mi\"", "{}", "1e30", "\"1e400\""])
        add(
            "time", "time",
            ["0", "\"\"", "\"now\"", "\"2026-13-01T00:00:00Z\"", "\"2026-02-29T00:00:00Z\"", "\"2026-11-21 01:20:00\""])
        add("id", "id", ["1", "\"\"", "\"a b\"", "\"\\u00e9\"", "\"\(String(repeating: "x", count: 65))\""])
        return all
    }()

    @Test func thereAreEnoughWaysToBeWrong() { #expect(Self.wrong.count >= 40) }

    @Test(arguments: wrong) func refuses(_ wrong: Wrong) throws {
        let request = try withJSON("{\"replicas\": 3, \(wrong.member)}") { ObservationCodec.decode($0) }
        #expect(request.errors.map(\.pointer) == [wrong.pointer])
        #expect(request.errors.map(\.code) == [wrong.code])
        #expect(request.errors.first?.detail.isEmpty == false)
    }

    /// A metric that cannot be is a missing one: the observation is answered, and the warning names it.
    @Test(arguments: [
        "\"cpuUtilization\": -0.1", "\"cpuUtilization\": 35", "\"memoryUtilization\": \"NaN\"",
        "\"latencySeconds\": \"+Inf\"", "\"requestRate\": -1", "\"throughput\": 1e13", "\"sloPreservation\": 1.01",
        "\"throttledRatio\": \"-Inf\"", "\"oomKills\": -1", "\"readyReplicas\": 1e30", "\"reward\": 1e300",
        "\"cpuLimit\": 0", "\"memoryLimit\": -5", "\"memoryPeakUtilization\": 50",
    ])
    func takesWhatCannotBeForMissing(member: String) throws {
        let request = try withJSON("{\"replicas\": 3, \(member)}") { ObservationCodec.decode($0) }
        #expect(request.errors.isEmpty)
        let (observation, unreadable) = request.observation.readable()
        #expect(observation == Observation(replicas: 3))
        let name = String(member.split(separator: "\"")[0])
        #expect(unreadable.warnings.count == 1 && unreadable.warnings[0].contains(name))
    }

    @Test(arguments: [
        ("[]", "", "type"), ("3", "", "type"), ("null", "", "type"), ("{}", "/replicas", "required"),
        (#"{"replicas": -1}"#, "/replicas", "range"), (#"{"replicas": 2.5}"#, "/replicas", "type"),
        (#"{"replicas": 1000001}"#, "/replicas", "range"), (#"{"replicas": "3"}"#, "/replicas", "type"),
        (#"{"replicas": 9223372036854775808}"#, "/replicas", "type"),
        (#"{"replicas": 3, "replicas": 4}"#, "/replicas", "duplicate"),
        (#"{"replicas": 3, "done": true, "done": true}"#, "/done", "duplicate"),
    ])
    func refusesTheForm(text: String, pointer: String, code: String) throws {
        let request = try withJSON(text) { ObservationCodec.decode($0) }
        #expect(request.errors.contains { $0.pointer == pointer && $0.code == code }, "\(request.errors)")
    }

    @Test func collectsAllMistakesWithTheirPlaceInABatch() throws {
        let request = try withJSON(#"{"cpuUtilization": [], "latencySeconds": "x", "oomKills": 0.5}"#) {
            ObservationCodec.decode($0, at: "/7", batch: true)
        }
        #expect(
            Set(request.errors.map(\.pointer)) == [
                "/7/cpuUtilization", "/7/latencySeconds", "/7/oomKills", "/7/replicas",
            ])
    }

    /// JSON does not limit integers; only those that are used must fit.
    @Test func integersMayBeLarge() throws {
        let text =
            #"{"replicas": 3, "x": -15393315287885755849900032, "requestRate": 18446744073709551616e-9, "y": [9223372036854775808, "12345678901234567890123 \"4"]}"#
        let request = try withJSON(text) { ObservationCodec.decode($0) }
        #expect(request.errors.isEmpty && request.observation.requestRate == 18446744073.709551616)
        let huge = try withJSON(#"{"replicas": 99999999999999999999999}"#) { ObservationCodec.decode($0) }
        #expect(huge.errors.first?.detail == "A whole number is expected, not 1e+23.")
        for wrong in ["[00000000000000000000001]", "[1e99999999999999999999]", "[-]", "[12345678901234567890123.]"] {
            #expect(throws: JSONParser.ParseFailure.self) { try withJSON(wrong) { $0.count } }
        }
    }

    @Test func absentReplicasAreNotZero() throws {
        let request = try withJSON(#"{"replicas": null}"#) { ObservationCodec.decode($0) }
        #expect(request.errors.map(\.pointer) == ["/replicas"])
    }
}

// Wrong requests of every kind: each gets the status, the pointer and a message that a person can act on, and spoils
// nothing for the good request that follows.

import Foundation
import HTTPServer
import Testing

@testable import API

@Suite(.serialized) struct RestBadRequestTests {
    /// A request that must be refused.
    private struct Bad {
        var method: String
        var path: String
        var body: String?
        var status: Int
        /// The pointer of one of the errors; `nil` where the problem is not inside the request.
        var pointer: String?
        /// What the message must say, in any order.
        var words: [String]
        var headers: [(String, String)] = []
    }

    private static let app = "/v1/applications/shop-web"

    /// Bodies sent to one route: the body, then the status, the pointer, and words of the message.
    private static func bodies(
        _ method: String, _ path: String, _ rows: [(body: String, status: Int, pointer: String, words: String)]
    ) -> [Bad] {
        rows.map {
            Bad(
                method: method, path: path, body: $0.body, status: $0.status, pointer: $0.pointer,
                words: $0.words.components(separatedBy: "|"))
        }
    }

    private static let documents = ["/decisions", "/decisions?dryRun=true", "/transitions"].flatMap { route in
        bodies(
            "POST", app + route,
            [
                ("", 400, "", "empty|JSON"), ("{", 400, "", "not JSON"), ("[]", 400, "", "an object|an array"),
                ("7", 400, "", "an object|7"), ("null", 400, "", "an object|null"),
                ("{\"replicas\": 3,}", 400, "", "not JSON"),
                ("{'replicas': 3}", 400, "", "not JSON"), ("{\"replicas\": 03}", 400, "", "not JSON"),
                ("{\"replicas\": NaN}", 400, "", "not JSON"), ("{\"replicas\": 3} {}", 400, "", "not JSON"),
                (String(repeating: "[", count: 40) + String(repeating: "]", count: 40), 400, "", "not JSON|deep"),
                ("{\"a\": \"\u{1}\"}", 400, "", "not JSON"), ("{\"a\": 1e999}", 400, "", "not JSON"),
            ])
    }

    private static let observations = bodies(
        "POST", app + "/decisions",
        [
            ("{}", 400, "/replicas", "replicas|needed"), (#"{"replicas": null}"#, 400, "/replicas", "needed"),
            (#"{"replicas": "3"}"#, 400, "/replicas", "whole number|\"3\""),
            (#"{"replicas": 2.5}"#, 400, "/replicas", "whole number|2.5"),
            (#"{"replicas": true}"#, 400, "/replicas", "true"),
            (#"{"replicas": -1}"#, 422, "/replicas", "-1|0 to 1000000"),
            (#"{"replicas": 1000001}"#, 422, "/replicas", "1000001|1000000"),
            (#"{"replicas": 99999999999999999999999}"#, 400, "/replicas", "whole number"),
            (#"{"replicas": 3, "replicas": 4}"#, 400, "/replicas", "more than once"),
            (#"{"replicas": 3, "cpuLimit": "512x"}"#, 422, "/cpuLimit", "512x|500m"),
            (#"{"replicas": 3, "cpuLimit": "-1"}"#, 422, "/cpuLimit", "positive|-1"),
            (#"{"replicas": 3, "cpuLimit": []}"#, 422, "/cpuLimit", "an array|500m"),
            (#"{"replicas": 3, "cpuLimit": "1e400"}"#, 422, "/cpuLimit", "1e400"),
            (#"{"replicas": 3, "memoryLimit": "512MB"}"#, 422, "/memoryLimit", "512MB|512Mi"),
            (#"{"replicas": 3, "memoryLimit": 1e300}"#, 422, "/memoryLimit", "512Mi"),
            (#"{"replicas": 3, "cpuUtilization": "80%"}"#, 400, "/cpuUtilization", "number|80%"),
            (#"{"replicas": 3, "memoryUtilization": {}}"#, 400, "/memoryUtilization", "number|an object"),
            (#"{"replicas": 3, "ioUtilization": false}"#, 400, "/ioUtilization", "false"),
            (#"{"replicas": 3, "throughput": "x"}"#, 400, "/throughput", "number"),
            (#"{"replicas": 3, "readyReplicas": 1.5}"#, 400, "/readyReplicas", "whole number"),
            (#"{"replicas": 3, "applied": "yes"}"#, 400, "/applied", "true or false|yes"),
            (#"{"replicas": 3, "done": 1}"#, 400, "/done", "true or false|1"),
            (#"{"replicas": 3, "time": "yesterday"}"#, 422, "/time", "yesterday|RFC 3339"),
            (#"{"replicas": 3, "time": 1700000000}"#, 422, "/time", "1700000000|RFC 3339"),
            (#"{"replicas": 3, "time": "2026-02-30T00:00:00Z"}"#, 422, "/time", "2026-02-30"),
            (#"{"replicas": 3, "id": ""}"#, 422, "/id", "1 to 64"),
            (#"{"replicas": 3, "id": "a b"}"#, 422, "/id", "without spaces"),
            (#"{"replicas": 3, "id": 7}"#, 422, "/id", "1 to 64"),
            (
                #"{"cpuUtilization": "x", "memoryUtilization": [], "id": ""}"#, 400, "/memoryUtilization",
                "4 things|/cpuUtilization"
            ),
        ])

    private static let profiles = bodies(
        "PUT", app,
        [
            ("[]", 400, "", "object|an array"), (#"{"replcas": {}}"#, 422, "/replcas", "no member|replicas"),
            (#"{"replicas": 3}"#, 400, "/replicas", "object|3"),
            (#"{"replicas": {"mxa": 3}}"#, 422, "/replicas/mxa", "max"),
            (#"{"replicas": {"min": 0}}"#, 422, "/replicas/min", "0|1 to 100000"),
            (#"{"replicas": {"min": 5, "max": 3}}"#, 422, "/replicas/max", "3|below|5"),
            (#"{"cpu": {"min": "2", "max": "1"}}"#, 422, "/cpu/max", "below"),
            (#"{"cpu": {"step": "0"}}"#, 422, "/cpu/step", "positive"),
            (#"{"memory": {"min": "1Q"}}"#, 422, "/memory/min", "1Q|512Mi"),
            (#"{"memory": "1Gi"}"#, 400, "/memory", "object"),
            (#"{"slo": {"latencySeconds": 0}}"#, 422, "/slo/latencySeconds", "0.0001"),
            (#"{"slo": {"percentile": 101}}"#, 422, "/slo/percentile", "101|100"),
            (#"{"slo": {"latencySeconds": 1, "throughputPerSecond": 5}}"#, 422, "/slo/throughputPerSecond", "not both"),
            (#"{"slo": {"p99": 1}}"#, 422, "/slo/p99", "latencySeconds"), (#"{"slo": 0.5}"#, 400, "/slo", "object"),
            (#"{"reward": {"alpha": 1.5}}"#, 422, "/reward/alpha", "1.5|0 to 1"),
            (#"{"reward": {"oom": -1}}"#, 422, "/reward/oom", "-1"),
            (#"{"resize": "hot"}"#, 422, "/resize", "hot|inPlace"),
            (#"{"algorithm": "sac"}"#, 422, "/algorithm", "sac|ppo|rules"),
            (#"{"algorithm": 1}"#, 422, "/algorithm", "1|ppo"),
            (#"{"episodeSteps": 1}"#, 422, "/episodeSteps", "1|2 to 10000"),
            (#"{"stepSeconds": 0}"#, 422, "/stepSeconds", "0"),
            (#"{"bootstrap": "true"}"#, 400, "/bootstrap", "true or false"),
            (#"{"meta": 0}"#, 400, "/meta", "true or false|0"),
            (#"{"thresholds": {"window": 1}}"#, 422, "/thresholds/window", "2 to 1000"),
            (#"{"thresholds": {"online": 2}}"#, 422, "/thresholds/online", "2|0 to 1"),
            (#"{"actuation": "manual"}"#, 422, "/actuation", "manual|approve"),
            (#"{"guards": {"maxStepUp": 0}}"#, 422, "/guards/maxStepUp", "0"),
            (#"{"guards": {"reversalsPerHour": 0}}"#, 422, "/guards/reversalsPerHour", "0"),
            (#"{"fallback": {"cpuTarget": 0}}"#, 422, "/fallback/cpuTarget", "0.01"),
            (#"{"fallback": {"memoryMargin": "15%"}}"#, 400, "/fallback/memoryMargin", "number|15%"),
            (#"{"containers": []}"#, 400, "/containers", "1 to 64"),
            (#"{"containers": "web"}"#, 400, "/containers", "list"),
            (#"{"containers": [1]}"#, 400, "/containers", "names"),
        ])

    private static let acts =
        bodies(
            "PUT", app + "/pin",
            [
                ("{}", 400, "/replicas", "replicas|for example"),
                (#"{"replicas": 0}"#, 422, "/replicas", "0|1 to 100000"),
                (#"{"replicas": 500, "reason": "x"}"#, 422, "/replicas", "profile|1 to 20"),
                (#"{"replicas": 3, "cpu": "64", "reason": "x"}"#, 422, "/cpu", "profile"),
                (#"{"replicas": 3, "memory": "1Ti", "reason": "x"}"#, 422, "/memory", "profile"),
                (#"{"replicas": 3, "seconds": 0}"#, 422, "/seconds", "0|31536000"),
                (#"{"replicas": 3, "seconds": 5, "until": "2099-01-01T00:00:00Z"}"#, 422, "/seconds", "not both"),
                (#"{"replicas": 3, "until": "2001-01-01T00:00:00Z", "reason": "x"}"#, 422, "/until", "before it begins"),
                (#"{"replicas": 3, "until": "tomorrow"}"#, 422, "/until", "tomorrow|RFC 3339"),
                (#"{"replicas": 3, "reason": 7}"#, 400, "/reason", "text|7"),
                ("{\"replicas\": 3, \"reason\": \"\(String(repeating: "x", count: 501))\"}", 422, "/reason", "500"),
                ("{\"replicas\": 3, \"actor\": \"\(String(repeating: "x", count: 101))\"}", 422, "/actor", "100"),
            ])
        + bodies(
            "PUT", app + "/mode",
            [
                ("{}", 400, "/mode", "running|pause|freezeDown"), (#"{"mode": "stop"}"#, 422, "/mode", "stop|pause"),
                (#"{"mode": 1}"#, 422, "/mode", "1|pause"), (#"{"mode": "pause", "why": "x"}"#, 422, "/why", "reason"),
            ])
        + bodies(
            "PUT", app + "/stage",
            [
                ("{}", 400, "/stage", "offline|online|serving"),
                (#"{"stage": "training"}"#, 422, "/stage", "training|offline"),
                (#"{"stage": "serving", "reason": "x"}"#, 409, "/stage", "no policy|offline"),
                (#"{"stage": "offline", "hold": "yes"}"#, 400, "/hold", "true or false"),
            ])
        + bodies(
            "POST", app + "/decisions/first/outcome",
            [
                ("{}", 400, "/applied", "applied|reward"), (#"{"reward": "good"}"#, 400, "/reward", "number|good"),
                (#"{"reward": 2000}"#, 422, "/reward", "2000"),
                (#"{"applied": "no"}"#, 400, "/applied", "true or false"),
                (#"{"applied": true, "x": 1}"#, 422, "/x", "applied"),
            ])
        + bodies("POST", app + "/retrain", [(#"{"force": true}"#, 422, "/force", "reason"), ("[]", 400, "", "object")])
        + bodies("POST", app + "/reset", [(#"{"reason": []}"#, 400, "/reason", "text")])
        + bodies("POST", app + "/episodes", [(#"{"steps": 5}"#, 422, "/steps", "no member")])
        + bodies("PUT", "/v1/killswitch", [(#"{"on": true}"#, 422, "/on", "reason"), ("7", 400, "", "object")])

    private static let several =
        bodies(
            "POST", "/v1/decisions",
            [
                ("{}", 400, "", "array|an object"), ("[]", 400, "", "1 to 1000|0 elements"), ("7", 400, "", "array|7"),
                ("[" + String(repeating: "1,", count: 1000) + "1]", 400, "", "1001 elements"),
            ])
        + bodies(
            "POST", "/v1/replays",
            [
                ("{}", 400, "/observations", "array|5000"),
                (#"{"observations": []}"#, 400, "/observations", "1 to 5000"),
                (#"{"observations": [{}]}"#, 400, "/observations/0/replicas", "needed"),
                (#"{"observations": [7]}"#, 400, "/observations/0", "object|7"),
                (#"{"observations": [{"replicas": 1}], "profile": {"x": 1}}"#, 422, "/profile/x", "no member"),
                (#"{"observations": [{"replicas": 1}], "application": 7}"#, 400, "/application", "text"),
            ])
        + bodies(
            "POST", app + "/transitions",
            [
                ("{}", 400, "/transitions", "array|2000"), (#"{"transitions": []}"#, 400, "/transitions", "1 to 2000"),
                (#"{"transitions": [7]}"#, 400, "/transitions/0", "object|7"),
                (#"{"transitions": [{}]}"#, 400, "/transitions/0/observation", "before"),
                (#"{"transitions": [{}]}"#, 400, "/transitions/0/next", "after"),
                (#"{"transitions": [{}]}"#, 400, "/transitions/0/desired", "replicas"),
                (
                    #"{"transitions": [{"observation": {"replicas": 1, "cpuLimit": 1, "memoryLimit": "1Gi"}, "next": {"replicas": 1}, "desired": {"replicas": 2}}]}"#,
                    400, "/transitions/0/observation/time", "names"
                ),
                (
                    #"{"transitions": [{"observation": {"replicas": 1, "time": "2026-01-01T00:00:00Z"}, "next": {"replicas": 1}, "desired": {"replicas": 2, "memory": 5}}]}"#,
                    400, "/transitions/0/desired/cpu", "cpuLimit"
                ),
                (
                    #"{"transitions": [{"observation": {"replicas": 1, "cpuLimit": 1, "memoryLimit": 9, "time": "2026-01-01T00:00:00Z"}, "next": {"replicas": 1, "time": "2025-01-01T00:00:00Z"}, "desired": {"replicas": 2}}]}"#,
                    422, "/transitions/0/next/time", "before it begins"
                ),
                (#"{"transitions": [{"reward": "x"}]}"#, 400, "/transitions/0/reward", "number"),
                (#"{"controller": 7, "transitions": []}"#, 400, "/controller", "text|7"),
            ])
        + bodies(
            "POST", "/v2/models/shop-web/infer",
            [
                ("{}", 400, "/inputs", "array"), (#"{"inputs": []}"#, 400, "/inputs", "replicas"),
                (#"{"inputs": [{"name": "replicas", "data": []}]}"#, 400, "/inputs/0/data", "one element"),
                (#"{"inputs": [{"name": "replicas", "data": [1, 2]}]}"#, 400, "/inputs/0/data", "one element"),
                (#"{"inputs": [{"name": "replicas", "data": ["x"]}]}"#, 400, "/inputs/0/data", "whole number"),
                (
                    #"{"inputs": [{"name": "replicas", "data": [1]}], "outputs": [{"name": "cpu"}]}"#, 422,
                    "/outputs/0/name", "cpuMillicores"
                ),
                (#"{"inputs": [{"name": "replicas", "data": [1]}], "id": "a b"}"#, 422, "/id", "without spaces"),
                (#"{"inputs": [{"name": "replicas", "data": [1]}], "outputs": 7}"#, 400, "/outputs", "array"),
                (#"{"inputs": [{"name": "replicas", "data": [1]}], "outputs": [{}]}"#, 400, "/outputs/0/name", "needed"),
                (#"{"inputs": [{"name": "replicas", "data": [null]}]}"#, 400, "/inputs", "replicas"),
                (#"{"inputs": [{"name": "replicas", "data": [1]}], "parameters": 7}"#, 400, "/parameters", "object|7"),
            ])
        + bodies(
            "PUT", app + "/models/2/weights",
            [
                ("{}", 400, "/shape", "sizes"), (#"{"shape": {}, "parameters": []}"#, 422, "/shape", "no network"),
                (#"{"shape": {"hidden": 3}, "parameters": []}"#, 400, "/shape/hidden", "list"),
                (#"{"shape": {"activation": "gelu"}, "parameters": []}"#, 422, "/shape/activation", "tanh"),
                (#"{"shape": {}, "parameters": ["x"]}"#, 400, "/parameters/0", "finite"),
                (#"{"shape": {"recurrentSize": 99999}, "parameters": []}"#, 422, "/shape/recurrentSize", "4096"),
            ])

    private static func get(_ path: String, _ status: Int, _ pointer: String?, _ words: String...) -> Bad {
        Bad(method: "GET", path: path, body: nil, status: status, pointer: pointer, words: words)
    }

    private static let queries = [
        get("/v1/applications?limit=0", 400, "/limit", "1 to 500"),
        get("/v1/applications?limit=501", 400, "/limit", "501"),
        get("/v1/applications?limit=x", 400, "/limit", "x"),
        get("/v1/applications?cursor=abc", 400, "/cursor", "nextCursor"),
        get("/v1/applications?cursor=-1", 400, "/cursor", "nextCursor"),
        get("/v1/applications?since=now", 400, "/since", "now", "RFC 3339"),
        get("/v1/applications?until=2026", 400, "/until", "2026"),
        get(app + "/decisions?limit=-5", 400, "/limit", "-5"),
        get(app + "/episodes?since=1700000000", 400, "/since", "RFC 3339"),
        get(app + "/models?cursor=%7E", 400, "/cursor", "nextCursor"),
        get("/v1/events?limit=1e3", 400, "/limit", "1e3"), get("/v1/audit?until=", 400, "/until", "RFC 3339"),
        get(app + "/rewards?points=1", 400, "/points", "2 to 5000"),
        get(app + "/rewards?points=many", 400, "/points", "whole number"),
        get(app + "/recommendation?format=xml", 400, "/format", "keda", "xml"),
        get(app + "/neighbours?limit=0", 400, "/limit", "1 to 500"),
        Bad(
            method: "POST", path: app + "/decisions?dryRun=1", body: #"{"replicas": 3}"#, status: 400,
            pointer: "/dryRun",
            words: ["true or false", "1"]),
        Bad(
            method: "POST", path: "/v1/decisions?dryRun=yes", body: "[]", status: 400, pointer: "/dryRun",
            words: ["true or false"]),
        Bad(
            method: "POST", path: "/v2/models/a/infer?dryRun=", body: "{}", status: 400, pointer: "/dryRun",
            words: ["true or false"]),
    ]

    private static let places =
        [
            ("GET", "/v1/applications/none"), ("DELETE", "/v1/applications/none"),
            ("GET", "/v1/applications/none/decisions"),
            ("GET", "/v1/applications/none/episodes"), ("GET", "/v1/applications/none/models"),
            ("GET", "/v1/applications/none/rewards"), ("GET", "/v1/applications/none/recommendation"),
            ("GET", "/v1/applications/none/control"), ("GET", "/v1/applications/none/embedding"),
            ("GET", "/v1/applications/none/neighbours"), ("POST", "/v1/applications/none/retrain?reason=x"),
            ("POST", "/v1/applications/none/approve?reason=x"), ("GET", "/v2/models/none"), ("GET", "/v2/models/none/ready"),
        ].map { method, path in
            Bad(
                method: method, path: path, body: nil, status: 404, pointer: nil,
                words: ["none", "PUT /v1/applications/none"])
        }
        + [
            get(app + "/decisions/nonsense", 404, nil, "nonsense", "shop-web"),
            get(app + "/decisions/01M7Y83AEV0000000000009999", 404, nil, "01M7Y83AEV0000000000009999"),
            get(app + "/models/77", 404, nil, "77"), get(app + "/models/x/weights", 404, nil, "x"),
            get(app + "/embedding", 404, nil, "embedding"), get("/v1/nothing", 404, nil, "/v1/nothing"),
            get("/v1/applications/", 404, nil, "/v1/applications/"), get("/v1//applications", 404, nil, "applications"),
            Bad(
                method: "POST", path: app + "/episodes/9/end", body: "{}", status: 404, pointer: nil,
                words: ["9", "running"]),
            Bad(method: "POST", path: app + "/models/77/promote", body: #"{"reason": "x"}"#, status: 404, pointer: nil, words: ["77"]),
            Bad(
                method: "PUT", path: app + "/models/0/weights", body: "x", status: 404, pointer: nil,
                words: ["0", "whole number"],
                headers: [("Content-Type", "application/octet-stream")]),
            Bad(
                method: "POST", path: app + "/approve", body: #"{"reason": "x"}"#, status: 409, pointer: nil,
                words: ["auto", "approve"]),
            Bad(
                method: "PUT", path: "/v1/applications/Shop_Web", body: "{}", status: 422, pointer: "",
                words: ["Shop_Web", "lower-case"]),
            Bad(
                method: "POST", path: "/v1/applications/-a/decisions", body: #"{"replicas": 1}"#, status: 422,
                pointer: "",
                words: ["-a", "DNS-1123"]),
            Bad(
                method: "POST", path: "/v1/applications/a..b/decisions", body: #"{"replicas": 1}"#, status: 422,
                pointer: "",
                words: ["a..b"]),
            Bad(
                method: "PUT", path: "/v1/applications/" + String(repeating: "a", count: 254), body: "{}", status: 422,
                pointer: "", words: ["253"]),
        ]

    private static let protocols: [Bad] =
        [
            ("PATCH", "/v1/applications"), ("DELETE", "/v1/applications"), ("POST", app), ("PUT", app + "/decisions"),
            ("GET", app + "/pin"), ("DELETE", "/metrics"), ("TRACE", "/livez"), ("PUT", "/v1/decisions"),
        ].map { method, path in
            Bad(method: method, path: path, body: nil, status: 405, pointer: nil, words: ["takes only", "OPTIONS"])
        }
        + [
            Bad(
                method: "PUT", path: app, body: "{}", status: 412, pointer: nil, words: ["ETag"],
                headers: [("If-Match", "\"99\"")]),
            Bad(
                method: "PUT", path: "/v1/applications/new", body: "{}", status: 412, pointer: nil,
                words: ["no application", "If-Match"],
                headers: [("If-Match", "*")]),
            Bad(
                method: "POST", path: app + "/decisions", body: #"{"replicas": 1}"#, status: 415, pointer: nil,
                words: ["application/json"],
                headers: [("Content-Type", "text/plain")]),
            Bad(
                method: "POST", path: app + "/decisions", body: #"{"replicas": 1}"#, status: 403, pointer: nil,
                words: ["evil.example"],
                headers: [("Origin", "http://evil.example")]),
            Bad(
                method: "POST", path: app + "/decisions", body: #"{"replicas": 1}"#, status: 403, pointer: nil,
                words: ["other sites"],
                headers: [("Sec-Fetch-Site", "cross-site")]),
            Bad(
                method: "GET", path: app, body: nil, status: 403, pointer: nil, words: ["host", "evil.example"],
                headers: [("Host", "evil.example")]),
            Bad(
                method: "PUT", path: app + "/models/3/weights", body: "not weights", status: 422, pointer: "",
                words: ["weights"],
                headers: [("Content-Type", "application/octet-stream")]),
            Bad(
                method: "POST", path: app + "/decisions", body: #"{"replicas": 1}"#, status: 400,
                pointer: "/Idempotency-Key",
                words: ["1 to 255"], headers: [("Idempotency-Key", "\"")]),
            Bad(
                method: "POST", path: app + "/decisions", body: String(repeating: " ", count: (1 << 20) + 1),
                status: 413, pointer: nil,
                words: ["larger"]),
            get(app + "?x=%zz", 400, "", "percent"), get(app + "?x=%00", 400, "", "control"),
            get("/v1/applications/%FF", 400, "", "UTF-8"),
            Bad(
                method: "GET", path: "/v1/events", body: nil, status: 400, pointer: "/Last-Event-ID",
                words: ["whole number"],
                headers: [("Accept", "text/event-stream"), ("Last-Event-ID", "x")]),
        ]

    private static var all: [Bad] {
        documents + observations + profiles + acts + several + queries + places + protocols
    }

    @Test func eachIsRefusedInWordsAndHarmsNothing() async throws {
        try await withRest { server in
            try await server.send("PUT", Self.app, "{}")
            try await server.send("POST", Self.app + "/decisions", observation(extra: "\"id\": \"first\", "))
            let before = try await server.send("GET", Self.app)
            #expect(Self.all.count >= 150)
            for bad in Self.all {
                let name = "\(bad.method) \(bad.path.prefix(120)) \((bad.body ?? "").prefix(200)) \(bad.headers)"
                let answer = try await server.send(bad.method, bad.path, bad.body, headers: bad.headers)
                #expect(answer.status == bad.status, "\(name): \(answer.status) \(answer.text)")
                #expect(answer.headers["content-type"] == "application/problem+json", "\(name)")
                if let pointer = bad.pointer {
                    #expect(answer.errorPointers.contains(pointer), "\(name): \(answer.text)")
                }
                let details = ((answer["/errors"] as? [[String: Any]]) ?? []).compactMap { $0["detail"] as? String }
                let message = ([answer.string("/detail") ?? ""] + details).joined(separator: " ")
                for word in bad.words {
                    #expect(
                        message.lowercased().contains(word.lowercased()), "\(name): \"\(word)\" is not in: \(message)")
                }
                if ProcessInfo.processInfo.environment["AWARE_SHOW"] != nil {
                    print("\(answer.status) \(name)\n    \(message)")
                }
                let good = try await server.send("POST", Self.app + "/decisions?dryRun=true", observation())
                #expect(good.status == 200, "after \(name): \(good.text)")
            }
            let after = try await server.send("GET", Self.app)
            #expect(after.body == before.body, "none of them changed anything")
            let names = (try await server.send("GET", "/v1/applications")["/items"] as? [Any])?.count
            #expect(names == 1, "and none made an application")
        }
    }
}

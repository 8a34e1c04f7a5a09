// Human control through the API: what each demand does, which one wins, that it survives a restart, that it is logged.

import Foundation
import Service
import Testing

@Suite(.serialized) struct RestControlTests {
    private let path = "/v1/applications/shop"

    @discardableResult
    private func decide(_ server: RestServer, cpu: Double = 0.95, replicas: Int = 3) async throws -> RestAnswer {
        let answer = try await server.send("POST", path + "/decisions", observation(replicas: replicas, cpu: cpu))
        #expect(answer.status == 200, "\(answer.text)")
        return answer
    }

    @Test func aPinIsAnsweredUntilItIsRemoved() async throws {
        try await withRest { server in
            try await decide(server)
            let pin = try await server.send(
                "PUT", path + "/pin",
                #"{"replicas": 7, "cpu": "640m", "memory": "1Gi", "reason": "sale", "actor": "ann"}"#)
            #expect(pin.status == 200 && pin.integer("/pin/replicas") == 7, "\(pin.text)")
            var answer = try await decide(server)
            #expect(answer.integer("/desired/replicas") == 7 && answer.string("/desired/memory") == "1Gi")
            #expect(answer.string("/source") == "pin" && answer.string("/reason") == "Pinned")
            try await server.restart()
            answer = try await decide(server)
            #expect(answer.integer("/desired/replicas") == 7, "a pin survives a restart")
            let removed = try await server.send("DELETE", path + "/pin", #"{"reason": "a test"}"#)
            #expect(removed.status == 200 && removed["/pin"] is NSNull)
            answer = try await decide(server)
            #expect(answer.string("/source") != "pin")
            let audit = try await server.send("GET", "/v1/audit?application=shop")
            #expect(audit.string("/items/0/action") == "pin.remove")
            #expect(audit.string("/items/1/action") == "pin" && audit.string("/items/1/reason") == "sale")
            #expect(audit.string("/items/1/actor") == "ann (127.0.0.1)")
            #expect(audit.integer("/items/1/detail/desired/replicas") == 7)
        }
    }

    @Test func aPinEndsByItself() async throws {
        try await withRest({ $0.followsObservedTime = true }) { server in
            func at(_ seconds: Int) async throws -> RestAnswer {
                try await server.send(
                    "POST", path + "/decisions",
                    observation(extra: "\"time\": \"2026-11-21T00:\(seconds / 60 + 10):\(seconds % 60 + 10)Z\", "))
            }
            _ = try await at(0)
            #expect(try await server.send("PUT", path + "/pin", #"{"replicas": 9, "seconds": 60, "reason": "a test"}"#).status == 200)
            #expect(try await at(30).string("/source") == "pin")
            #expect(try await at(90).string("/source") != "pin")
            #expect(try await server.send("GET", path + "/control")["/pin"] is NSNull)
        }
    }

    @Test func aPinNamesWhatItCannotBe() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            var answer = try await server.send("PUT", path + "/pin", #"{"replicas": 3, "reason": "a test"}"#)
            #expect(answer.status == 422 && answer.errorPointers == ["/cpu", "/memory"])
            answer = try await server.send("PUT", path + "/pin", #"{"replicas": 21, "cpu": 1, "memory": "1Gi", "reason": "a test"}"#)
            #expect(answer.status == 422 && answer.errorPointers == ["/replicas"])
            answer = try await server.send(
                "PUT", path + "/pin", #"{"cpu": "-1", "memory": [], "seconds": 0, "until": "soon", "by": 1}"#)
            #expect(Set(answer.errorPointers) == ["/replicas", "/cpu", "/memory", "/seconds", "/until", "/by"])
            answer = try await server.send("PUT", "/v1/applications/none/pin", #"{"replicas": 3, "reason": "a test"}"#)
            #expect(answer.status == 404)
        }
    }

    @Test func pauseHoldsAndFreezeDownTakesNothingAway() async throws {
        try await withRest { server in
            try await server.send("PUT", path + "", "{}")
            try await server.send("PUT", path + "/mode", #"{"mode": "pause", "reason": "incident 7"}"#)
            var answer = try await decide(server, cpu: 1.5)
            #expect(answer.integer("/horizontal") == 0 && answer.string("/reason") == "Paused")
            #expect(answer.string("/source") == "hold")
            try await server.restart()
            #expect(try await decide(server, cpu: 1.5).string("/reason") == "Paused")
            try await server.send("PUT", path + "/mode", #"{"mode": "freezeDown", "reason": "a test"}"#)
            answer = try await decide(server, cpu: 0.01, replicas: 6)
            #expect((answer.integer("/horizontal") ?? -1) >= 0)
            answer = try await decide(server, cpu: 1.5, replicas: 6)
            #expect((answer.integer("/horizontal") ?? 0) > 0, "freezing down leaves the way up open")
            try await server.send("PUT", path + "/mode", #"{"mode": "running", "reason": "a test"}"#)
            #expect(try await server.send("GET", path + "/control").string("/mode") == "running")
            let wrong = try await server.send("PUT", path + "/mode", #"{"mode": "stop", "reason": "a test"}"#)
            #expect(wrong.status == 422 && wrong.errorPointers == ["/mode"])
        }
    }

    @Test func freezeUpGivesNothingMore() async throws {
        try await withRest { server in
            try await server.send("PUT", path, "{}")
            try await server.send("PUT", path + "/mode", #"{"mode": "freezeUp", "reason": "quota"}"#)
            try await server.restart()
            let answer = try await decide(server, cpu: 1.4, replicas: 6)
            #expect(answer.integer("/desired/replicas") == 6)
            #expect(answer.text.contains("scaling up is frozen"))
        }
    }

    /// Whoever reads the audit log was not there.
    @Test func everyActSaysWhy() async throws {
        try await withRest { server in
            try await decide(server)
            for (method, route, body) in [
                ("PUT", "/pin", #"{"replicas": 3, "cpu": 1, "memory": "1Gi"}"#), ("DELETE", "/pin", "{}"),
                ("PUT", "/mode", #"{"mode": "pause"}"#), ("PUT", "/stage", #"{"stage": "offline"}"#),
                ("POST", "/retrain", "{}"), ("POST", "/reset", #"{"reason": "  "}"#), ("POST", "/approve", "{}"),
                ("DELETE", "/calibration", "{}"), ("POST", "/models/1/promote", "{}"),
            ] {
                let answer = try await server.send(method, path + route, body)
                #expect(answer.status == 422 && answer.errorPointers == ["/reason"], "\(route): \(answer.text)")
            }
            #expect(try await server.send("PUT", "/v1/killswitch", "{}").status == 422)
            #expect(try await server.send("GET", "/v1/audit").text.contains("pin") == false)
            // Where a body is awkward the query says it.
            #expect(try await server.send("DELETE", path + "/pin?reason=sale+is+over").status == 200)
            let pinned = try await server.send("PUT", path + "/pin", #"{"replicas": 3, "reason": "launch"}"#)
            #expect(pinned.boolean("/pin/isPermanent") == true, "a pin without an end is marked")
        }
    }

    /// Strongest last: kill switch, pin, pause, freeze-down, limits.
    @Test func theStrongerDemandWins() async throws {
        try await withRest { server in
            try await decide(server)
            try await server.send("PUT", "/v1/killswitch", #"{"reason": "drill"}"#)
            #expect(try await decide(server).string("/source") == "rules")
            try await server.send("PUT", path + "/pin", #"{"replicas": 2, "reason": "a test"}"#)
            #expect(try await decide(server).string("/source") == "pin", "a pin beats the kill switch")
            try await server.send("PUT", path + "/mode", #"{"mode": "pause", "reason": "a test"}"#)
            var answer = try await decide(server, replicas: 5)
            #expect(answer.integer("/desired/replicas") == 5, "a pause beats a pin")
            try await server.send("PUT", path + "/mode", #"{"mode": "freezeDown", "reason": "a test"}"#)
            answer = try await decide(server, replicas: 5)
            #expect(answer.integer("/desired/replicas") == 5, "freeze-down beats a pin that is lower")
            try await server.send("PUT", path, #"{"replicas": {"min": 1, "max": 4}}"#)
            answer = try await decide(server, replicas: 5)
            #expect(answer.integer("/desired/replicas") == 4, "nothing beats the limits")
        }
    }

    @Test func theKillSwitchSurvivesAndCoversNewApplications() async throws {
        try await withRest { server in
            let on = try await server.send("PUT", "/v1/killswitch", #"{"reason": "bad release", "actor": "bob"}"#)
            #expect(on.boolean("/on") == true)
            try await server.restart()
            let state = try await server.send("GET", "/v1/killswitch")
            #expect(state.boolean("/on") == true && state.string("/reason") == "bad release")
            try await decide(server)
            #expect(try await server.send("GET", path + "/control").boolean("/killSwitch") == true)
            #expect(try await server.send("DELETE", "/v1/killswitch", #"{"reason": "a test"}"#).boolean("/on") == false)
            #expect(try await server.send("GET", path + "/control").boolean("/killSwitch") == false)
            let audit = try await server.send("GET", "/v1/audit")
            #expect(audit.string("/items/0/action") == "killSwitch.off")
            #expect(audit.string("/items/1/actor") == "bob (127.0.0.1)")
        }
    }

    @Test func stagesAndRetrainingGoThroughTheTrainer() async throws {
        try await withRest { server in
            try await decide(server)
            var answer = try await server.send("PUT", path + "/stage", #"{"stage": "serving", "reason": "a test"}"#)
            #expect(answer.status == 409, "there is no policy yet: \(answer.text)")
            answer = try await server.send("PUT", path + "/stage", #"{"stage": "offline", "reason": "start"}"#)
            #expect(answer.status == 200 && answer.string("/stage") == "offline", "\(answer.text)")
            answer = try await server.send("POST", path + "/retrain", #"{"reason": "a test"}"#)
            #expect(answer.status == 200, "\(answer.text)")
            answer = try await server.send("POST", path + "/reset", #"{"reason": "again"}"#)
            #expect(answer.status == 200 && answer.integer("/modelVersion") == 0, "\(answer.text)")
            answer = try await server.send("DELETE", path + "/calibration", #"{"reason": "a test"}"#)
            #expect(answer.status == 409 && answer.text.contains("not calibrated"), "\(answer.text)")
            #expect(try await server.send("POST", path + "/models/1/promote", #"{"reason": "a test"}"#).status == 404)
            #expect(try await server.send("POST", path + "/models/x/promote", #"{"reason": "a test"}"#).status == 404)
            let audit = try await server.send("GET", "/v1/audit?kind=reset")
            #expect(audit.string("/items/0/reason") == "again")
        }
    }

    @Test func eventsAreListedAndStreamed() async throws {
        try await withRest { server in
            try await decide(server)
            try await server.send("PUT", path + "/mode", #"{"mode": "pause", "reason": "first"}"#)
            try await server.send("PUT", path + "/mode", #"{"mode": "running", "reason": "second"}"#)
            let list = try await server.send("GET", "/v1/events?application=shop&kind=control&limit=1")
            #expect(list.string("/items/0/reason") == "second" && list.string("/nextCursor") != nil)
            let id = try #require(list.integer("/items/0/id"))
            let request =
                "GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nLast-Event-ID: \(id - 1)\r\n\r\n"
            let port = server.port
            async let streamed = RestServer.exchange(port, Array(request.utf8)) {
                String(decoding: $0, as: UTF8.self).contains("third")
            }
            try await Task.sleep(for: .milliseconds(100))
            try await server.send("PUT", path + "/mode", #"{"mode": "pause", "reason": "third"}"#)
            let text = String(decoding: try await streamed, as: UTF8.self)
            #expect(text.contains("text/event-stream") && text.contains("event: control"))
            #expect(text.contains("second") && !text.contains("first"), "a listener gets what it missed: \(text)")
            #expect(try await server.send("GET", "/v1/events?limit=0").status == 400)
        }
    }
}

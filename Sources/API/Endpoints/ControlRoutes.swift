// What operators demand of an application: pin, mode, stage, retrain, reset, promote; and of all of them: the kill switch.

import Agents
import Base
import HTTPServer
import Operations
import Scaling

enum ControlRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.put, "/v1/applications/{app}/pin") { request, response in putPin(api, request, &response) }
        router.add(.delete, "/v1/applications/{app}/pin") { request, response in
            act(api, request, &response, "pin.remove", read: { _ in }) { agent, action, _ in
                try api.controls.change(agent, audit: action.entry()) { $0.pin = nil }
                return try describe(agent, api)
            }
        }
        router.add(.put, "/v1/applications/{app}/mode") { request, response in
            act(api, request, &response, "mode", read: readMode) { agent, action, mode in
                try api.controls.change(agent, audit: action.entry(#"{"mode":"\#(mode.rawValue)"}"#)) {
                    $0.mode = mode
                    $0.modeReason = action.reason
                }
                return try describe(agent, api)
            }
        }
        router.add(.get, "/v1/applications/{app}/control") { request, _ in
            let name = request.parameter(0)
            return api.polled(request) { try describe(try api.agent(named: name), api) }
        }
        registerKillSwitch(on: &router, api)
    }

    private static func readMode(_ reader: inout ObjectReader) -> StoredControl.Mode {
        let mode = reader.choice("mode", StoredControl.Mode.self)
        if mode == nil, reader.errors.isEmpty {
            reader.complain("mode", "required", "Give \"mode\": \"running\", \"pause\", \"freezeDown\" or \"freezeUp\".")
        }
        return mode ?? .running
    }

    // MARK: Pin

    private static func putPin(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> HandlerResult {
        act(api, request, &response, "pin", read: { PinRequest(&$0) }) { agent, action, wanted in
            try api.controls.pin(wanted, agent, by: action)
            return try describe(agent, api)
        }
    }

    // MARK: Kill switch

    private static func registerKillSwitch(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/killswitch") { _, response in
            response.contentType = .json
            response.body(killSwitch(api).body)
            return .respond
        }
        router.add(.put, "/v1/killswitch") { request, response in
            act(api, request, &response, "killSwitch.on") { action in
                try api.controls.set(
                    StoredHold(reason: action.reason, operatorName: action.operatorName, created: action.time),
                    audit: action.entry())
                return killSwitch(api)
            }
        }
        router.add(.delete, "/v1/killswitch") { request, response in
            act(api, request, &response, "killSwitch.off") { action in
                try api.controls.set(nil, audit: action.entry())
                return killSwitch(api)
            }
        }
    }

    private static func killSwitch(_ api: APIContext) -> ResponseBytes {
        let state = api.controls.killSwitch
        var json = JSONWriter()
        json.object { json in
            json.member("on", state != nil)
            json.member("reason", state?.reason)
            json.member("actor", state?.operatorName)
            json.member("since", state.map { Timestamp.text($0.created) })
        }
        return ResponseBytes(body: json.bytes)
    }

    // MARK: Answer

    /// What is demanded of an application now.
    static func describe(_ agent: Agent, _ api: APIContext) throws -> ResponseBytes {
        let overrides = try StatusCodec.overrides(of: agent, api)
        let control = api.controls.control(of: agent)
        var json = JSONWriter()
        json.object { json in
            json.member("application", agent.name)
            json.member("mode", control.mode.rawValue)
            json.member("modeReason", control.modeReason)
            if let pin = api.controls.pin(of: agent) {
                json.object("pin") { json in
                    DecisionCodec.allocation(pin.allocation, &json)
                    json.member("until", pin.until.map(Timestamp.text))
                    json.member("isPermanent", pin.until == nil)
                    json.member("reason", pin.reason)
                    json.member("actor", pin.operatorName)
                    json.member("since", Timestamp.text(pin.created))
                }
            } else {
                json.null("pin")
            }
            if let approved = control.approved {
                json.object("approved") { DecisionCodec.allocation(approved, &$0) }
            } else {
                json.null("approved")
            }
            json.member("killSwitch", api.controls.killSwitch != nil)
            json.member("sealed", agent.isSealed)
            json.array("overrides") { json in StatusCodec.write(overrides, to: &json) }
        }
        return ResponseBytes(body: json.bytes)
    }
}

extension PinRequest {
    /// Reads the body of a pin, and complains of what is wrong with it.
    init(_ reader: inout ObjectReader) {
        let replicas = reader.integer("replicas", in: 1...100_000)
        if replicas == nil, !reader.errors.contains(where: { $0.pointer == "/replicas" }) {
            reader.complain(
                "replicas", "required", "Give the number of replicas to answer, for example \"replicas\": 6.")
        }
        self.init(
            replicas: replicas ?? 1, cpuMillicores: reader.quantity("cpu", "\"640m\" or 0.64 cores", ProfileCodec.cpu),
            memoryBytes: reader.quantity("memory", "\"512Mi\" or bytes", ProfileCodec.memory),
            until: reader.time("until"), seconds: reader.number("seconds", in: 1...31_536_000))
        if seconds != nil, until != nil {
            reader.complain("seconds", "conflict", "Give until or seconds, not both.")
        }
    }
}

// What people demand of an application: pin, mode, stage, retrain, reset, promote; and of all of them: the kill switch.

import Agents
import HTTPServer
import Scaling
import Store

enum ControlRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.put, "/v1/applications/{app}/pin") { request, response in putPin(api, request, &response) }
        router.add(.delete, "/v1/applications/{app}/pin") { request, response in
            act(api, request, &response, "pin.remove", read: { _ in }) { agent, order, _ in
                try api.controls.change(agent, audit: order.entry()) { $0.pin = nil }
                return describe(agent, api)
            }
        }
        router.add(.put, "/v1/applications/{app}/mode") { request, response in
            act(api, request, &response, "mode", read: readMode) { agent, order, mode in
                try api.controls.change(agent, audit: order.entry(#"{"mode":"\#(mode.rawValue)"}"#)) {
                    $0.mode = mode
                    $0.modeReason = order.reason
                }
                return describe(agent, api)
            }
        }
        router.add(.get, "/v1/applications/{app}/control") { request, _ in
            let name = request.parameter(0)
            return api.polled(request) { describe(try api.agent(named: name), api) }
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

    private static func putPin(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> Outcome {
        act(api, request, &response, "pin", read: { PinRequest(&$0) }) { agent, order, wanted in
            let pin = try wanted.pin(for: agent, at: order.time, by: order)
            let detail =
                "{\"desired\":\(allocationJSON(pin.allocation))"
                + (pin.until.map { ",\"until\":\"\(Timestamp.text($0))\"" } ?? "") + "}"
            try api.controls.change(agent, audit: order.entry(detail)) { $0.pin = pin }
            return describe(agent, api)
        }
    }

    private static func allocationJSON(_ allocation: Allocation) -> String {
        var json = JSONWriter()
        json.object { DecisionCodec.allocation(allocation, &$0) }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    // MARK: Kill switch

    private static func registerKillSwitch(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/killswitch") { _, response in
            response.contentType = .json
            response.body(killSwitch(api).body)
            return .respond
        }
        router.add(.put, "/v1/killswitch") { request, response in
            act(api, request, &response, "killSwitch.on") { order in
                try api.controls.set(
                    StoredKillSwitch(reason: order.reason, actor: order.actor, created: order.time),
                    audit: order.entry())
                return killSwitch(api)
            }
        }
        router.add(.delete, "/v1/killswitch") { request, response in
            act(api, request, &response, "killSwitch.off") { order in
                try api.controls.set(nil, audit: order.entry())
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
            json.member("actor", state?.actor)
            json.member("since", state.map { Timestamp.text($0.created) })
        }
        return ResponseBytes(body: json.bytes)
    }

    // MARK: Answer

    /// What is demanded of an application now.
    static func describe(_ agent: Agent, _ api: APIContext) -> ResponseBytes {
        let control = api.controls.control(of: agent)
        let now = api.now(nil)
        var json = JSONWriter()
        json.object { json in
            json.member("application", agent.name)
            json.member("mode", control.mode.rawValue)
            json.member("modeReason", control.modeReason)
            if let pin = control.pin, now < pin.until ?? .infinity {
                json.object("pin") { json in
                    DecisionCodec.allocation(pin.allocation, &json)
                    json.member("until", pin.until.map(Timestamp.text))
                    json.member("isPermanent", pin.until == nil)
                    json.member("reason", pin.reason)
                    json.member("actor", pin.actor)
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
        }
        return ResponseBytes(body: json.bytes)
    }
}

/// The body of a pin: an allocation, of which only the replicas must be given, and an end.
private struct PinRequest {
    var replicas = 0
    var cpu: Int?
    var memory: Int?
    var until: Double?
    var seconds: Double?

    init(_ reader: inout ObjectReader) {
        if let count = reader.integer("replicas", in: 1...100_000) {
            replicas = count
        } else if !reader.errors.contains(where: { $0.pointer == "/replicas" }) {
            reader.complain(
                "replicas", "required", "Give the number of replicas to answer, for example \"replicas\": 6.")
        }
        cpu = reader.quantity("cpu", "\"640m\" or 0.64 cores", ProfileCodec.cpu)
        memory = reader.quantity("memory", "\"512Mi\" or bytes", ProfileCodec.memory)
        seconds = reader.number("seconds", in: 1...31_536_000)
        until = reader.time("until")
        if seconds != nil, until != nil {
            reader.complain("seconds", "conflict", "Give until or seconds, not both.")
        }
    }

    /// The pin; what it leaves open stays as it was decided last.
    func pin(for agent: Agent, at now: Double, by order: PersonalOrder) throws -> StoredControl.Pin {
        let profile = agent.profile
        let last = agent.status(nil).allocation
        var errors: [ProblemItem] = []
        func complete(_ key: String, _ given: Int?, _ previous: Int?) -> Int {
            if let amount = given ?? previous { return amount }
            errors.append(
                ProblemItem(
                    pointer: "/\(key)", code: "required",
                    detail: "There is no decision yet that could tell \(key): give it in the pin."))
            return 1
        }
        let allocation = Allocation(
            replicas: replicas, cpuMillicores: complete("cpu", cpu, last?.cpuMillicores),
            memoryBytes: complete("memory", memory, last?.memoryBytes))
        let end = until ?? seconds.map { now + $0 }
        if let end, end <= now {
            errors.append(ProblemItem(pointer: "/until", code: "past", detail: "The pin would end before it begins."))
        }
        let clamped = profile.clamp(allocation)
        for (key, isInside, limits) in [
            ("replicas", clamped.replicas == allocation.replicas, "\(profile.minReplicas) to \(profile.maxReplicas)"),
            (
                "cpu", clamped.cpuMillicores == allocation.cpuMillicores,
                "\(Quantity.text(millicores: profile.cpu.min)) to \(Quantity.text(millicores: profile.cpu.max))"
            ),
            (
                "memory", clamped.memoryBytes == allocation.memoryBytes,
                "\(Quantity.text(bytes: profile.memory.min)) to \(Quantity.text(bytes: profile.memory.max))"
            ),
        ] where !isInside && errors.isEmpty {
            errors.append(
                ProblemItem(
                    pointer: "/\(key)", code: "range",
                    detail: "The profile allows \(limits): no answer leaves its limits, not even a pin."))
        }
        guard errors.isEmpty else {
            throw Refusal(.unprocessableContent, DecideRoute.detail(of: errors), errors: errors)
        }
        return StoredControl.Pin(
            allocation: allocation, until: end, reason: order.reason, actor: order.actor, created: now)
    }
}

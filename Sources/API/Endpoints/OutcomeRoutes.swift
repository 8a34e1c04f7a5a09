// What is told of a decision after it: its outcome, and a person's approval.

import Agents
import HTTPServer
import Scaling
import Store

enum OutcomeRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(
            .post, "/v1/applications/{app}/decisions/{id}/outcome",
            IdempotencyDesk.once(api) { request, response in
                let (name, id) = (request.parameter(0), request.parameter(1))
                guard let outcome = read(api, request, &response) else { return .respond }
                let now = api.now(nil)
                return api.later(request) { try note(outcome, of: id, name, at: now, api) }
            })
        router.add(
            .post, "/v1/applications/{app}/approve",
            IdempotencyDesk.once(api) { request, response in
                ControlRoutes.act(api, request, &response, "approve", read: { $0.text("id", max: 64) }) {
                    agent, order, id in
                    try approve(agent, id, order, api)
                }
            })
    }

    private static func read(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> DecisionOutcome? {
        do {
            var reader = ObjectReader(try api.loops[request.loop].parser.parse(padded: request.body), at: "")
            let applied = reader.boolean("applied")
            let reward = reader.number("reward", in: -1000...1000)
            if applied == nil, reward == nil, reader.errors.isEmpty {
                reader.complain("applied", "required", "Give \"applied\", \"reward\", or both.")
            }
            reader.finish()
            if reader.errors.isEmpty { return DecisionOutcome(applied: applied ?? true, reward: reward) }
            DecideRoute.refuse(reader.errors, &response)
        } catch {
            Refusal(error).write(to: response)
        }
        return nil
    }

    /// Stores an outcome once. The next observation takes it in; one that comes after it still counts for training.
    private static func note(
        _ outcome: DecisionOutcome, of id: String, _ name: String, at time: Double, _ api: APIContext
    ) throws -> ResponseBytes {
        let agent = try api.agent(named: name)
        guard let seq = agent.seq(ofClientID: id) ?? DecisionID.seq(of: id),
            let decision = try api.database.decision(seq: seq, of: agent.id)
        else { throw Refusal(.notFound, "\(name) has no decision with the id \"\(id.prefix(64))\".") }
        let (stored, correction) = try api.database.insert(outcome, of: seq, application: agent.id, at: time)
        if let correction { api.trainer.carryOut(.correct(correction), for: agent, at: time) { _ in } }
        guard stored == outcome else {
            throw Refusal(
                .conflict,
                "Another outcome of this decision is known: applied \(stored.applied), reward \(stored.reward.map { "\($0)" } ?? "none")."
            )
        }
        let isLate = !agent.note(outcome, of: seq)
        var json = JSONWriter()
        json.object { json in
            json.member("id", DecisionID.text(time: decision.time, seq: seq))
            json.member("applied", stored.applied)
            json.member("reward", stored.reward)
            json.member("late", isLate)
        }
        return ResponseBytes(body: json.bytes)
    }

    /// Lets the waiting decision be carried out: it is what is answered until another one is approved.
    private static func approve(
        _ agent: Agent, _ id: String?, _ order: PersonalOrder, _ api: APIContext
    ) throws -> ResponseBytes {
        guard agent.profile.actuation == .approve else {
            throw Refusal(
                .conflict, "The profile's actuation is \(agent.profile.actuation.rawValue), not approve: nothing waits for approval."
            )
        }
        let seq = agent.status(nil).lastSeq
        guard let decision = try api.database.decision(seq: seq), let wanted = decision.waiting else {
            throw Refusal(.conflict, "No decision of \(agent.name) waits for approval.")
        }
        let current = DecisionID.text(time: decision.time, seq: seq)
        guard id == nil || id == current || id == decision.clientID else {
            throw Refusal(.conflict, "The decision \(id ?? "") is not the last one any more: \(current) is.")
        }
        try api.controls.change(agent, audit: order.entry("{\"id\":\"\(current)\"}")) { $0.approved = wanted }
        var json = JSONWriter()
        json.object { json in
            json.member("application", agent.name)
            json.member("id", current)
            json.object("desired") { DecisionCodec.allocation(wanted, &$0) }
        }
        return ResponseBytes(body: json.bytes)
    }
}

extension Decision {
    /// What would have been answered without the need for approval; `nil` when nothing waits.
    var waiting: Allocation? {
        let held = guards.filter { $0.rule == .approval }
        guard !held.isEmpty else { return nil }
        var wanted = desired
        for record in held {
            switch record.field {
            case .replicas: wanted.replicas = record.before
            case .cpu: wanted.cpuMillicores = record.before
            case .memory: wanted.memoryBytes = record.before
            }
        }
        return wanted
    }
}

// What is told of a decision after it: its outcome, and an operator's approval.

import Agents
import HTTPServer
import Operations

enum OutcomeRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(
            .post, "/v1/applications/{app}/decisions/{id}/outcome",
            IdempotentRoute.once(api) { request, response in
                let (name, id) = (request.parameter(0), request.parameter(1))
                guard let feedback = read(api, request, &response) else { return .respond }
                let now = api.clock.now
                return api.later(request) {
                    let (decision, isLate) = try api.service.note(feedback, on: id, of: name, at: now)
                    return describe(feedback, on: try api.agent(named: name).id(of: decision), isLate: isLate)
                }
            })
        router.add(
            .post, "/v1/applications/{app}/approve",
            IdempotentRoute.once(api) { request, response in
                ControlRoutes.act(api, request, &response, "approve", read: { $0.text("id", max: 64) }) {
                    agent, action, id in
                    let (current, wanted) = try api.service.approve(agent, id, by: action)
                    var json = JSONWriter()
                    json.object { json in
                        json.member("application", agent.name)
                        json.member("id", current)
                        json.object("desired") { DecisionCodec.allocation(wanted, &$0) }
                    }
                    return ResponseBytes(body: json.bytes)
                }
            })
    }

    private static func read(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> DecisionFeedback? {
        do {
            var reader = ObjectReader(try api.loops[request.loop].parser.parse(padded: request.body), at: "")
            let applied = reader.boolean("applied")
            let reward = reader.number("reward", in: -1000...1000)
            if applied == nil, reward == nil, reader.errors.isEmpty {
                reader.complain("applied", "required", "Give \"applied\", \"reward\", or both.")
            }
            reader.finish()
            if reader.errors.isEmpty { return DecisionFeedback(applied: applied ?? true, reward: reward) }
            APIError(reader.errors).write(to: response)
        } catch {
            APIError(error).write(to: response)
        }
        return nil
    }

    private static func describe(_ feedback: DecisionFeedback, on id: String, isLate: Bool) -> ResponseBytes {
        var json = JSONWriter()
        json.object { json in
            json.member("id", id)
            json.member("applied", feedback.applied)
            json.member("reward", feedback.reward)
            json.member("late", isLate)
        }
        return ResponseBytes(body: json.bytes)
    }
}

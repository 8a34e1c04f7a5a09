// POST /v1/applications/{app}/decisions: an observation in, a decision out. The only route that must be fast.

import Agents
import Dispatch
import HTTPServer
import Scaling
import Store

enum DecideRoute {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.post, "/v1/applications/{app}/decisions") { request, response in
            guard request.headerBytes("idempotency-key") == nil else {
                return decideOnce(api, request, &response)
            }
            return decide(api, request, &response)
        }
    }

    private static func decide(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> Outcome {
        let loop = api.loops[request.loop]
        let isDryRun = request.query("dryRun", is: "true")
        if !isDryRun, !request.queryBytes.isEmpty {
            do throws(Refusal) {
                _ = try Self.isDryRun(request)
            } catch {
                error.write(to: response)
                return .respond
            }
        }
        let parsed: ObservationRequest
        do {
            parsed = ObservationCodec.decode(try loop.parser.parse(padded: request.body))
        } catch {
            Refusal(error).write(to: response)
            return .respond
        }
        guard parsed.errors.isEmpty else {
            refuse(parsed.errors, &response)
            return .respond
        }
        guard !api.recorder.isOverloaded || isDryRun else {
            response.addHeader("Retry-After", "1")
            response.problem(
                .serviceUnavailable, detail: "Too many decisions wait for the disk. Try again in a second.")
            return .respond
        }
        let name = request.parameter(0)
        guard let agent = api.registry[name] else {
            // The first observation of an unknown application creates it with the default profile.
            LaterDecision.decide(parsed, of: name, isDryRun: isDryRun, request.deferral(), api)
            return .deferred
        }
        let now = api.now(parsed.observation, of: agent)
        let result = agent.decide(
            parsed.observation, at: now, clientID: parsed.id, warnings: warnings(parsed.unknown), isDryRun: isDryRun,
            context: &loop.decisions, sequence: api.nextSeq)
        switch result {
        case .decided(let decision, let closed):
            write(decision, agent.name, loop, response)
            if isDryRun { return .respond }
            api.metrics.count(decision.guards)
            loop.pending.append(PendingDecision(decision, closed: closed))
            loop.agents.append(agent)
            loop.waiting.append(request.deferral())
            return .deferred
        case .repeated(let seq):
            let deferral = request.deferral()
            api.inBackground(deferral) { try LaterDecision.answer(seq, of: name, deferral, api) }
            return .deferred
        case .unavailable:
            return api.later(request) {
                _ = try api.agent(named: name)
                try api.directory.load(agent)
                throw Refusal(again(agent, parsed, api))
            }
        }
    }

    /// The same with an Idempotency-Key, away from the loop: whoever wants speed gives the observation an `id` instead.
    private static func decideOnce(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> Outcome {
        // A dry run has no effect that could happen twice.
        guard !request.query("dryRun", is: "true") else { return decide(api, request, &response) }
        return api.idempotency.carryOut(request, &response, api) { request, response in
            do throws(JSONParser.ParseFailure) {
                let parser = api.loops[request.loop].parser
                var parsed = ObservationCodec.decode(try parser.parse(padded: request.body))
                guard parsed.errors.isEmpty else {
                    refuse(parsed.errors, &response)
                    return .respond
                }
                parsed.id = parsed.id ?? IdempotencyDesk.decisionID(request, api)
                LaterDecision.decide(parsed, of: request.parameter(0), isDryRun: false, request.deferral(), api)
                return .deferred
            } catch {
                Refusal(error).write(to: response)
                return .respond
            }
        }
    }

    /// Hands the decisions of one drain to the recorder; their answers leave after that one commit.
    static func drained(_ index: Int, _ api: APIContext) {
        let loop = api.loops[index]
        guard !loop.pending.isEmpty else { return }
        let (pending, agents, waiting) = (loop.pending, loop.agents, loop.waiting)
        loop.pending.removeAll(keepingCapacity: true)
        loop.agents.removeAll(keepingCapacity: true)
        loop.waiting.removeAll(keepingCapacity: true)
        let begun = DecisionMetrics.now
        api.recorder.submit(pending) { error in
            if let error {
                for agent in agents { agent.invalidate() }
                api.server.complete(zip(waiting, pending).map { ($0, failure(error, advice: $1.rules)) })
                return
            }
            api.server.release(waiting)
            api.metrics.committed(pending.count, since: begun)
            for (entry, agent) in zip(pending, agents) { committed(entry, agent, api) }
        }
    }

    /// A finished episode is on disk: there is something to learn from.
    static func committed(_ pending: PendingDecision, _ agent: Agent, _ api: APIContext) {
        if pending.closed != nil { api.trainer.enqueue(agent) }
    }

    private static func write(_ decision: Decision, _ name: String, _ loop: LoopContext, _ response: borrowing Response)
    {
        loop.writer.reset()
        DecisionCodec.write(decision, application: name, to: &loop.writer)
        response.contentType = .json
        response.body { $0.append(loop.writer.written) }
    }

    /// A decision that cannot be kept is no decision; what the rules would say is advice for those who cannot wait.
    static func failure(_ error: any Error, advice rules: Allocation? = nil) -> ResponseBytes {
        advise(
            .problem(
                .serviceUnavailable, detail: "The decision could not be stored and is not valid: \(error)",
                headers: [("Retry-After", "1")]), rules)
    }

    /// After the state of an application was read again. To be called on the background queue.
    static func again(_ agent: Agent, _ parsed: ObservationRequest, _ api: APIContext) -> ResponseBytes {
        let result = agent.decide(
            parsed.observation, at: api.now(parsed.observation.time), clientID: nil, warnings: [], isDryRun: true,
            context: &api.backgroundLoop.decisions, sequence: { 0 })
        var rules: Allocation?
        if case .decided(let decision, _) = result { rules = decision.rules }
        return advise(
            .problem(
                .serviceUnavailable,
                detail:
                    "The application's state was read again after the database had refused a decision. Send it once more.",
                headers: [("Retry-After", "1")]), rules)
    }

    /// Adds the member `advice` to a problem.
    private static func advise(_ problem: ResponseBytes, _ rules: Allocation?) -> ResponseBytes {
        guard let rules, problem.body.last == UInt8(ascii: "}") else { return problem }
        var json = JSONWriter()
        json.object { json in
            json.object("advice") { json in
                json.member("source", "rules")
                DecisionCodec.allocation(rules, &json)
            }
        }
        var answer = problem
        // `{..., "advice": {...}}`: the problem without its end, then the member without its beginning.
        answer.body = problem.body.dropLast() + Array(",".utf8) + json.bytes.dropFirst()
        return answer
    }

    /// What the query says, for routes that have the time to explain.
    static func isDryRun(_ request: borrowing Request) throws(Refusal) -> Bool {
        guard let text = request.query("dryRun"), text != "false" else { return false }
        guard text == "true" else {
            throw Refusal(
                .badRequest, "dryRun is true or false; this might have been meant as a dry run.",
                errors: [
                    ProblemItem(
                        pointer: "/dryRun", code: "value", detail: "\"\(text.prefix(20))\" is neither true nor false.")
                ])
        }
        return true
    }

    /// 422 when values are impossible, 400 when the document has the wrong form.
    static func refuse(_ errors: [ProblemItem], _ response: inout Response) {
        response.problem(status(of: errors), detail: detail(of: errors), errors: errors)
    }

    /// For those who see one line only.
    static func detail(of errors: [ProblemItem]) -> String {
        guard errors.count == 1 else {
            let pointers = errors.prefix(8).map { $0.pointer.isEmpty ? "the document" : $0.pointer }
            return "\(errors.count) things are wrong: \(pointers.joined(separator: ", "))"
                + (errors.count > 8 ? " and more." : ".")
        }
        return errors[0].pointer.isEmpty ? errors[0].detail : "\(errors[0].pointer): \(errors[0].detail)"
    }

    static func status(of errors: [ProblemItem]) -> Status {
        errors.contains { ["type", "required", "duplicate"].contains($0.code) } ? .badRequest : .unprocessableContent
    }

    static func warnings(_ unknown: [String]) -> [String] {
        unknown.isEmpty ? [] : unknown.map { "unknown member \($0) ignored" }
    }
}

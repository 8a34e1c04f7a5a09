// POST /v1/applications/{app}/decisions: an observation in, a decision out. The only route that must be fast.

import Agents
import Dispatch
import HTTPServer
import Scaling
import Store

enum DecideRoute {
    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.post, "/v1/applications/{app}/decisions") { request, response in
            decide(api, request, &response)
        }
    }

    private static func decide(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> Outcome {
        let loop = api.loops[request.loop]
        let isDryRun = request.query("dryRun", is: "true")
        guard isDryRun || request.query("dryRun").map({ $0 == "false" }) ?? true else {
            response.problem(.badRequest, detail: "dryRun is true or false; this might have been meant as a dry run.")
            return .respond
        }
        let parsed: ObservationRequest
        do {
            parsed = ObservationCodec.decode(try loop.parser.parse(padded: request.body))
        } catch {
            response.problem(
                .badRequest, title: "Malformed JSON", detail: "The body is not JSON: \(error.reason)",
                errors: [ProblemItem(pointer: "", code: "json", detail: error.reason)])
            return .respond
        }
        guard parsed.errors.isEmpty else {
            refuse(parsed.errors, &response)
            return .respond
        }
        guard !api.recorder.isOverloaded || isDryRun else {
            response.addHeader("Retry-After", "1")
            response.problem(.serviceUnavailable, detail: "Too many decisions wait for the disk. Try again in a second.")
            return .respond
        }
        let name = request.parameter(0)
        guard let agent = api.registry[name] else {
            return create(name, parsed, isDryRun: isDryRun, api, request)
        }
        let now = api.now(parsed.observation.time)
        let result = agent.decide(
            parsed.observation, at: now, clientID: parsed.id, warnings: warnings(parsed.unknown), isDryRun: isDryRun,
            context: &loop.decisions, sequence: api.nextSeq)
        switch result {
        case .decided(let decision, let closed):
            write(decision, agent.name, loop, response)
            if isDryRun { return .respond }
            loop.pending.append(PendingDecision(decision, closed: closed))
            loop.agents.append(agent)
            loop.waiting.append(request.deferral())
            return .deferred
        case .repeated(let seq):
            return api.later(request) { try repeated(seq, agent, api) }
        case .unavailable:
            return api.later(request) {
                _ = try api.agent(named: name)
                try api.directory.load(agent)
                throw Refusal(
                    .serviceUnavailable,
                    "The application's state was read again after the database had refused a decision. Send it once more.",
                    headers: [("Retry-After", "1")])
            }
        }
    }

    /// The first observation of an unknown application creates it with the default profile.
    private static func create(
        _ name: String, _ parsed: ObservationRequest, isDryRun: Bool, _ api: APIContext, _ request: borrowing Request
    ) -> Outcome {
        let deferral = request.deferral()
        api.background.async {
            let loop = api.backgroundLoop
            do {
                let now = api.now(parsed.observation.time)
                let agent =
                    isDryRun
                    ? try api.directory.draft(name, at: now)
                    : try api.directory.create(name, profile: Profile(), at: now)
                let result = agent.decide(
                    parsed.observation, at: now, clientID: parsed.id, warnings: warnings(parsed.unknown),
                    isDryRun: isDryRun, context: &loop.decisions, sequence: api.nextSeq)
                guard case .decided(let decision, let closed) = result else {
                    throw Refusal(.conflict, "Another request has just created this application. Send it once more.")
                }
                var json = JSONWriter()
                DecisionCodec.write(decision, application: name, to: &json)
                let answer = ResponseBytes(body: json.bytes)
                if isDryRun { return api.server.complete([(deferral, answer)]) }
                let pending = PendingDecision(decision, closed: closed)
                api.recorder.submit([pending]) { error in
                    if let error {
                        agent.invalidate()
                        api.server.complete([(deferral, failure(error))])
                    } else {
                        api.server.complete([(deferral, answer)])
                        Self.committed(pending, agent, api)
                    }
                }
            } catch let refusal as Refusal {
                api.server.complete([(deferral, refusal.response)])
            } catch {
                api.server.complete([(deferral, failure(error))])
            }
        }
        return .deferred
    }

    /// Hands the decisions of one drain to the recorder; their answers leave after that one commit.
    static func drained(_ index: Int, _ api: APIContext) {
        let loop = api.loops[index]
        guard !loop.pending.isEmpty else { return }
        let (pending, agents, waiting) = (loop.pending, loop.agents, loop.waiting)
        loop.pending.removeAll(keepingCapacity: true)
        loop.agents.removeAll(keepingCapacity: true)
        loop.waiting.removeAll(keepingCapacity: true)
        api.recorder.submit(pending) { error in
            if let error {
                let answer = failure(error)
                for agent in agents { agent.invalidate() }
                api.server.complete(waiting.map { ($0, answer) })
                return
            }
            api.server.release(waiting)
            for (entry, agent) in zip(pending, agents) { committed(entry, agent, api) }
        }
    }

    /// A finished episode is on disk: there is something to learn from.
    static func committed(_ pending: PendingDecision, _ agent: Agent, _ api: APIContext) {
        if pending.closed != nil { api.trainer.enqueue(agent) }
    }

    private static func repeated(_ seq: Int64, _ agent: Agent, _ api: APIContext) throws -> ResponseBytes {
        guard let decision = try api.database.decision(seq: seq) else {
            throw Refusal(.conflict, "A decision with this id is being made right now. Ask for it again.")
        }
        var json = JSONWriter()
        DecisionCodec.write(decision, application: agent.name, to: &json)
        return ResponseBytes(body: json.bytes)
    }

    private static func write(_ decision: Decision, _ name: String, _ loop: LoopContext, _ response: borrowing Response) {
        loop.writer.reset()
        DecisionCodec.write(decision, application: name, to: &loop.writer)
        response.contentType = .json
        response.body { $0.append(loop.writer.written) }
    }

    static func failure(_ error: any Error) -> ResponseBytes {
        .problem(
            .serviceUnavailable, detail: "The decision could not be stored and is not valid: \(error)",
            headers: [("Retry-After", "1")])
    }

    /// 422 when values are impossible, 400 when the document has the wrong form.
    static func refuse(_ errors: [ProblemItem], _ response: inout Response) {
        response.problem(
            status(of: errors),
            detail: errors.count == 1 ? errors[0].detail : "\(errors.count) members are wrong; see errors.", errors: errors)
    }

    static func status(of errors: [ProblemItem]) -> Status {
        errors.contains { ["type", "required", "duplicate"].contains($0.code) } ? .badRequest : .unprocessableContent
    }

    static func warnings(_ unknown: [String]) -> [String] {
        unknown.isEmpty ? [] : unknown.map { "unknown member \($0) ignored" }
    }
}

// POST /v1/applications/{app}/decisions: an observation in, a decision out. The only route that must be fast.

import Agents
import HTTPServer
import Operations

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
    ) -> HandlerResult {
        let loop = api.loops[request.loop]
        let isDryRun = request.query("dryRun", is: "true")
        if !isDryRun, !request.queryBytes.isEmpty {
            do throws(APIError) {
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
            APIError(error).write(to: response)
            return .respond
        }
        guard parsed.errors.isEmpty else {
            APIError(parsed.errors).write(to: response)
            return .respond
        }
        guard !api.decide.isOverloaded || isDryRun else {
            Self.overloaded.write(to: response)
            return .respond
        }
        let name = request.parameter(0)
        let asked = parsed.request(isDryRun: isDryRun)
        guard let agent = api.registry[name] else {
            // The first observation of an unknown application creates it.
            BackgroundDecision.decide(asked, of: name, request.deferral(), api)
            return .deferred
        }
        switch api.decide.decide(asked, by: agent, in: &loop.decisions) {
        case .decided(let decision, let closed):
            write(decision, agent, loop, response)
            if isDryRun { return .respond }
            api.decide.metrics.count(decision.guards)
            loop.own.append(loop.group.pending.count)
            loop.group.append(decision, closed: closed, by: agent)
            loop.waiting.append(request.deferral())
            return .deferred
        case .repeated(let seq):
            BackgroundDecision.answer(seq, of: agent, request.deferral(), api)
            return .deferred
        case .unavailable:
            return api.later(request) {
                _ = try api.agent(named: name)
                throw try api.decide.readAgain(agent, for: asked, in: &api.backgroundLoop.decisions)
            }
        }
    }

    /// The same with an Idempotency-Key, away from the loop: whoever wants speed gives the observation an `id` instead.
    private static func decideOnce(
        _ api: APIContext, _ request: borrowing Request, _ response: inout Response
    ) -> HandlerResult {
        // A dry run has no effect that could happen twice.
        guard !request.query("dryRun", is: "true") else { return decide(api, request, &response) }
        return IdempotentRoute.carryOut(request, &response, api) { request, response in
            do throws(JSONParser.ParseFailure) {
                let parser = api.loops[request.loop].parser
                let parsed = ObservationCodec.decode(try parser.parse(padded: request.body))
                guard parsed.errors.isEmpty else {
                    APIError(parsed.errors).write(to: response)
                    return .respond
                }
                var asked = parsed.request(isDryRun: false)
                asked.clientID = asked.clientID ?? IdempotentRoute.decisionID(request, api)
                BackgroundDecision.decide(asked, of: request.parameter(0), request.deferral(), api)
                return .deferred
            } catch {
                APIError(error).write(to: response)
                return .respond
            }
        }
    }

    /// Commits the decisions of one drain; their answers leave after that one commit.
    static func drained(_ index: Int, _ api: APIContext) {
        let loop = api.loops[index]
        guard !loop.group.isEmpty else { return }
        let (group, waiting, own) = (loop.group.take(), loop.waiting, loop.own)
        loop.waiting.removeAll(keepingCapacity: true)
        loop.own.removeAll(keepingCapacity: true)
        api.decide.commit(group) { errors in
            guard let errors else { return api.server.release(waiting) }
            api.server.complete(
                zip(waiting, own).map { deferral, index in
                    var error = errors[index ?? 0]
                    if index == nil { error.advice = nil }
                    return (deferral, APIError(error).response)
                })
        }
    }

    private static func write(_ decision: Decision, _ agent: Agent, _ loop: LoopContext, _ response: borrowing Response)
    {
        loop.writer.reset()
        DecisionCodec.write(decision, of: agent, to: &loop.writer)
        response.contentType = .json
        response.body { $0.append(loop.writer.written) }
    }

    static let overloaded = APIError(
        .serviceUnavailable, "Too many decisions wait for the disk. Try again in a second.", headers: [("Retry-After", "1")])

    /// What the query says, for routes that have the time to explain.
    static func isDryRun(_ request: borrowing Request) throws(APIError) -> Bool {
        guard let text = request.query("dryRun"), text != "false" else { return false }
        guard text == "true" else {
            throw APIError(
                .badRequest, "dryRun is true or false; this might have been meant as a dry run.",
                errors: [
                    ProblemItem(
                        pointer: "/dryRun", code: "value", detail: "\"\(text.prefix(20))\" is neither true nor false.")
                ])
        }
        return true
    }
}

extension ObservationRequest {
    /// What is asked, once nothing is wrong with it.
    func request(isDryRun: Bool) -> DecisionRequest {
        DecisionRequest(
            observation: observation, clientID: id,
            warnings: unknown.isEmpty ? [] : unknown.map { "unknown member \($0) ignored" }, isDryRun: isDryRun)
    }
}

// A decision made away from the loops, where it may wait for the database: for a new application, for a request with an
// Idempotency-Key, for another protocol's form of an observation.

import Agents
import HTTPServer
import Operations

enum BackgroundDecision {
    /// The protocol in which a decision is answered.
    struct Form: Sendable {
        var write: @Sendable (_ decision: Decision, _ agent: Agent) -> [UInt8]
        /// What becomes of a problem.
        var refuse: @Sendable (ResponseBytes) -> ResponseBytes = { $0 }
    }

    /// aware's own form.
    static let json = Form { decision, agent in
        var json = JSONWriter(reserving: 1024)
        DecisionCodec.write(decision, of: agent, to: &json)
        return json.bytes
    }

    /// Decides and answers; makes the application unless it exists.
    static func decide(
        _ asked: DecisionRequest, of name: String, _ deferral: Deferral, _ api: APIContext, form: Form = json
    ) {
        inBackground(deferral, api, form) {
            let agent = try api.decide.agent(for: asked, of: name)
            switch api.decide.decide(asked, by: agent, in: &api.backgroundLoop.decisions) {
            case .decided(let decision, let closed):
                let answer = ResponseBytes(body: form.write(decision, agent))
                if asked.isDryRun { return api.complete(deferral, answer) }
                api.decide.metrics.count(decision.guards)
                var group = DecisionGroup()
                group.append(decision, closed: closed, by: agent)
                api.decide.commit(group) { errors in
                    api.complete(deferral, errors?.first.map { form.refuse(APIError($0).response) } ?? answer)
                }
            case .repeated(let seq):
                answer(seq, of: agent, deferral, api, form: form)
            case .unavailable:
                throw try api.decide.readAgain(agent, for: asked, in: &api.backgroundLoop.decisions)
            }
        }
    }

    /// Gives the answer that the decision `seq` got, as soon as it is stored.
    static func answer(
        _ seq: Int64, of agent: Agent, _ deferral: Deferral, _ api: APIContext, form: Form = json
    ) {
        inBackground(deferral, api, form) {
            api.decide.whenStored(seq) { result in
                switch result {
                case .success(let decision):
                    api.complete(deferral, ResponseBytes(body: form.write(decision, agent)))
                case .failure(let error):
                    api.complete(deferral, form.refuse(APIError.response(to: error, api.log)))
                }
            }
        }
    }

    private static func inBackground(
        _ deferral: Deferral, _ api: APIContext, _ form: Form, _ work: @escaping @Sendable () throws -> Void
    ) {
        api.inBackground(deferral) {
            do {
                try work()
            } catch {
                throw APIError(form.refuse(APIError.response(to: error, api.log)))
            }
        }
    }
}

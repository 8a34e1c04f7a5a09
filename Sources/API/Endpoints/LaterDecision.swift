// A decision made away from the loops, where it may wait for the database: for a new application, for a request with an
// Idempotency-Key, for another protocol's form of an observation.

import Agents
import Dispatch
import HTTPServer
import Scaling
import Store

enum LaterDecision {
    /// The protocol in which a decision is answered.
    struct Form: Sendable {
        var write: @Sendable (_ decision: Decision, _ application: String) -> [UInt8]
        /// What becomes of a refusal.
        var refuse: @Sendable (ResponseBytes) -> ResponseBytes = { $0 }
    }

    /// A decision that another request has just made is on its way to the disk: it is looked for so often, with so many
    /// milliseconds in between.
    private static let looksMax = 250
    private static let pauseMilliseconds = 4

    /// aware's own form.
    static let json = Form { decision, application in
        var json = JSONWriter(reserving: 1024)
        DecisionCodec.write(decision, application: application, to: &json)
        return json.bytes
    }

    /// Decides and answers; makes the application unless it exists.
    static func decide(
        _ parsed: ObservationRequest, of name: String, isDryRun: Bool, _ deferral: Deferral, _ api: APIContext,
        form: Form = json
    ) {
        inBackground(deferral, api, form) {
            let now = api.now(parsed.observation, of: api.registry[name])
            let agent: Agent
            if let present = api.registry[name] {
                agent = present
            } else if isDryRun {
                agent = try api.directory.draft(name, profile: .holding(parsed.observation), at: now)
            } else {
                agent = try api.directory.create(name, profile: .holding(parsed.observation), at: now)
            }
            switch agent.decide(
                parsed.observation, at: now, clientID: parsed.id, warnings: DecideRoute.warnings(parsed.unknown),
                isDryRun: isDryRun, context: &api.backgroundLoop.decisions, sequence: api.nextSeq)
            {
            case .decided(let decision, let closed):
                let answer = ResponseBytes(body: form.write(decision, name))
                if isDryRun { return api.complete(deferral, answer) }
                let pending = PendingDecision(decision, closed: closed)
                api.metrics.count(decision.guards)
                let begun = DecisionMetrics.now
                api.recorder.submit([pending]) { error in
                    if let error {
                        agent.invalidate()
                        api.complete(deferral, form.refuse(DecideRoute.failure(error, advice: pending.rules)))
                    } else {
                        api.complete(deferral, answer)
                        api.metrics.committed(1, since: begun)
                        DecideRoute.committed(pending, agent, api)
                    }
                }
            case .repeated(let seq):
                try answer(seq, of: name, deferral, api, form: form)
            case .unavailable:
                try api.directory.load(agent)
                throw Refusal(DecideRoute.again(agent, parsed, api))
            }
        }
    }

    /// Gives the answer that the decision `seq` got, as soon as it is stored. To be called on the background queue.
    static func answer(
        _ seq: Int64, of name: String, _ deferral: Deferral, _ api: APIContext, looks: Int = 1,
        form: Form = json
    ) throws {
        if let decision = try api.database.decision(seq: seq) {
            return api.complete(deferral, ResponseBytes(body: form.write(decision, name)))
        }
        guard looks < looksMax else {
            throw Refusal(
                .conflict, "A decision with this id is being made right now. Ask for it again.",
                headers: [("Retry-After", "1")])
        }
        api.background.asyncAfter(deadline: .now() + .milliseconds(pauseMilliseconds)) {
            inBackground(deferral, api, form) {
                try answer(seq, of: name, deferral, api, looks: looks + 1, form: form)
            }
        }
    }

    private static func inBackground(
        _ deferral: Deferral, _ api: APIContext, _ form: Form, _ work: @escaping @Sendable () throws -> Void
    ) {
        api.inBackground(deferral) {
            do {
                try work()
            } catch let refusal as Refusal {
                api.complete(deferral, form.refuse(refusal.response))
            }
        }
    }
}

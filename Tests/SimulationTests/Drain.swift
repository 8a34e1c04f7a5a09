// What arrives at once: decided by two loops, committed in two groups, answered afterwards; as the decision route does it.

import Agents
import Base
import Operations
import Scaling

/// One wake-up of the loops.
struct Drain {
    /// A request whose answer waits for a commit or for another request.
    private struct Waiting {
        var message: Message
        var agent: Agent
        var decision: Decision
        var ticket: Int?
    }

    private let life: Life
    private var groups = [DecisionGroup](repeating: DecisionGroup(), count: SimulatedServer.loops)
    private var waiting = [[Waiting]](repeating: [], count: SimulatedServer.loops)
    private var repeated: [(message: Message, agent: Agent, seq: Int64, ticket: Int?)] = []

    init(_ life: Life) { self.life = life }

    private var server: SimulatedServer { life.server }

    mutating func serve(_ messages: [Message], isNested: Bool = false) throws {
        for message in messages { try decide(message) }
        let order = life.random.chance(1, in: 2) ? [0, 1] : [1, 0]
        for (position, loop) in order.enumerated() where !groups[loop].isEmpty {
            try commit(loop)
            // While one loop's group waits for the disk, the other loop may serve on.
            if position == 0, !isNested, life.random.chance(1, in: 3), let message = life.network.last {
                life.network.removeLast()
                var other = Drain(life)
                try other.serve([message, message], isNested: true)
            }
        }
        for (message, agent, seq, ticket) in repeated {
            guard let decision = server.stored(seq) else {
                life.note("\(message.name): \(seq) is not there")
                release(ticket)
                continue
            }
            try checkRepeated(message, decision, seq)
            try answer(message, agent, decision, ticket)
        }
    }

    private mutating func decide(_ message: Message) throws {
        let loop = life.random.below(SimulatedServer.loops)
        var ticket: Int?
        if let key = message.key {
            ticket = life.ticket()
            switch server.idempotency.begin(key, "\(message)", ticket!, at: server.clock.steady) {
            case .first: try life.promises.begins(key, at: server.clock.steady)
            case .wait: return life.waits(ticket!, for: key)
            case .again:
                guard let kept = try? server.idempotency.response(to: key) else { return life.note("\(key) cannot be read") }
                return try life.answered(String(decoding: kept.body, as: UTF8.self), under: key)
            case .otherRequest: throw Broken("the key \(key) is said to be another request's")
            case .tooMany: return life.note("too many wait for \(key)")
            }
        }
        let request = DecisionRequest(
            observation: message.observation,
            clientID: message.id ?? message.key.map { SimulatedServer.Idempotency.decisionID(of: $0) })
        guard let agent = agent(for: request, message, ticket) else { return }
        switch server.decide.decide(request, by: agent, in: &server.contexts[loop]) {
        case .decided(let decision, let closed):
            life.promises.applications[agent.name]?.attempted[decision.seq] = decision
            try life.promises.check(decision, by: agent, steady: server.clock.steady)
            groups[loop].append(decision, closed: closed, by: agent)
            waiting[loop].append(Waiting(message: message, agent: agent, decision: decision, ticket: ticket))
        case .repeated(let seq): repeated.append((message, agent, seq, ticket))
        case .unavailable:
            if let error = try? server.decide.readAgain(agent, for: request, in: &server.contexts[loop]) {
                try life.promises.check(advice: error.advice, of: agent)
            }
            server.settle()
            life.note("\(message.name) is read again")
            release(ticket)
            if life.random.chance(1, in: 2) { life.network.append(message) }
        }
    }

    private func agent(for request: DecisionRequest, _ message: Message, _ ticket: Int?) -> Agent? {
        if let agent = server.registry[message.name] { return agent }
        life.promises.perhapsThere[message.name] = Profile.holding(message.observation)
        do {
            let agent = try server.decide.agent(for: request, of: message.name)
            server.settle()
            life.made(agent)
            life.acknowledged()
            return agent
        } catch {
            server.settle()
            life.note("\(message.name) cannot be made")
            release(ticket)
            return nil
        }
    }

    private mutating func commit(_ loop: Int) throws {
        let (group, waiting) = (groups[loop].take(), waiting[loop])
        self.waiting[loop] = []
        // A slow disk: answers come late, to clients who may have given up.
        if life.random.chance(1, in: 10) { life.machine.pass(life.random.uniform(0...90)) }
        guard let errors = server.commit(group) else {
            for waiting in waiting { try answer(waiting.message, waiting.agent, waiting.decision, waiting.ticket) }
            return
        }
        for (waiting, error) in zip(waiting, errors) {
            life.note("\(waiting.message.name) \(waiting.decision.seq) is refused")
            try life.promises.check(advice: error.advice, of: waiting.agent)
            release(waiting.ticket)
            if life.random.chance(3, in: 4) { life.network.append(waiting.message) }
        }
    }

    private func checkRepeated(_ message: Message, _ decision: Decision, _ seq: Int64) throws(Broken) {
        let known = life.promises.applications[message.name]
        guard let before = known?.answered[seq] ?? known?.attempted[seq], before == decision else {
            throw Broken("\(message.name) is answered once more by \(decision), which it never was")
        }
        let isSame = decision.clientID != nil && decision.clientID == (message.id ?? message.key.map { SimulatedServer.Idempotency.decisionID(of: $0) })
        guard isSame || message.observation.time != nil && decision.observation.time == message.observation.time else {
            throw Broken("\(message.name) is answered by \(seq), which answers something else")
        }
    }

    /// The answer leaves; first it is kept when a key asks for that.
    private func answer(_ message: Message, _ agent: Agent, _ decision: Decision, _ ticket: Int?) throws {
        life.promises.applications[agent.name]?.answered[decision.seq] = decision
        life.promises.applications[agent.name]?.attempted[decision.seq] = nil
        life.promises.highest = max(life.promises.highest, decision.seq)
        life.running[agent.name] = decision.desired
        life.acknowledged()
        let text = Promises.text(decision)
        life.note("\(message.name) \(text)")
        guard let key = message.key, let ticket else { return }
        let others = server.idempotency.finish(ticket, status: 200, body: Array(text.utf8), at: server.clock.steady)
        server.settle()
        try life.answered(text, under: key)
        // What could not be kept is no promise: then the key is free.
        let probe = life.ticket()
        if server.idempotency.begin(key, "\(message)", probe, at: server.clock.steady) == .again {
            life.promises.keys[key] = (text, server.clock.steady)
            life.acknowledged()
        } else {
            _ = server.idempotency.abandon(probe)
        }
        for other in others { try life.released(other, with: text) }
    }

    /// The request under a key was refused: the key is free again.
    private func release(_ ticket: Int?) {
        guard let ticket else { return }
        for other in server.idempotency.abandon(ticket) { life.forget(other) }
    }
}

// POST /v1/decisions: the observations of a whole cluster in one round trip, durable with one commit.

import Agents
import HTTPServer
import Scaling
import Store

enum BatchRoute {
    /// Elements of one batch: they are decided on an event loop, which must not be kept from others for long.
    static let elementsMax = 1000
    private static let bodyBytesMax = 8 << 20
    private static let complaintsPerElementMax = 4

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(
            .post, "/v1/decisions", options: RouteOptions(bodyBytesMax: bodyBytesMax),
            IdempotencyDesk.once(api) { request, response in decide(api, request, &response) })
    }

    private static func decide(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> Outcome {
        let loop = api.loops[request.loop]
        let isDryRun: Bool
        var elements: [ObservationRequest]
        do throws(Refusal) {
            isDryRun = try DecideRoute.isDryRun(request)
            elements = try read(request, loop)
        } catch {
            error.write(to: response)
            return .respond
        }
        guard !api.recorder.isOverloaded || isDryRun else {
            response.addHeader("Retry-After", "1")
            response.problem(
                .serviceUnavailable, detail: "Too many decisions wait for the disk. Try again in a second.")
            return .respond
        }
        if let id = IdempotencyDesk.decisionID(request, api) {
            for index in elements.indices where elements[index].id == nil { elements[index].id = "\(id)-\(index)" }
            return decideLater(elements, isDryRun: isDryRun, api, request.deferral())
        }
        // What needs the database (a new application, a decision that was made before) must not hold up the loop.
        let isSimple = elements.allSatisfy { element in
            guard element.errors.isEmpty, let agent = api.registry[element.application ?? ""] else {
                return !element.errors.isEmpty
            }
            return !agent.isResent(element.observation) && element.id.map { agent.seq(ofClientID: $0) == nil } ?? true
        }
        guard isSimple else { return decideLater(elements, isDryRun: isDryRun, api, request.deferral()) }
        var batch = Batch(isDryRun: isDryRun)
        for (index, element) in elements.enumerated() {
            batch.add(element, at: index, api, &loop.decisions, mayWait: false)
        }
        response.contentType = .json
        response.body(batch.answer())
        guard !batch.pending.isEmpty else { return .respond }
        loop.pending += batch.pending
        loop.agents += batch.agents
        loop.waiting.append(request.deferral())
        return .deferred
    }

    /// The same on the background queue.
    private static func decideLater(
        _ elements: [ObservationRequest], isDryRun: Bool, _ api: APIContext, _ deferral: Deferral
    ) -> Outcome {
        api.inBackground(deferral) {
            var batch = Batch(isDryRun: isDryRun)
            for (index, element) in elements.enumerated() {
                batch.add(element, at: index, api, &api.backgroundLoop.decisions, mayWait: true)
            }
            let answer = ResponseBytes(body: batch.answer())
            guard !batch.pending.isEmpty else { return api.complete(deferral, answer) }
            let (pending, agents) = (batch.pending, batch.agents)
            let begun = DecisionMetrics.now
            api.recorder.submit(pending) { error in
                if let error {
                    for agent in agents { agent.invalidate() }
                    api.complete(deferral, DecideRoute.failure(error))
                } else {
                    api.complete(deferral, answer)
                    api.metrics.committed(pending.count, since: begun)
                    for (entry, agent) in zip(pending, agents) { DecideRoute.committed(entry, agent, api) }
                }
            }
        }
        return .deferred
    }

    /// The elements, each with its own errors; a document that is no array of the right size fails as a whole.
    private static func read(_ request: borrowing Request, _ loop: LoopContext) throws(Refusal) -> [ObservationRequest]
    {
        let document: JSONValue
        do {
            document = try loop.parser.parse(padded: request.body)
        } catch {
            throw Refusal(error)
        }
        guard document.kind == .array, (1...elementsMax).contains(document.count) else {
            throw Refusal(
                .badRequest, "A batch is an array of 1 to \(elementsMax) observations, each with its application.",
                errors: [
                    ProblemItem(
                        pointer: "", code: "type",
                        detail: document.kind == .array
                            ? "The array has \(document.count) elements." : "The body is \(document.summary).")
                ])
        }
        var elements: [ObservationRequest] = []
        elements.reserveCapacity(document.count)
        document.forEachElement { index, value in
            var element = ObservationCodec.decode(value, at: "/\(index)", batch: true)
            if element.application == nil, value.kind == .object,
                !element.errors.contains(where: { $0.pointer == "/\(index)/application" })
            {
                element.errors.append(
                    ProblemItem(
                        pointer: "/\(index)/application", code: "required",
                        detail: "Each element of a batch names its application."))
            }
            // A batch may be wrong a thousand times over; its answer must not be many times its size.
            if element.errors.count > complaintsPerElementMax {
                element.errors.removeLast(element.errors.count - complaintsPerElementMax)
            }
            elements.append(element)
        }
        return elements
    }
}

/// The answers of one batch so far, and what must be committed before they leave.
private struct Batch: ~Copyable {
    private let isDryRun: Bool
    private var json = JSONWriter(reserving: 64 * 1024)
    private var failed = 0
    private(set) var pending: [PendingDecision] = []
    private(set) var agents: [Agent] = []
    /// Where in `items` the answer of each pending decision stands.
    private var places: [Int] = []

    init(isDryRun: Bool) { self.isDryRun = isDryRun }

    /// Decides one element, or says what is wrong with it.
    mutating func add(
        _ element: ObservationRequest, at index: Int, _ api: APIContext, _ context: inout DecisionContext, mayWait: Bool
    ) {
        do {
            guard element.errors.isEmpty else {
                throw Refusal(
                    DecideRoute.status(of: element.errors), DecideRoute.detail(of: element.errors),
                    errors: element.errors)
            }
            let name = element.application ?? ""
            let now = api.now(element.observation, of: api.registry[name])
            let profile = Profile.holding(element.observation)
            let agent: Agent
            if let present = api.registry[name] {
                agent = present
            } else {
                guard mayWait else { throw Refusal(.conflict, "\(name) has just been deleted. Send it once more.") }
                agent =
                    try isDryRun
                    ? api.directory.draft(name, profile: profile, at: now)
                    : api.directory.create(name, profile: profile, at: now)
            }
            let result = agent.decide(
                element.observation, at: now, clientID: element.id, warnings: DecideRoute.warnings(element.unknown),
                isDryRun: isDryRun, context: &context, sequence: api.nextSeq)
            switch result {
            case .decided(let decision, let closed):
                append(decision, of: name)
                if isDryRun { return }
                api.metrics.count(decision.guards)
                places.append(items.count - 1)
                pending.append(PendingDecision(decision, closed: closed))
                agents.append(agent)
            case .repeated(let seq):
                // The same id twice in one batch: the decision is not stored yet, but its answer is here.
                if let earlier = pending.firstIndex(where: { $0.seq == seq }) {
                    return items.append(items[places[earlier]])
                }
                guard mayWait, let decision = try api.database.decision(seq: seq) else {
                    throw Refusal(.conflict, "A decision with this id is being made right now. Ask for it again.")
                }
                append(decision, of: name)
            case .unavailable:
                throw Refusal(.serviceUnavailable, "The application is being read again. Send this observation alone.")
            }
        } catch let refusal as Refusal {
            fail(index, refusal.response)
        } catch {
            fail(index, .problem(.internalServerError, detail: "\(error)"))
        }
    }

    private mutating func append(_ decision: Decision, of application: String) {
        var element = JSONWriter(reserving: 1024)
        DecisionCodec.write(decision, application: application, to: &element)
        items.append(Array("{\"status\":200,".utf8) + element.bytes.dropFirst())
    }

    private var items: [[UInt8]] = []

    /// The problem that the element alone would have got, with its index.
    private mutating func fail(_ index: Int, _ problem: ResponseBytes) {
        failed += 1
        items.append(Array("{\"index\":\(index),".utf8) + problem.body.dropFirst())
    }

    /// `{"items": [decision or problem, ...], "failed": n}`, in the order of the request.
    mutating func answer() -> [UInt8] {
        let (items, failed) = (items, failed)
        json.object { json in
            json.array("items") { json in for item in items { json.element(json: item) } }
            json.member("failed", failed)
        }
        return json.bytes
    }
}

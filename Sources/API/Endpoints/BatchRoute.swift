// POST /v1/decisions: the observations of a whole cluster in one round trip, durable with one commit.

import Agents
import HTTPServer
import Operations
import Scaling

enum BatchRoute {
    /// Elements of one batch: they are decided on an event loop, which must not be kept from others for long.
    static let elementsMax = 1000
    private static let bodyBytesMax = 8 << 20
    private static let complaintsPerElementMax = 4

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(
            .post, "/v1/decisions", options: RouteOptions(bodyBytesMax: bodyBytesMax),
            IdempotentRoute.once(api) { request, response in decide(api, request, &response) })
    }

    private static func decide(_ api: APIContext, _ request: borrowing Request, _ response: inout Response) -> HandlerResult {
        let loop = api.loops[request.loop]
        let isDryRun: Bool
        var elements: [ObservationRequest]
        do throws(APIError) {
            isDryRun = try DecideRoute.isDryRun(request)
            elements = try read(request, loop)
        } catch {
            error.write(to: response)
            return .respond
        }
        guard !api.decide.isOverloaded || isDryRun else {
            DecideRoute.overloaded.write(to: response)
            return .respond
        }
        if let id = IdempotentRoute.decisionID(request, api) {
            for index in elements.indices where elements[index].id == nil { elements[index].id = "\(id)-\(index)" }
            return decideLater(elements, isDryRun: isDryRun, api, request.deferral())
        }
        // What needs the database (a new application, a decision that was made before) must not hold up the loop.
        let isSimple = elements.allSatisfy { element in
            guard element.errors.isEmpty, let agent = api.registry[element.application ?? ""] else {
                return !element.errors.isEmpty
            }
            return api.decide.isImmediate(element.request(isDryRun: isDryRun), by: agent)
        }
        guard isSimple else { return decideLater(elements, isDryRun: isDryRun, api, request.deferral()) }
        var batch = Batch(isDryRun: isDryRun)
        for (index, element) in elements.enumerated() {
            batch.add(element, at: index, api, &loop.decisions, mayWait: false)
        }
        response.contentType = .json
        response.body(batch.answer())
        guard !batch.group.isEmpty else { return .respond }
        loop.group.append(batch.group)
        loop.own.append(nil)
        loop.waiting.append(request.deferral())
        return .deferred
    }

    /// The same on the background queue.
    private static func decideLater(
        _ elements: [ObservationRequest], isDryRun: Bool, _ api: APIContext, _ deferral: Deferral
    ) -> HandlerResult {
        api.inBackground(deferral) {
            var batch = Batch(isDryRun: isDryRun)
            for (index, element) in elements.enumerated() {
                batch.add(element, at: index, api, &api.backgroundLoop.decisions, mayWait: true)
            }
            let answer = ResponseBytes(body: batch.answer())
            guard !batch.group.isEmpty else { return api.complete(deferral, answer) }
            api.decide.commit(batch.group) { errors in
                guard var error = errors?.first else { return api.complete(deferral, answer) }
                error.advice = nil
                api.complete(deferral, APIError(error).response)
            }
        }
        return .deferred
    }

    /// The elements, each with its own errors; a document that is no array of the right size fails as a whole.
    private static func read(_ request: borrowing Request, _ loop: LoopContext) throws(APIError) -> [ObservationRequest]
    {
        let document: JSONValue
        do {
            document = try loop.parser.parse(padded: request.body)
        } catch {
            throw APIError(error)
        }
        guard document.kind == .array, (1...elementsMax).contains(document.count) else {
            throw APIError(
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
    private(set) var group = DecisionGroup()
    /// Where in `items` the answer of each decision of the group stands.
    private var places: [Int] = []

    init(isDryRun: Bool) { self.isDryRun = isDryRun }

    /// Decides one element, or says what is wrong with it.
    mutating func add(
        _ element: ObservationRequest, at index: Int, _ api: APIContext, _ context: inout DecisionContext, mayWait: Bool
    ) {
        do {
            guard element.errors.isEmpty else {
                throw APIError(element.errors)
            }
            let name = element.application ?? ""
            let asked = element.request(isDryRun: isDryRun)
            guard mayWait || api.registry[name] != nil else {
                throw APIError(.conflict, "\(name) has just been deleted. Send it once more.")
            }
            let agent = try api.decide.agent(for: asked, of: name)
            switch api.decide.decide(asked, by: agent, in: &context) {
            case .decided(let decision, let closed):
                append(decision, of: agent)
                if isDryRun { return }
                api.decide.metrics.count(decision.guards)
                places.append(items.count - 1)
                group.append(decision, closed: closed, by: agent)
            case .repeated(let seq):
                // The same id twice in one batch: the decision is not stored yet, but its answer is here.
                if let earlier = group.pending.firstIndex(where: { $0.seq == seq }) {
                    return items.append(items[places[earlier]])
                }
                guard mayWait, let decision = try api.store.decision(seq: seq, of: nil) else {
                    throw APIError(.conflict, "A decision with this id is being made right now. Ask for it again.")
                }
                append(decision, of: agent)
            case .unavailable:
                try agent.checkUnsealed()
                throw APIError(.serviceUnavailable, "The application is being read again. Send this observation alone.")
            }
        } catch {
            fail(index, APIError.response(to: error, api.log))
        }
    }

    private mutating func append(_ decision: Decision, of agent: Agent) {
        var element = JSONWriter(reserving: 1024)
        DecisionCodec.write(decision, of: agent, to: &element)
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

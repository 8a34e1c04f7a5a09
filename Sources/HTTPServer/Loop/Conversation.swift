// One connection's side of HTTP: received bytes in, answers out, in order. No sockets and no clock of its own.

/// The state of a conversation with one client: requests are parsed out of an inbox and answered into an outbox.
///
/// What it decides: whether a request reaches its handler, what is answered if not, and when the conversation ends.
struct Conversation {
    enum Stage: Equatable {
        /// Between requests.
        case idle
        case head
        case body
        /// The answer is known already (404, 401) and held back while the body is read and dropped: it may yet turn out
        /// to be malformed.
        case discarding
        /// The last answer is a stream; what the client sends is ignored.
        case streaming
        /// No further request will be read; the connection closes when all answers are sent.
        case ended
    }

    private(set) var stage = Stage.idle
    /// When the current request's first byte came, or its body began; nanoseconds.
    private(set) var stageBegan: UInt64 = 0
    private(set) var inbox: Inbox?
    /// What has been answered and not yet sent.
    var answers = AnswerQueue()
    private var requests: UInt32 = 0
    /// Whether the parser has said that it needs more bytes.
    private var isStarved = false
    /// Whether a stream goes out in chunks (HTTP/1.1) or ends with the connection (HTTP/1.0).
    private var chunksStream = true
    /// The answer of a request whose body is being discarded.
    private var held: (box: Outbox, style: AnswerStyle)?
    private let connection: UInt32
    private let generation: UInt32
    let peer: PeerAddress

    init(connection: UInt32, generation: UInt32, peer: PeerAddress) {
        self.connection = connection
        self.generation = generation
        self.peer = peer
    }

    // MARK: What the connection asks

    /// Whether nothing is left to do but to close.
    var isFinished: Bool { stage == .ended && answers.isEmpty }
    /// Whether bytes are here that have not been parsed because the answers had piled up.
    var hasUnparsed: Bool { inbox != nil && !isStarved && stage != .ended && stage != .streaming }
    /// How many bytes of the current body have come.
    var bodyReceived: Int { inbox.map { $0.bytes.count - $0.start - $0.parser.bodyStart } ?? 0 }

    // MARK: Reading

    /// The inbox to receive into.
    mutating func inboxForReading(_ context: LoopContext) -> Inbox {
        let box = inbox ?? context.takeInbox()
        inbox = box
        box.makeRoom()
        return box
    }

    /// Parses and answers what is in the inbox, as far as it goes.
    mutating func advance(_ context: LoopContext) {
        var match = RouteTable.Match.none
        var isMatched = false
        isStarved = false
        while let inbox, stage != .ended, stage != .streaming, !answers.isFull(context) {
            guard inbox.bytes.count > inbox.start || !inbox.parser.isFresh else { break }
            do {
                switch try inbox.parser.next(&inbox.bytes, from: inbox.start) {
                case .needMore:
                    isStarved = true
                    waitForMore(inbox, context)
                    return
                case .head:
                    match = try headComplete(inbox, context)
                    isMatched = true
                case .complete:
                    if stage == .discarding {
                        stage = .idle
                        emitHeld(context)
                    } else {
                        if !isMatched { match = route(inbox, context) }
                        answer(inbox, match, context)
                        if stage == .body { stage = .idle }
                    }
                    isMatched = false
                    inbox.start += inbox.parser.consumed
                    inbox.parser.reset()
                }
            } catch {
                refuse(error, context)
            }
        }
        releaseInbox(context)
    }

    private mutating func waitForMore(_ inbox: Inbox, _ context: LoopContext) {
        switch inbox.parser.phase {
        case .requestLine, .fields:
            if stage == .idle {
                stage = .head
                stageBegan = context.now
            }
        default: break
        }
    }

    private mutating func releaseInbox(_ context: LoopContext) {
        guard let box = inbox else { return }
        let isEmpty = box.bytes.count == box.start && box.parser.isFresh
        if isEmpty || stage == .ended || stage == .streaming {
            inbox = nil
            context.give(back: box)
        }
    }

    /// Everything that is decided before the body: encoding, host, route, size, `intercept`, 100 Continue.
    private mutating func headComplete(_ inbox: Inbox, _ context: LoopContext) throws(ProtocolError) -> RouteTable.Match
    {
        requests &+= 1
        context.statistics.add(.requests)
        stage = .body
        stageBegan = context.now
        let bytes = UnsafeRawBufferPointer(rebasing: inbox.bytes.bytes[inbox.start...])
        let head = inbox.parser.head
        if head.isEncoded,
            percentDecoded(bytes.part(head.path), plusIsSpace: false) == nil
                || percentDecoded(bytes.part(head.query), plusIsSpace: true) == nil
        {
            throw .bad("target", "the target holds control characters, or percent-encoding that is not UTF-8")
        }
        context.draft.reset()
        let match = route(inbox, context)
        var mayPass = checkHost(head, bytes, context)
        switch match {
        case .route(let index, _):
            let options = context.routes.entries[index].options
            inbox.parser.bodyLimit = options.bodyBytesMax ?? context.options.bodyBytesMax
        default:
            inbox.parser.bodyLimit = context.options.bodyBytesMax
        }
        if let length = head.contentLength, length > inbox.parser.bodyLimit { throw .bodyTooLarge }
        if mayPass, let intercept = context.options.intercept {
            let request = makeRequest(inbox, match, UnsafeRawBufferPointer(start: bytes.baseAddress, count: 0), context)
            var response = Response(context.draft)
            mayPass = intercept(request, &response)
        }
        if mayPass { mayPass = answerWithoutRoute(match, head, bytes, context) }
        if !mayPass {
            reject(head, context)
        } else if head.expectsContinue, head.hasBody, bytes.count == inbox.parser.consumed {
            answers.append(requests, context) { $0.append("HTTP/1.1 100 Continue\r\n\r\n") }
        }
        return match
    }

    /// Answers, as the draft has it, a request that no handler will see.
    private mutating func reject(_ head: RequestHead, _ context: LoopContext) {
        if !head.hasBody {
            emit(style(head, context), context, at: context.now)
            if stage != .ended { stage = .discarding }
        } else if head.expectsContinue {
            // Whether the body will come after this answer is unknown, so the connection cannot go on.
            emit(style(head, context, closes: true), context, at: context.now)
        } else {
            let box = context.takeOutbox()
            let style = style(head, context)
            context.writeAnswer(style, into: &box.bytes)
            held = (box, style)
            stage = .discarding
        }
    }

    private mutating func emitHeld(_ context: LoopContext) {
        guard let (box, style) = held else { return }
        held = nil
        answers.append(requests, context) { $0.append(box.bytes.bytes) }
        context.give(back: box)
        context.answeredAtOnce += 1
        if style.closes { stage = .ended }
    }

    private mutating func dropHeld(_ context: LoopContext) {
        if let (box, _) = held { context.give(back: box) }
        held = nil
    }

    private func route(_ inbox: Inbox, _ context: LoopContext) -> RouteTable.Match {
        let head = inbox.parser.head
        let bytes = UnsafeRawBufferPointer(rebasing: inbox.bytes.bytes[inbox.start...])
        return context.routes.match(
            head.method, bytes.part(head.path), offset: Int(head.path.start), parameters: context.parameters)
    }

    private func checkHost(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ context: LoopContext) -> Bool {
        guard let filter = context.hostFilter, peer != .unix, head.authority.count > 0 || head.minorVersion > 0,
            !filter.allows(bytes.part(head.authority))
        else { return true }
        let name = String(decoding: bytes.part(head.authority).prefix(200), as: UTF8.self)
        Response(context.draft).problem(.forbidden, detail: "the host name \(name) is not one that is served here")
        return false
    }

    /// 404, 405 and OPTIONS. Returns whether there is a route.
    private func answerWithoutRoute(
        _ match: RouteTable.Match, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, _ context: LoopContext
    ) -> Bool {
        let response = Response(context.draft)
        switch match {
        case .route: return true
        case .otherMethod(let node):
            response.addHeader("Allow", context.routes.allow(node))
            if head.method == .options {
                response.status = .noContent
            } else {
                response.problem(.methodNotAllowed, detail: "this resource takes only \(context.routes.allow(node))")
            }
        case .none where head.isAsterisk:
            response.addHeader("Allow", context.routes.allowAll)
            response.status = .noContent
        case .none:
            let path = String(decoding: bytes.part(head.path).prefix(200), as: UTF8.self)
            response.problem(.notFound, detail: "there is nothing at \(path)")
        }
        return false
    }

    // MARK: Answering

    private func style(_ head: RequestHead, _ context: LoopContext, closes: Bool = false) -> AnswerStyle {
        AnswerStyle(
            isHead: head.method == .head, acceptsGzip: head.acceptsGzip,
            closes: closes || !head.keepsAlive || context.isDraining
                || Int(requests) >= context.options.requestsPerConnectionMax,
            minorVersion: head.minorVersion)
    }

    private func makeRequest(
        _ inbox: Inbox, _ match: RouteTable.Match, _ body: UnsafeRawBufferPointer, _ context: LoopContext
    ) -> Request {
        var (route, count): (Int?, Int) = (nil, 0)
        if case .route(let index, let parameters) = match { (route, count) = (index, parameters) }
        return Request(
            base: UnsafeRawPointer(inbox.bytes.base + inbox.start), head: inbox.parser.head,
            fields: inbox.parser.fieldTable, parameters: UnsafePointer(context.parameters), parameterCount: count,
            route: route,
            origin: RequestOrigin(
                loop: context.loop, connection: connection, generation: generation, request: requests, peer: peer,
                mailbox: context.mailbox.map(Unmanaged.passUnretained)),
            body: body)
    }

    /// Runs the handler of a complete request.
    private mutating func answer(_ inbox: Inbox, _ match: RouteTable.Match, _ context: LoopContext) {
        guard case .route(let index, _) = match else { return }
        let head = inbox.parser.head
        let bodyRange = inbox.start + inbox.parser.bodyStart..<inbox.start + inbox.parser.bodyEnd
        let body = UnsafeRawBufferPointer(rebasing: inbox.bytes.bytes[bodyRange])
        context.handled += 1
        context.draft.reset()
        // Requests that may defer are shed when too many answers are open; reading stays possible.
        if context.deferredOpen >= context.options.deferredMax, head.method != .get, head.method != .head {
            let response = Response(context.draft)
            response.addHeader("Retry-After", "1")
            response.problem(.serviceUnavailable, detail: "too many requests wait for their answers; try again later")
            return emit(style(head, context), context, at: context.now)
        }
        let request = makeRequest(inbox, match, body, context)
        var response = Response(context.draft)
        let outcome = context.routes.entries[index].handler(request, &response)
        if context.draft.fixed != nil { context.applyConditions(request) }
        let style = style(head, context)
        switch outcome {
        case .respond: emit(style, context, at: context.now)
        case .deferred: emit(style, context, at: context.now, isReady: false)
        case .stream:
            answers.append(requests, context) { context.writeStreamHead(style, into: &$0) }
            stage = style.isHead ? .ended : .streaming
            chunksStream = style.minorVersion > 0
        }
    }

    /// Writes the draft as the answer of the current request.
    private mutating func emit(
        _ style: AnswerStyle, _ context: LoopContext, at start: UInt64, isReady: Bool = true
    ) {
        answers.add(requests, style, context, startedAt: start, isReady: isReady)
        if style.closes { stage = .ended }
    }

    /// Answers what the parser refused, and ends the conversation.
    mutating func refuse(_ error: ProtocolError, _ context: LoopContext) {
        context.statistics.add(.refusals)
        context.draft.reset()
        let item = ProblemItem(pointer: "", code: error.code.description, detail: error.detail.description)
        Response(context.draft).problem(error.status, detail: error.detail.description, errors: [item])
        dropHeld(context)
        let isHead = inbox?.parser.head.method == .head
        emit(AnswerStyle(isHead: isHead, closes: true), context, at: context.now)
        releaseInbox(context)
    }

    /// Answers 503 before any request: too many connections.
    mutating func refuseConnection(_ context: LoopContext) {
        context.draft.reset()
        let response = Response(context.draft)
        response.addHeader("Retry-After", "1")
        response.problem(.serviceUnavailable, detail: "too many connections are open; try again later")
        emit(AnswerStyle(closes: true), context, at: context.now)
    }

    /// No further request will be read: the client has closed its side, or the server drains.
    mutating func endInput(_ context: LoopContext) {
        if stage != .streaming { stage = .ended }
        releaseInbox(context)
    }

    // MARK: Streams

    /// Appends a piece to the stream that this conversation has become.
    mutating func stream(_ bytes: [UInt8], _ context: LoopContext) {
        guard stage == .streaming, !bytes.isEmpty else { return }
        let chunked = chunksStream
        answers.append(requests, context) { out in
            if chunked {
                out.append(String(bytes.count, radix: 16))
                out.append("\r\n")
            }
            out.append(bytes)
            if chunked { out.append("\r\n") }
        }
    }

    mutating func endStream(_ context: LoopContext) {
        guard stage == .streaming else { return }
        if chunksStream { answers.append(requests, context) { $0.append("0\r\n\r\n") } }
        stage = .ended
    }

    /// Gives back everything shared, when the connection is gone.
    mutating func abandon(_ context: LoopContext) {
        stage = .ended
        answers.abandon(context)
        dropHeld(context)
        releaseInbox(context)
    }
}

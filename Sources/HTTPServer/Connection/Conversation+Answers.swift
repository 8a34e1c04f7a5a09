// How a conversation answers: through the route's handler, with a refusal, or as a stream.

extension Conversation {
    // MARK: Answering

    func style(_ head: RequestHead, _ context: LoopContext, closes: Bool = false) -> AnswerStyle {
        AnswerStyle(
            isHead: head.method == .head, acceptsGzip: head.acceptsGzip,
            closes: closes || !head.keepsAlive || context.isEnding
                || isReserved || Int(requests) >= context.options.requestsPerConnectionMax,
            minorVersion: head.minorVersion)
    }

    func makeRequest(
        _ inbox: Inbox, _ match: RouteTable.Match, _ body: UnsafeRawBufferPointer, _ context: LoopContext
    ) -> Request {
        var (route, count): (Int?, Int) = (nil, 0)
        if case .route(let index, let parameters) = match { (route, count) = (index, parameters) }
        return Request(
            base: UnsafeRawPointer(inbox.bytes.base + inbox.start), head: inbox.parser.head,
            fields: inbox.parser.fieldTable, parameters: UnsafePointer(context.parameters), parameterCount: count,
            route: route, priority: route.map { context.routes.entries[$0].priority } ?? .read,
            origin: RequestOrigin(
                loop: context.loop, connection: connection, generation: generation, request: requests, peer: peer,
                carrier: context.mailbox),
            body: body, inbox: Unmanaged.passUnretained(inbox))
    }

    /// Runs the handler of a complete request.
    mutating func answer(_ inbox: Inbox, _ match: RouteTable.Match, _ context: LoopContext) {
        guard case .route(let index, _) = match else { return }
        let head = inbox.parser.head
        let bodyRange = inbox.start + inbox.parser.bodyStart..<inbox.start + inbox.parser.bodyEnd
        let body = UnsafeRawBufferPointer(rebasing: inbox.bytes.bytes[bodyRange])
        context.handled += 1
        context.draft.reset()
        let priority = context.routes.entries[index].priority
        guard context.admission.mayBegin(priority), !isTurnedAway(priority) else { return shed(head, context) }
        let request = makeRequest(inbox, match, body, context)
        var response = Response(context.draft)
        let outcome = context.routes.entries[index].handler(request, &response)
        if context.draft.status == .serviceUnavailable, priority != .control { wasShed = true }
        if context.draft.fixed != nil { context.applyConditions(request) }
        let style = style(head, context)
        switch outcome {
        case .respond: emit(style, context, at: context.now)
        case .deferred:
            let extra = (context.routes.entries[index].options.patienceMilliseconds ?? 0) - context.options.deferredTimeoutMilliseconds
            emit(
                style, context, at: context.now, isReady: false, priority: priority,
                patience: UInt64(max(0, extra)) * 1_000_000)
        case .stream:
            answers.append(requests, context) { context.writeStreamHead(style, into: &$0) }
            stage = style.isHead ? .ended : .streaming
            chunksStream = style.minorVersion > 0
        }
    }

    /// Answers 503: too many of its kind are under way. Cheap, and early.
    private mutating func shed(_ head: RequestHead, _ context: LoopContext) {
        context.draft.reset()
        let response = Response(context.draft)
        response.addHeader("Retry-After", "1")
        response.problem(.serviceUnavailable, detail: "too many requests wait for their answers; try again later")
        context.statistics.add(.shed)
        wasShed = true
        emit(style(head, context), context, at: context.now)
    }

    /// Writes the draft as the answer of the current request.
    mutating func emit(
        _ style: AnswerStyle, _ context: LoopContext, at start: UInt64, isReady: Bool = true,
        priority: Priority = .work, patience: UInt64 = 0
    ) {
        answers.add(requests, style, context, startedAt: start, isReady: isReady, priority: priority, patience: patience)
        if style.closes { stage = .ended }
    }

    /// Answers what the parser refused, and ends the conversation.
    mutating func refuse(_ error: ProtocolError, _ context: LoopContext) {
        context.statistics.add(.refusals)
        context.draft.reset()
        let item = ProblemItem(pointer: "", code: error.code.description, detail: error.detail.description)
        let response = Response(context.draft)
        if error.status == .serviceUnavailable { response.addHeader("Retry-After", "1") }
        response.problem(error.status, detail: error.detail.description, errors: [item])
        dropHeld(context)
        let isHead = inbox?.parser.head.method == .head
        emit(AnswerStyle(isHead: isHead, closes: true), context, at: context.now)
        releaseInbox(context)
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
}

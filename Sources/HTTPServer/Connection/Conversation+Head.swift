// What is decided when the head of a request is complete, before its body: most of what is refused ends here.

extension Conversation {
    /// Encoding, host, size, `intercept`, route, 100 Continue.
    mutating func headComplete(_ inbox: Inbox, _ context: LoopContext) throws(ProtocolError) -> RouteTable.Match {
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
        var priority = Priority.read
        inbox.parser.bodyLimit = context.options.bodyBytesMax
        if case .route(let index, _) = match {
            let route = context.routes.entries[index]
            inbox.parser.bodyLimit = route.options.bodyBytesMax ?? context.options.bodyBytesMax
            priority = route.priority
        }
        isUrgent = priority == .control
        if let length = head.contentLength, length > inbox.parser.bodyLimit { throw .bodyTooLarge }
        guard checkHost(head, bytes, context), mayPass(inbox, match, bytes, context) else {
            refuseAtHead(head, context)
            return match
        }
        guard priority == .control || !isReserved else { throw .reserved }
        // A decision needs no large buffer, and is made although somebody takes a large answer.
        let isSmall = priority == .work && head.contentLength ?? 0 <= Inbox.bytesInitial
        guard priority == .control || isSmall || !context.memory.isOver(peer) else { throw .outOfMemory }
        if !answerWithoutRoute(match, head, bytes, context) {
            discard(inbox, context)
        } else if head.expectsContinue, head.hasBody, bytes.count == inbox.parser.consumed {
            answers.append(requests, context) { $0.append("HTTP/1.1 100 Continue\r\n\r\n") }
        }
        return match
    }

    /// Asks `intercept`: 401, 403, 415 and 429 are its answers.
    private func mayPass(
        _ inbox: Inbox, _ match: RouteTable.Match, _ bytes: UnsafeRawBufferPointer, _ context: LoopContext
    ) -> Bool {
        guard let intercept = context.options.intercept else { return true }
        let request = makeRequest(inbox, match, UnsafeRawBufferPointer(start: bytes.baseAddress, count: 0), context)
        var response = Response(context.draft)
        return intercept(request, &response)
    }

    /// Answers, as the draft has it, a request of someone who may not send it. A body that follows is not waited for:
    /// the connection closes, since where the next request begins would only be known at the body's end.
    private mutating func refuseAtHead(_ head: RequestHead, _ context: LoopContext) {
        emit(style(head, context, closes: head.hasBody), context, at: context.now)
        if stage != .ended { stage = .discarding }
    }

    /// Answers, as the draft has it, a request that has no route; its body is checked and dropped first.
    private mutating func discard(_ inbox: Inbox, _ context: LoopContext) {
        let head = inbox.parser.head
        guard head.hasBody, !head.expectsContinue else {
            // Whether a body will come after an answer to Expect is unknown, so the connection cannot go on.
            emit(style(head, context, closes: head.hasBody), context, at: context.now)
            if stage != .ended { stage = .discarding }
            return
        }
        let box = context.takeOutbox()
        let style = style(head, context)
        context.writeAnswer(style, into: &box.bytes)
        held = (box, style)
        inbox.parser.discardsBody = true
        stage = .discarding
    }

    mutating func emitHeld(_ context: LoopContext) {
        guard let (box, style) = held else { return }
        held = nil
        answers.append(requests, context) { $0.append(box.bytes.bytes) }
        context.give(back: box)
        context.answeredAtOnce += 1
        if style.closes { stage = .ended }
    }

    mutating func dropHeld(_ context: LoopContext) {
        if let (box, _) = held { context.give(back: box) }
        held = nil
    }

    func route(_ inbox: Inbox, _ context: LoopContext) -> RouteTable.Match {
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
}

extension ProtocolError {
    static let reserved = ProtocolError(
        .serviceUnavailable, "connections", "too many connections are open; try again later")
}

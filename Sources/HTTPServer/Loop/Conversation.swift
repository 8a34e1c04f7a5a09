// One connection's side of HTTP: received bytes in, answers out, in order. No sockets and no clock of its own.

/// The state of a conversation with one client: requests are parsed out of an inbox and answered into an outbox.
///
/// Answers leave in the order of their requests. While an answer is deferred, those behind it wait in the same outbox;
/// each has a `Slot`. Without deferred answers there are no slots and everything in the outbox may be sent.
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

    /// An answer in the outbox that cannot leave yet, or stands behind one.
    struct Slot {
        let request: UInt32
        var length: Int
        var isReady: Bool
        let style: AnswerStyle
        let startedAt: UInt64
    }

    private(set) var stage = Stage.idle
    /// When the current request's first byte came, or its body began; nanoseconds.
    private(set) var stageBegan: UInt64 = 0
    private(set) var inbox: Inbox?
    private(set) var outbox: Outbox?
    /// How many bytes of the outbox are sent, and up to where it may be sent.
    private(set) var sent = 0
    private(set) var released = 0
    private var slots: [Slot] = []
    private var firstSlot = 0
    private var openSlots = 0
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

    var bytesToSend: Int { released - sent }
    /// Whether nothing is left to do but to close.
    var isFinished: Bool { stage == .ended && !hasSlots && bytesToSend == 0 }
    var hasSlots: Bool { firstSlot < slots.count }
    /// When the oldest deferred answer began to be waited for.
    var oldestDeferral: UInt64? { hasSlots ? slots[firstSlot].startedAt : nil }
    /// Deferred answers that are still open.
    var deferredCount: Int { openSlots }
    /// Whether the answers that wait forbid to read and parse on.
    func isFull(_ context: LoopContext) -> Bool {
        slots.count - firstSlot >= context.options.pipelinedMax
            || (outbox?.bytes.count ?? 0) - sent >= context.options.outputBytesMax
    }
    /// Whether bytes are here that have not been parsed because of `isFull`.
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
        while let inbox, stage != .ended, stage != .streaming, !isFull(context) {
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
            throw .bad("target", "the target's percent-encoding is not text in UTF-8")
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
        if mayPass { mayPass = answerWithoutRoute(match, head, context) }
        if !mayPass {
            reject(head, context)
        } else if head.expectsContinue, head.hasBody, bytes.count == inbox.parser.consumed {
            append(context) { $0.append("HTTP/1.1 100 Continue\r\n\r\n") }
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
        append(context) { $0.append(box.bytes.bytes) }
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
        Response(context.draft).problem(.forbidden, detail: "this host name is not served here")
        return false
    }

    /// 404, 405 and OPTIONS. Returns whether there is a route.
    private func answerWithoutRoute(_ match: RouteTable.Match, _ head: RequestHead, _ context: LoopContext) -> Bool {
        let response = Response(context.draft)
        switch match {
        case .route: return true
        case .otherMethod(let node):
            response.addHeader("Allow", context.routes.allow(node))
            if head.method == .options {
                response.status = .noContent
            } else {
                response.problem(.methodNotAllowed, detail: "this resource has no such method; see the Allow field")
            }
        case .none where head.isAsterisk:
            response.addHeader("Allow", context.routes.allowAll)
            response.status = .noContent
        case .none:
            response.problem(.notFound, detail: "there is nothing at this path")
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
            append(context) { context.writeStreamHead(style, into: &$0) }
            stage = style.isHead ? .ended : .streaming
            chunksStream = style.minorVersion > 0
        }
    }

    /// Writes the draft as the answer of the current request.
    private mutating func emit(
        _ style: AnswerStyle, _ context: LoopContext, at start: UInt64, isReady: Bool = true
    ) {
        let box = outboxForWriting(context)
        let before = box.bytes.count
        context.writeAnswer(style, into: &box.bytes)
        if isReady, !hasSlots {
            released = box.bytes.count
        } else {
            addSlot(
                Slot(
                    request: requests, length: box.bytes.count - before, isReady: isReady, style: style,
                    startedAt: start))
        }
        if isReady {
            context.answeredAtOnce += 1
        } else {
            openSlots += 1
            context.deferredOpen += 1
            context.statistics.add(.deferred)
        }
        if style.closes { stage = .ended }
    }

    private mutating func addSlot(_ slot: Slot) {
        if !hasSlots {
            slots.removeAll(keepingCapacity: true)
            firstSlot = 0
        }
        slots.append(slot)
    }

    private mutating func outboxForWriting(_ context: LoopContext) -> Outbox {
        if let outbox { return outbox }
        let box = context.takeOutbox()
        outbox = box
        return box
    }

    /// Appends bytes that are no answer of their own: an interim answer or a part of a stream.
    private mutating func append(_ context: LoopContext, _ write: (inout ByteBuffer) -> Void) {
        let box = outboxForWriting(context)
        let before = box.bytes.count
        write(&box.bytes)
        if hasSlots {
            addSlot(
                Slot(
                    request: requests, length: box.bytes.count - before, isReady: true, style: AnswerStyle(),
                    startedAt: context.now))
        } else {
            released = box.bytes.count
        }
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

    // MARK: Deferred answers

    /// Makes a deferred answer ready: the one that the handler wrote, or `replacement`. Returns whether it was awaited.
    mutating func complete(_ request: UInt32, with replacement: ResponseBytes?, _ context: LoopContext) -> Bool {
        var index = firstSlot
        var offset = released
        while index < slots.count, slots[index].isReady || slots[index].request != request {
            offset += slots[index].length
            index += 1
        }
        guard index < slots.count, let outbox else { return false }
        if let replacement {
            replacement.write(into: context.draft)
            let answer = context.takeOutbox()
            context.writeAnswer(slots[index].style, into: &answer.bytes)
            outbox.bytes.replace(at: offset, length: slots[index].length, with: answer.bytes.bytes)
            slots[index].length = answer.bytes.count
            context.give(back: answer)
        }
        slots[index].isReady = true
        context.statistics.took(context.now &- slots[index].startedAt)
        closeSlots(1, context)
        while hasSlots, slots[firstSlot].isReady {
            released += slots[firstSlot].length
            firstSlot += 1
        }
        return true
    }

    /// Answers 503 in place of each deferred answer that began before `limit`.
    mutating func expireDeferrals(startedBefore limit: UInt64, _ context: LoopContext) {
        let late = ResponseBytes.problem(
            .serviceUnavailable, detail: "the answer took too long; try again later", headers: [("Retry-After", "1")])
        for slot in slots[firstSlot...] where !slot.isReady && slot.startedAt <= limit {
            _ = complete(slot.request, with: late, context)
        }
    }

    /// Makes all deferred answers ready, as the handlers wrote them.
    mutating func releaseAll(_ context: LoopContext) {
        for slot in slots[firstSlot...] where !slot.isReady { _ = complete(slot.request, with: nil, context) }
    }

    private mutating func closeSlots(_ count: Int, _ context: LoopContext) {
        openSlots -= count
        context.deferredOpen -= count
        context.statistics.add(.deferred, -count)
    }

    // MARK: Streams

    /// Appends a piece to the stream that this conversation has become.
    mutating func stream(_ bytes: [UInt8], _ context: LoopContext) {
        guard stage == .streaming, !bytes.isEmpty else { return }
        let chunked = chunksStream
        append(context) { out in
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
        if chunksStream { append(context) { $0.append("0\r\n\r\n") } }
        stage = .ended
    }

    // MARK: Sending

    /// The bytes to send now.
    func withBytesToSend<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let outbox else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return body(UnsafeRawBufferPointer(rebasing: outbox.bytes.bytes[sent..<released]))
    }

    /// Takes note that `count` bytes have left.
    mutating func didSend(_ count: Int, _ context: LoopContext) {
        guard let box = outbox else { return }
        sent += count
        if sent == box.bytes.count {
            outbox = nil
            context.give(back: box)
            (sent, released) = (0, 0)
        } else if sent >= context.options.outputBytesMax {
            box.bytes.removeFirst(sent)
            released -= sent
            sent = 0
        }
    }

    /// Gives back everything shared, when the connection is gone.
    mutating func abandon(_ context: LoopContext) {
        closeSlots(openSlots, context)
        slots = []
        firstSlot = 0
        stage = .ended
        if let box = outbox { context.give(back: box) }
        outbox = nil
        dropHeld(context)
        (sent, released) = (0, 0)
        releaseInbox(context)
    }
}

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
        /// No handler will see the request (404, 405): the answer is held back while the body is read and dropped, since
        /// it may yet turn out to be malformed.
        case discarding
        /// The last answer is a stream; what the client sends is ignored.
        case streaming
        /// No further request will be read; the connection closes when all answers are sent.
        case ended
    }

    /// Why a complete request has not been answered.
    enum Hold: Equatable {
        /// Too much work is under way: it waits for its turn, since then.
        case parked(since: UInt64)
        /// This pass of the loop has taken enough of its kind.
        case nextPass(Priority)
    }

    var stage = Stage.idle
    /// When the current request's first byte came, or its body began; nanoseconds.
    var stageBegan: UInt64 = 0
    private(set) var inbox: Inbox?
    /// What has been answered and not yet sent.
    var answers = AnswerQueue()
    var requests: UInt32 = 0
    var hold: Hold?
    /// Only health and control are answered here, once: the server has no other connection left.
    var isReserved = false
    /// The request came while the client had been told to wait, and is turned away.
    var isImpatient = false
    /// A request was answered 503 since the loop looked last.
    var wasShed = false
    /// Whether the parser has said that it needs more bytes.
    private var isStarved = false
    /// Whether a stream goes out in chunks (HTTP/1.1) or ends with the connection (HTTP/1.0).
    var chunksStream = true
    /// The answer of a request whose body is being discarded.
    var held: (box: Outbox, style: AnswerStyle)?
    /// Bytes of large buffers that are counted for this connection.
    private var charged = 0
    /// Whether the request that is being read may be as large as its route allows, whatever others hold.
    var isUrgent = false
    let connection: UInt32
    let generation: UInt32
    let peer: PeerAddress

    init(connection: UInt32, generation: UInt32, peer: PeerAddress) {
        self.connection = connection
        self.generation = generation
        self.peer = peer
    }

    // MARK: What the connection asks

    /// Whether nothing is left to do but to close.
    var isFinished: Bool { stage == .ended && answers.isEmpty }
    var isParked: Bool { if case .parked = hold { true } else { false } }
    /// Whether bytes are here that have not been parsed because the answers had piled up, or the pass was over.
    var hasUnparsed: Bool { inbox != nil && !isStarved && !isParked && stage != .ended && stage != .streaming }
    /// Whether large buffers are counted for this connection.
    var isCharged: Bool { charged > 0 }
    /// How many bytes of the current body have come.
    var bodyReceived: Int { inbox?.parser.bodyCount ?? 0 }

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
        var taken = 0
        isStarved = false
        if case .nextPass = hold { hold = nil }
        while let inbox, stage != .ended, stage != .streaming, !answers.isFull(context), taken < PassBudget.requestsMax {
            guard inbox.bytes.count > inbox.start || !inbox.parser.isFresh else { break }
            do {
                switch try inbox.parser.next(&inbox.bytes, from: inbox.start) {
                case .needMore:
                    isStarved = true
                    return try waitForMore(inbox, context)
                case .head:
                    match = try headComplete(inbox, context)
                    isMatched = true
                case .complete:
                    if stage == .discarding {
                        stage = .idle
                        emitHeld(context)
                    } else {
                        if !isMatched { match = route(inbox, context) }
                        guard take(match, context) else { return account(context) }
                        answer(inbox, match, context)
                        if stage == .body { stage = .idle }
                    }
                    isMatched = false
                    taken += 1
                    inbox.start += inbox.parser.consumed
                    inbox.parser.reset()
                    if inbox.isKept { replaceInbox(inbox, context) }
                }
            } catch {
                refuse(error, context)
            }
        }
        releaseInbox(context)
    }

    private mutating func waitForMore(_ inbox: Inbox, _ context: LoopContext) throws(ProtocolError) {
        switch inbox.parser.phase {
        case .requestLine, .fields:
            if stage == .idle {
                stage = .head
                stageBegan = context.now
            }
        default:
            account(context)
            if !isUrgent, context.memory.isOver(peer), charged > 0 { throw .outOfMemory }
        }
    }

    /// Whether the complete request may be handled now; `hold` says why not. What waited too long goes on, and is turned
    /// away by `answer`.
    private mutating func take(_ match: RouteTable.Match, _ context: LoopContext) -> Bool {
        guard case .route(let index, _) = match else { return true }
        let priority = context.routes.entries[index].priority
        if case .parked(let since) = hold {
            let age = context.now &- since
            let isLate = age >= UInt64(max(0, context.options.parkedMilliseconds)) * 1_000_000
            guard context.admission.mayBegin(priority) || isLate else { return false }
            hold = nil
            return true
        }
        guard context.pass.take(priority) else {
            hold = .nextPass(priority)
            return false
        }
        guard priority == .work, !context.admission.mayBegin(.work), context.parked.count < context.options.parkedMax,
            !isTurnedAway(.work), context.mailbox != nil
        else { return true }
        hold = .parked(since: context.now)
        context.parked.append(.init(connection: connection, generation: generation, since: context.now))
        return false
    }

    /// Whether a request is answered 503 without being tried. Work that was pipelined behind refused work goes with it: its
    /// client waits for all answers anyway, and each would wait for its turn in vain.
    func isTurnedAway(_ priority: Priority) -> Bool {
        switch priority {
        case .control: false
        case .work: isImpatient || wasShed
        case .read: isImpatient
        }
    }

    // MARK: Buffers

    mutating func releaseInbox(_ context: LoopContext) {
        if let box = inbox {
            let isEmpty = box.bytes.count == box.start && box.parser.isFresh
            if isEmpty || stage == .ended || stage == .streaming {
                inbox = nil
                context.give(back: box)
            }
        }
        account(context)
    }

    /// Leaves the inbox to whoever keeps its body, and goes on with what is behind it.
    private mutating func replaceInbox(_ kept: Inbox, _ context: LoopContext) {
        let next = context.takeInbox()
        next.bytes.append(UnsafeRawBufferPointer(rebasing: kept.bytes.bytes[kept.start...]))
        inbox = next
    }

    /// Counts what this connection holds beyond buffers of the initial size.
    mutating func account(_ context: LoopContext) {
        var held = 0
        if let inbox, inbox.bytes.capacity > Inbox.bytesInitial { held += inbox.bytes.capacity }
        if answers.capacity > 2 * context.options.outputBytesMax { held += answers.capacity }
        guard held != charged else { return }
        context.memory.change(peer, by: held - charged)
        charged = held
    }

    /// Gives back everything shared, when the connection is gone.
    mutating func abandon(_ context: LoopContext) {
        stage = .ended
        answers.abandon(context)
        dropHeld(context)
        releaseInbox(context)
    }
}

extension ProtocolError {
    static let outOfMemory = ProtocolError(
        .serviceUnavailable, "buffers", "too many bytes wait in this server's buffers; try again later")
}

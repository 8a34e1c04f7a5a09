// Answers in the order of their requests, although some of them are ready later than those behind them.

/// The answers of one connection that have not been sent yet.
///
/// They stand in one outbox. While an answer is deferred, those behind it wait; each has a `Slot`. Without deferred
/// answers there are no slots and everything in the outbox may be sent. The body of a large one is sent from where it
/// was made: copying a hundred megabytes would hold up the other connections.
struct AnswerQueue {
    /// An answer in the outbox that cannot leave yet, or stands behind one.
    struct Slot {
        let request: UInt32
        var length: Int
        var isReady: Bool
        let style: AnswerStyle
        let startedAt: UInt64
        var priority = Priority.work
        /// Nanoseconds that it may take beyond what every answer may.
        var patience: UInt64 = 0
        var dueFrom: UInt64 { startedAt &+ patience }
    }

    private(set) var outbox: Outbox?
    /// How many bytes of the outbox are sent, and up to where it may be sent.
    private var sent = 0
    private var released = 0
    /// A large body, to be sent behind the outbox, and how many bytes of it are.
    private var largeBody: [UInt8] = []
    private var largeBodySent = 0
    private var slots: [Slot] = []
    private var firstSlot = 0
    /// Deferred answers of reads that are not there yet.
    private var openReads = 0

    var bytesToSend: Int { released - sent + largeBody.count - largeBodySent }
    /// What the answers hold in memory.
    var capacity: Int { (outbox?.bytes.capacity ?? 0) + largeBody.count }
    var isEmpty: Bool { !hasSlots && bytesToSend == 0 }
    var hasSlots: Bool { firstSlot < slots.count }
    /// From when on the oldest deferred answer is waited for: when it was asked for, or later where it may take its time.
    var oldestDeferral: UInt64? { hasSlots ? slots[firstSlot].dueFrom : nil }
    /// Whether the answers that wait forbid to read and parse on.
    ///
    /// How large the answer of a read will be is known when it is there: a connection has one under way, whatever it has
    /// sent, or who pipelines reads and takes no answer would fill our memory with sixty large ones.
    func isFull(_ context: LoopContext) -> Bool {
        openReads > 0 || slots.count - firstSlot >= context.options.pipelinedMax
            || (outbox?.bytes.count ?? 0) - sent >= context.options.outputBytesMax || !largeBody.isEmpty
    }

    // MARK: Adding

    /// Writes the draft as the answer of `request`; deferred unless it is ready.
    mutating func add(
        _ request: UInt32, _ style: AnswerStyle, _ context: LoopContext, startedAt: UInt64, isReady: Bool,
        priority: Priority = .work, patience: UInt64 = 0
    ) {
        let box = outboxForWriting(context)
        let before = box.bytes.count
        context.writeAnswer(style, into: &box.bytes)
        if isReady, !hasSlots {
            released = box.bytes.count
        } else {
            addSlot(
                Slot(
                    request: request, length: box.bytes.count - before, isReady: isReady, style: style,
                    startedAt: startedAt, priority: priority, patience: patience))
        }
        if isReady {
            context.answeredAtOnce += 1
        } else {
            context.admission.began(priority)
            context.statistics.add(.deferred)
            if priority == .read { openReads += 1 }
        }
    }

    private mutating func addSlot(_ slot: Slot) {
        if !hasSlots {
            slots.removeAll(keepingCapacity: true)
            firstSlot = 0
        }
        slots.append(slot)
    }

    private mutating func outboxForWriting(_ context: LoopContext) -> Outbox {
        let box = outbox ?? context.takeOutbox()
        outbox = box
        if !largeBody.isEmpty {
            // Nothing is read while a large body is under way, but what was half read may have to be refused.
            box.bytes.append(largeBody[largeBodySent...])
            released = box.bytes.count
            (largeBody, largeBodySent) = ([], 0)
        }
        return box
    }

    /// Appends bytes that are no answer of their own: an interim answer or a part of a stream.
    mutating func append(_ request: UInt32, _ context: LoopContext, _ write: (inout ByteBuffer) -> Void) {
        let box = outboxForWriting(context)
        let before = box.bytes.count
        write(&box.bytes)
        if hasSlots {
            addSlot(
                Slot(
                    request: request, length: box.bytes.count - before, isReady: true, style: AnswerStyle(),
                    startedAt: context.now))
        } else {
            released = box.bytes.count
        }
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
            let isApart = replacement.isLarge && !slots[index].style.isHead && index == slots.count - 1 && index == firstSlot
            replacement.write(into: context.draft, withBody: !isApart)
            if isApart { largeBody = replacement.body }
            let answer = context.takeOutbox()
            context.writeAnswer(slots[index].style, into: &answer.bytes)
            outbox.bytes.replace(at: offset, length: slots[index].length, with: answer.bytes.bytes)
            slots[index].length = answer.bytes.count
            context.give(back: answer)
        }
        slots[index].isReady = true
        if slots[index].priority == .read { openReads -= 1 }
        let took = context.now &- slots[index].startedAt
        context.statistics.took(took)
        context.statistics.add(.deferred, -1)
        context.admission.completed(slots[index].priority, took: took, now: context.now)
        while hasSlots, slots[firstSlot].isReady {
            released += slots[firstSlot].length
            firstSlot += 1
        }
        return true
    }

    /// Answers 503 in place of each deferred answer that began before `limit`. `mayCancel` is asked whether the work has
    /// not begun and never will; where it has, the client is told that nobody knows.
    mutating func expireDeferrals(
        startedBefore limit: UInt64, _ context: LoopContext, mayCancel: (_ request: UInt32) -> Bool = { _ in true }
    ) {
        for slot in slots[firstSlot...] where !slot.isReady && slot.dueFrom <= limit {
            let detail =
                mayCancel(slot.request)
                ? "The answer took too long; nothing was done. Try again later."
                : "The answer took too long; whether it was carried out is not known. Look before you repeat it."
            let late = ResponseBytes.problem(
                .serviceUnavailable, detail: detail, headers: [("Retry-After", "1")])
            _ = complete(slot.request, with: late, context)
        }
    }

    /// Makes all deferred answers ready, as the handlers wrote them.
    mutating func releaseAll(_ context: LoopContext) {
        for slot in slots[firstSlot...] where !slot.isReady { _ = complete(slot.request, with: nil, context) }
    }

    // MARK: Sending

    /// The bytes to send next; all of them, unless a large body is behind.
    func withBytesToSend<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if let outbox, sent < released { return body(UnsafeRawBufferPointer(rebasing: outbox.bytes.bytes[sent..<released])) }
        return largeBody.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[largeBodySent...])) }
    }

    /// Takes note that `count` bytes have left.
    mutating func didSend(_ count: Int, _ context: LoopContext) {
        guard let box = outbox else {
            largeBodySent += count
            if largeBodySent == largeBody.count { (largeBody, largeBodySent) = ([], 0) }
            return
        }
        sent += count
        if sent == box.bytes.count {
            outbox = nil
            context.give(back: box)
            (sent, released) = (0, 0)
        } else if sent >= max(context.options.outputBytesMax, box.bytes.count / 2) {
            box.bytes.removeFirst(sent)
            released -= sent
            sent = 0
        }
    }

    /// Gives back everything shared, when the connection is gone.
    mutating func abandon(_ context: LoopContext) {
        for slot in slots[firstSlot...] where !slot.isReady {
            context.statistics.add(.deferred, -1)
            context.admission.abandoned(slot.priority)
        }
        slots = []
        firstSlot = 0
        openReads = 0
        (largeBody, largeBodySent) = ([], 0)
        if let box = outbox { context.give(back: box) }
        outbox = nil
        (sent, released) = (0, 0)
    }
}

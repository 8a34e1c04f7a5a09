// One event loop: an epoll descriptor watched by one Dispatch source, and everything that happens when it is readable.

import CLinux
import Dispatch
import Glibc

/// Serves the connections given to it, all on one serial queue.
///
/// A Dispatch source per connection would cost about eleven system calls a request; one source on an epoll descriptor
/// costs its wake-up once per drain. Woken, the loop stays for a while and waits by itself: Dispatch would wake one thread
/// for each event to tell another one. Within a drain everything is synchronous: receive, parse, answer; then `onDrain`;
/// then one `send` for each connection that has something to say.
actor EventLoop {
    nonisolated let index: Int
    nonisolated let mailbox: Mailbox
    nonisolated let statistics: LoopStatistics
    nonisolated private let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let context: LoopContext
    let limits: SharedLimits
    var connections = ConnectionTable()
    var listeners: [Listener] = []
    var peers: [Mailbox] = []
    var nextPeer = 0
    /// When accepting goes on after the process ran out of descriptors; 0 while it is not paused.
    var acceptPausedUntil: UInt64 = 0
    /// Connections of the reserve, oldest first; those that are gone among them.
    var reserved: [(index: UInt32, generation: UInt32)] = []
    /// Connections of the reserve accepted before `nextTick`.
    var reservedInTick = 0
    var nextTick: UInt64 = 0
    /// An open descriptor to give up when there is no other, so that a client can be told; -1 while it is given up.
    var spareDescriptor: Int32 = -1
    var wheel: TimerWheel
    var drainDeadline = UInt64.max
    private var drainWaiters: [CheckedContinuation<Void, Never>] = []
    /// Connections with something to send or to decide at the end of the drain.
    private var marked: [Connection] = []
    /// Connections with requests that were received but not answered because their answers had piled up or the pass was
    /// over; those that wait for a pass with room for their kind, oldest first.
    private var stalled: [Connection] = []
    private var stalledByPriority = [[Connection]](repeating: [], count: Priority.allCases.count)
    /// Completions that came from this loop itself, applied after `onDrain`.
    private var ownReleases: [[Deferral]] = []
    private var ownCompletions: [[(Deferral, ResponseBytes)]] = []
    /// -1 if the process had no descriptor left; `Server.start` then fails.
    nonisolated let epoll: Int32
    private var source: (any DispatchSourceRead)?
    private var timer: (any DispatchSourceTimer)?
    private var timerRuns = false
    private let batch = EventBatch()

    /// How long the loop stays when it was woken, before the timer has its turn.
    private static let stayNanoseconds: UInt64 = 20_000_000
    /// Marks the key of a listener.
    static let listenerKey: UInt64 = 1 << 63
    private static let bellKey = UInt64.max

    init(index: Int, options: ServerOptions, routes: RouteTable, limits: SharedLimits) {
        self.index = index
        self.limits = limits
        let executor = LoopExecutor(label: "aware.http.loop-\(index)")
        self.executor = executor
        let statistics = LoopStatistics()
        self.statistics = statistics
        // The mailbox wakes the loop, the loop owns the mailbox: the closure reaches the loop through a weak box.
        let owner = WeakLoop()
        let mailbox = Mailbox(options: options) {
            guard !executor.bell.ring() else { return }
            executor.queue.async { owner.loop?.assumeIsolated { $0.mailCame() } }
        }
        self.mailbox = mailbox
        context = LoopContext(
            loop: index, routes: routes, options: options, statistics: statistics, mailbox: mailbox)
        wheel = TimerWheel(now: clinux_monotonic_nanoseconds())
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        _ = clinux_epoll_ctl(epoll, EPOLL_CTL_ADD, executor.bell.descriptor, EPOLLIN.rawValue, Self.bellKey)
        owner.set(self)
    }

    /// False if the process had no descriptors left.
    nonisolated var isOpen: Bool { epoll >= 0 && executor.bell.descriptor >= 0 }

    deinit {
        if epoll >= 0 { Glibc.close(epoll) }
        if spareDescriptor >= 0 { Glibc.close(spareDescriptor) }
    }

    // MARK: Life

    /// Begins to watch, with the listeners of this loop (the first loop has all).
    nonisolated func run(listeners: [Listener], peers: [Mailbox]) {
        executor.queue.async { self.assumeIsolated { $0.begin(listeners, peers) } }
    }

    private func begin(_ listeners: [Listener], _ peers: [Mailbox]) {
        self.peers = peers
        self.listeners = listeners
        if !listeners.isEmpty { openSpare() }
        for (i, listener) in listeners.enumerated() {
            _ = clinux_epoll_ctl(
                epoll, EPOLL_CTL_ADD, listener.descriptor, EPOLLIN.rawValue, Self.listenerKey | UInt64(i))
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: executor.queue)
        source.setEventHandler { @Sendable [self] in assumeIsolated { $0.wake() } }
        source.activate()
        self.source = source
        let timer = DispatchSource.makeTimerSource(queue: executor.queue)
        let tick = DispatchTimeInterval.nanoseconds(Int(TimerWheel.tickNanoseconds))
        timer.schedule(deadline: .now() + tick, repeating: tick, leeway: tick)
        timer.setEventHandler { @Sendable [self] in assumeIsolated { $0.timePassed() } }
        self.timer = timer
        // Dispatch opens a descriptor when the first timer starts, and traps if there is none left: start it now, while
        // there are, rather than with the first connection. It rests from its first tick on.
        timer.resume()
        timerRuns = true
    }

    /// Cuts all connections and stops watching.
    private func end() {
        closeListeners()
        for connection in connections.all { close(connection) }
        source?.cancel()
        source = nil
        // A suspended source must not be released.
        if let timer {
            timer.cancel()
            if !timerRuns { timer.resume() }
        }
        timer = nil
        resumeDrainWaiters()
    }

    /// The timer runs only while there is something to time.
    func updateTimer() {
        let isNeeded = connections.count > 0 || acceptPausedUntil > 0 || !drainWaiters.isEmpty
        guard let timer, isNeeded != timerRuns else { return }
        if isNeeded { timer.resume() } else { timer.suspend() }
        timerRuns = isNeeded
    }

    // MARK: Drains

    /// The epoll descriptor is readable: handles what is ready, and what comes while the loop stays.
    private func wake() {
        enter()
        defer { leave() }
        statistics.add(.wakeups)
        let begun = clinux_monotonic_nanoseconds()
        while source != nil, !executor.isAwaited {
            let passed = clinux_monotonic_nanoseconds() &- begun
            guard passed < Self.stayNanoseconds else { break }
            let count = waitForEvents(nanoseconds: hasStalled ? 0 : Self.stayNanoseconds - passed)
            if !mailbox.isEmpty { takeMail() }
            guard count > 0 || hasStalled else { continue }
            context.tick()
            beginPass()
            for i in 0..<max(0, count) { handle(batch.keys[i], batch.events[i]) }
            finishDrain()
        }
        comeBackForStalled()
    }

    /// The number of events; negative for an error. Ends at once when there is something else to do.
    private func waitForEvents(nanoseconds: UInt64) -> Int {
        executor.bell.listen(true)
        defer { executor.bell.listen(false) }
        let mayWait = nanoseconds > 0 && mailbox.isEmpty && !executor.isAwaited
        return batch.take(epoll, milliseconds: mayWait ? Int32(nanoseconds / 1_000_000) + 1 : 0)
    }

    /// What waited goes first: parked work, then connections whose turn the last pass did not reach.
    private func beginPass() {
        context.pass.refill(context.options, isBusy: context.admission.isWorking || !context.parked.isEmpty)
        resumeParked()
        resumeStalled()
    }

    private var hasStalled: Bool {
        !stalled.isEmpty || stalledByPriority.contains { !$0.isEmpty }
            || (!context.parked.isEmpty && context.admission.mayBegin(.work))
    }

    /// Stalled connections are not reported by epoll.
    private func comeBackForStalled() {
        if hasStalled { executor.queue.async { self.assumeIsolated { $0.wake() } } }
    }

    private func enter() {
        clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
    }

    private func leave() {
        clinux_set_current_loop(nil)
    }

    private func handle(_ key: UInt64, _ events: UInt32) {
        if key == Self.bellKey {
            executor.bell.silence()
        } else if key & Self.listenerKey != 0 {
            accept(Int(key & ~Self.listenerKey))
        } else if let connection = connections[key] {
            // The client had closed its side already and is now gone altogether: nobody will read what is still due.
            let isGone = events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
            if isGone, connection.sawEnd { return close(connection) }
            if events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { receive(connection) }
            if events & EPOLLOUT.rawValue != 0 { mark(connection) }
        }
    }

    /// Puts a connection on the list of those to look after when the drain ends.
    func mark(_ connection: Connection) {
        guard !connection.isMarked else { return }
        connection.isMarked = true
        marked.append(connection)
    }

    /// The end of a drain: the hook, the answers that it completed, then everything is sent.
    private func finishDrain() {
        if context.handled > 0 {
            context.handled = 0
            context.options.onDrain?(index)
        }
        repeat {
            applyOwnCompletions()
            settleMarked()
            // Closing a connection may run callbacks that complete further answers.
        } while !ownReleases.isEmpty || !ownCompletions.isEmpty
        statistics.add(.drains)
    }

    private func settleMarked() {
        // Settling never marks, but closing runs callbacks of streams: index instead of iterating.
        var i = 0
        while i < marked.count {
            marked[i].isMarked = false
            settle(marked[i])
            i += 1
        }
        marked.removeAll(keepingCapacity: true)
        if context.answeredAtOnce > 0 {
            statistics.took(clinux_monotonic_nanoseconds() &- context.now, times: context.answeredAtOnce)
            context.answeredAtOnce = 0
        }
    }

    func stall(_ connection: Connection) {
        if case .nextPass(let priority) = connection.conversation.hold {
            stalledByPriority[priority.rawValue].append(connection)
        } else {
            stalled.append(connection)
        }
    }

    private func resumeStalled() {
        if !stalled.isEmpty {
            let ready = stalled
            stalled.removeAll(keepingCapacity: true)
            for connection in ready { resume(connection) }
        }
        for priority in Priority.allCases where !stalledByPriority[priority.rawValue].isEmpty {
            let waiting = stalledByPriority[priority.rawValue]
            stalledByPriority[priority.rawValue].removeAll(keepingCapacity: true)
            var next = 0
            while next < waiting.count, context.pass.has(priority) {
                resume(waiting[next])
                next += 1
            }
            stalledByPriority[priority.rawValue] += waiting[next...]
        }
    }

    private func resume(_ connection: Connection) {
        guard connections.find(connection.index, connection.generation) === connection else { return }
        connection.conversation.advance(context)
        mark(connection)
    }

    // MARK: Answers that come later

    /// Whether the caller runs on this loop, within one of its handlers.
    nonisolated private var isCurrent: Bool {
        clinux_current_loop() == UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
    }

    nonisolated func release(_ deferrals: [Deferral]) {
        if isCurrent { assumeIsolated { $0.ownReleases.append(deferrals) } } else { mailbox.post(.release(deferrals)) }
    }

    nonisolated func complete(_ answers: [(Deferral, ResponseBytes)]) {
        if isCurrent { assumeIsolated { $0.ownCompletions.append(answers) } } else { mailbox.post(.complete(answers)) }
    }

    private func applyOwnCompletions() {
        guard !ownReleases.isEmpty || !ownCompletions.isEmpty else { return }
        for deferrals in ownReleases { apply(deferrals) }
        for answers in ownCompletions { apply(answers) }
        ownReleases.removeAll(keepingCapacity: true)
        ownCompletions.removeAll(keepingCapacity: true)
    }

    private func apply(_ deferrals: [Deferral]) {
        for deferral in deferrals { apply(deferral, nil) }
    }

    private func apply(_ answers: [(Deferral, ResponseBytes)]) {
        for (deferral, answer) in answers { apply(deferral, answer) }
    }

    private func apply(_ deferral: Deferral, _ answer: ResponseBytes?) {
        guard let connection = connections.find(deferral.connection, deferral.generation),
            connection.conversation.answers.complete(deferral.request, with: answer, context)
        else { return }
        connection.conversation.account(context)
        mark(connection)
    }

    /// Somebody has put something into the mailbox while the loop was away.
    private func mailCame() {
        enter()
        defer { leave() }
        takeMail()
        comeBackForStalled()
    }

    /// Handles what other threads have put into the mailbox.
    private func takeMail() {
        context.tick()
        context.pass.refill(context.options, isBusy: true)
        for message in mailbox.take() {
            switch message {
            case .adopt(let descriptor, let peer): adopt(descriptor, peer)
            case .release(let deferrals): apply(deferrals)
            case .complete(let answers): apply(answers)
            case .beginStream(let handle): begin(handle)
            case .stream(let handle, let bytes):
                handle.taken(bytes.count)
                if let connection = streaming(handle) {
                    connection.conversation.stream(bytes, context)
                    mark(connection)
                }
            case .endStream(let handle):
                if let connection = streaming(handle) {
                    connection.conversation.endStream(context)
                    mark(connection)
                }
            case .announceEnd: context.isEnding = true
            case .ignoreHandshakes: for listener in listeners { listener.ignoreHandshakes() }
            case .drain: beginDraining()
            case .shutdown: end()
            }
        }
        resumeParked()
        finishDrain()
    }

    /// Ties a handle to its connection; if the handler answered otherwise, or the client has gone, the stream is over.
    private func begin(_ handle: StreamHandle) {
        guard let connection = connections.find(handle.deferral.connection, handle.deferral.generation),
            connection.conversation.stage == .streaming, connection.stream == nil
        else { return handle.ended() }
        connection.stream = handle
        statistics.add(.streams)
    }

    private func streaming(_ handle: StreamHandle) -> Connection? {
        let connection = connections.find(handle.deferral.connection, handle.deferral.generation)
        return connection?.stream === handle ? connection : nil
    }

    // MARK: Time and the end

    private func timePassed() {
        enter()
        defer { leave() }
        context.tick()
        for entry in wheel.expired(now: context.now) {
            guard let connection = connections[entry.key], connection.wheelTick == entry.tick else { continue }
            connection.wheelTick = .max
            if connection.deadline <= context.now { timeOut(connection) } else { schedule(connection) }
        }
        if acceptPausedUntil > 0, acceptPausedUntil <= context.now { resumeAccepting() }
        context.pass.refill(context.options, isBusy: true)
        resumeParked()
        if drainDeadline <= context.now { for connection in connections.all { close(connection) } }
        finishDrain()
        updateTimer()
        comeBackForStalled()
    }

    /// Asks the wheel to ask about `connection` when its deadline may have come.
    func schedule(_ connection: Connection) {
        guard connection.deadline != .max else { return }
        let wanted = connection.deadline / TimerWheel.tickNanoseconds + 1
        if connection.wheelTick > wanted {
            connection.wheelTick = wheel.add(connection.key, deadline: connection.deadline)
        }
    }

    /// Returns when no connection is left; those open at `deadline` are cut.
    func drained(deadline: UInt64) async {
        drainDeadline = min(drainDeadline, deadline)
        guard connections.count > 0, source != nil else { return }
        await withCheckedContinuation { continuation in
            drainWaiters.append(continuation)
            updateTimer()
        }
    }

    func resumeDrainWaiters() {
        let waiters = drainWaiters
        drainWaiters = []
        for waiter in waiters { waiter.resume() }
    }

    private func beginDraining() {
        context.isEnding = true
        context.isDraining = true
        acceptLast()
        for connection in connections.all { mark(connection) }
    }
}

/// Lets a loop's mailbox reach the loop without keeping it alive.
private final class WeakLoop: @unchecked Sendable {
    // Set once, before the mailbox is used by anyone.
    private(set) weak var loop: EventLoop?
    func set(_ loop: EventLoop) { self.loop = loop }
}

/// Room for the events of one `epoll_wait`.
private final class EventBatch {
    let events = UnsafeMutablePointer<UInt32>.allocate(capacity: Int(CLINUX_EPOLL_BATCH))
    let keys = UnsafeMutablePointer<UInt64>.allocate(capacity: Int(CLINUX_EPOLL_BATCH))

    deinit {
        events.deallocate()
        keys.deallocate()
    }

    /// Takes what is ready, or becomes so within `milliseconds`; the number of events, negative for an error.
    func take(_ epoll: Int32, milliseconds: Int32) -> Int {
        Int(clinux_epoll_take(epoll, events, keys, CLINUX_EPOLL_BATCH, milliseconds))
    }
}

// What a loop does with one connection: receive, send, watch, time out, close.

import CLinux
import Glibc

extension EventLoop {
    // MARK: Receiving

    /// Takes what the socket has and answers it. One `recv` per event: epoll reports again if there is more.
    func receive(_ connection: Connection) {
        mark(connection)
        if connection.isLingering || connection.conversation.stage == .streaming { return drop(connection) }
        // What a client sends behind requests that wait stays in the kernel: else pipelines would fill our memory.
        if connection.isMuted || connection.conversation.isParked || connection.conversation.hasUnparsed {
            connection.isMuted = true
            return
        }
        let inbox = connection.conversation.inboxForReading(context)
        let room = inbox.bytes.capacity - inbox.bytes.count
        var count: Int
        repeat {
            count = recv(connection.descriptor, inbox.bytes.base + inbox.bytes.count, room, Int32(MSG_DONTWAIT))
        } while count < 0 && errno == EINTR
        if count > 0 {
            inbox.bytes.count += count
            statistics.add(.bytesReceived, count)
            connection.conversation.advance(context)
        } else if count == 0 {
            connection.sawEnd = true
            connection.conversation.endInput(context)
        } else if errno != EAGAIN {
            close(connection)
        }
    }

    /// Receives and forgets: after the last answer, or from a client that only listens.
    private func drop(_ connection: Connection) {
        let inbox = context.takeInbox()
        defer { context.give(back: inbox) }
        let count = recv(connection.descriptor, inbox.bytes.base, inbox.bytes.capacity, Int32(MSG_DONTWAIT))
        if count > 0 {
            connection.lingered += count
            if connection.lingered > context.options.lingerBytesMax { close(connection) }
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            // A stream's reader that closes its side is taken to have gone.
            close(connection)
        }
    }

    // MARK: At the end of a drain

    /// Sends what can be sent, then decides what the connection waits for.
    func settle(_ connection: Connection) {
        guard connections.find(connection.index, connection.generation) === connection else { return }
        guard send(connection) else { return close(connection) }
        // The conversation is asked in place, never copied: it is large, and this runs for every request.
        let isStreaming = connection.conversation.stage == .streaming
        if isStreaming, connection.conversation.answers.bytesToSend > context.options.streamBytesMax {
            return close(connection)
        }
        if isStreaming, context.isDraining {
            connection.conversation.endStream(context)
            return settle(connection)
        }
        if connection.conversation.isFinished {
            if connection.sawEnd { return close(connection) }
            if !connection.isLingering { linger(connection) }
        }
        if connection.conversation.wasShed { pause(connection) }
        let isFull = connection.conversation.answers.isFull(context)
        let hasUnparsed = connection.conversation.hasUnparsed
        if !isFull, hasUnparsed { stall(connection) }
        if connection.isMuted, connection.pausedUntil == 0, !hasUnparsed, !connection.conversation.isParked {
            connection.isMuted = false
        }
        watch(connection, isFull: isFull)
        connection.deadline = deadline(connection)
        schedule(connection)
    }

    /// Sends all that may be sent; false when the connection is broken.
    private func send(_ connection: Connection) -> Bool {
        while connection.conversation.answers.bytesToSend > 0 {
            let (count, wanted) = connection.conversation.answers.withBytesToSend {
                (Glibc.send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)), $0.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                guard errno == EAGAIN else { return false }
                if !connection.isBlocked { connection.progressAt = context.now }
                connection.isBlocked = true
                return true
            }
            statistics.add(.bytesSent, count)
            connection.progressAt = context.now
            connection.conversation.answers.didSend(count, context)
            if count < wanted {
                connection.isBlocked = true
                return true
            }
        }
        connection.isBlocked = false
        // A large answer that has left is no longer held against its client.
        if connection.conversation.isCharged { connection.conversation.account(context) }
        return true
    }

    /// Tells epoll what to report from now on, if that has changed.
    private func watch(_ connection: Connection, isFull: Bool) {
        var wanted: UInt32 = 0
        let isOpen = connection.conversation.stage != .ended && !isFull && !connection.isMuted
        let mayRead = connection.isLingering || isOpen
        if mayRead, !connection.sawEnd { wanted |= EPOLLIN.rawValue }
        if connection.isBlocked { wanted |= EPOLLOUT.rawValue }
        guard wanted != connection.interest else { return }
        connection.interest = wanted
        _ = clinux_epoll_ctl(epoll, EPOLL_CTL_MOD, connection.descriptor, wanted, connection.key)
    }

    // MARK: Time

    /// When the connection must have moved, by the state it is in.
    private func deadline(_ connection: Connection) -> UInt64 {
        let options = context.options
        func after(_ start: UInt64, _ milliseconds: Int) -> UInt64 { start &+ UInt64(max(0, milliseconds)) * 1_000_000 }
        if connection.isLingering { return connection.deadline }
        if connection.reservedAt > 0 { return after(connection.reservedAt, options.reservedTimeoutMilliseconds) }
        if connection.isBlocked { return after(connection.progressAt, options.writeStallMilliseconds) }
        if connection.pausedUntil > 0 { return connection.pausedUntil }
        if let oldest = connection.conversation.answers.oldestDeferral {
            return after(oldest, options.deferredTimeoutMilliseconds)
        }
        let began = connection.conversation.stageBegan
        switch connection.conversation.stage {
        case .idle, .ended:
            return after(
                context.now, context.isDraining ? options.drainIdleMilliseconds : options.idleTimeoutMilliseconds)
        case .head: return after(began, options.headerTimeoutMilliseconds)
        case .body, .discarding:
            let absolute = after(began, options.bodyTimeoutMilliseconds)
            let firstCheck = after(began, options.bodyGraceMilliseconds)
            let nextCheck = after(context.now, 1000)
            return min(absolute, max(firstCheck, nextCheck))
        case .streaming: return after(context.now, options.streamHeartbeatMilliseconds)
        }
    }

    /// The connection's deadline has passed.
    func timeOut(_ connection: Connection) {
        let options = context.options
        defer { mark(connection) }
        if connection.isLingering { return close(connection) }
        if connection.isBlocked {
            statistics.add(.timeouts)
            return close(connection)
        }
        if connection.reservedAt > 0 {
            statistics.add(.timeouts)
            return close(connection)
        }
        if connection.pausedUntil > 0 { return listenAgain(connection) }
        if connection.conversation.answers.hasSlots {
            let limit = context.now &- UInt64(max(0, options.deferredTimeoutMilliseconds)) * 1_000_000
            return connection.conversation.answers.expireDeferrals(startedBefore: limit, context) { [index] request in
                options.cancel?(
                    Deferral(
                        loop: index, connection: connection.index, generation: connection.generation, request: request)
                ) ?? false
            }
        }
        switch connection.conversation.stage {
        case .idle, .ended:
            connection.conversation.endInput(context)
            if !context.isDraining { statistics.add(.timeouts) }
        case .head: refuseLate(connection, "the header section took too long")
        case .body, .discarding:
            let elapsed = context.now &- connection.conversation.stageBegan
            let isOver = elapsed >= UInt64(max(0, options.bodyTimeoutMilliseconds)) * 1_000_000
            let (least, _) = UInt64(max(0, options.bodyBytesPerSecondMin)).multipliedReportingOverflow(by: elapsed)
            if isOver || UInt64(max(0, connection.conversation.bodyReceived)) < least / 1_000_000_000 {
                refuseLate(connection, "the body came too slowly")
            }
        case .streaming:
            connection.conversation.stream(Array(": still here\n\n".utf8), context)
        }
    }

    private func refuseLate(_ connection: Connection, _ detail: StaticString) {
        statistics.add(.timeouts)
        connection.conversation.refuse(ProtocolError(.requestTimeout, "timeout", detail), context)
    }

    // MARK: Overload

    /// A client that was told to come back later is not listened to for a moment: if it comes back at once, turning it
    /// away again and again would cost more than the work that is done.
    private func pause(_ connection: Connection) {
        connection.conversation.wasShed = false
        let options = context.options
        let least = UInt64(max(0, options.impatiencePauseMilliseconds)) * 1_000_000
        let most = UInt64(max(0, options.impatiencePauseMillisecondsMax)) * 1_000_000
        connection.pause = min(most, max(least, connection.pause &* 2))
        connection.pausedUntil = context.now &+ connection.pause
        connection.isMuted = true
    }

    /// The pause is over. A request that came during it has waited too long already and is turned away; the next one has
    /// its chance, at the price of a longer pause. Who waited is trusted more.
    private func listenAgain(_ connection: Connection) {
        connection.pausedUntil = 0
        connection.isMuted = false
        connection.conversation.isImpatient = true
        let before = connection.conversation.requests
        receive(connection)
        connection.conversation.isImpatient = false
        connection.conversation.wasShed = false
        if connection.conversation.requests == before { connection.pause /= 4 }
    }

    /// Handles the work that waited, as far as there is room; what waited too long is turned away.
    func resumeParked() {
        let limit = UInt64(max(0, context.options.parkedMilliseconds)) * 1_000_000
        while let entry = context.parked.oldest {
            guard context.admission.mayBegin(.work) || context.now &- entry.since >= limit else { return }
            context.parked.removeFirst()
            guard let connection = connections.find(entry.connection, entry.generation),
                connection.conversation.isParked
            else { continue }
            connection.conversation.advance(context)
            mark(connection)
        }
    }

    // MARK: The end

    /// Closes our side after the last answer; what the client still sends is read for a while, because closing with
    /// unread bytes makes the kernel send a reset, which would overtake and destroy the answer.
    private func linger(_ connection: Connection) {
        connection.isLingering = true
        connection.deadline = context.now &+ UInt64(max(0, context.options.lingerMilliseconds)) * 1_000_000
        shutdown(connection.descriptor, Int32(SHUT_WR))
    }

    /// Closes the socket and forgets the connection.
    func close(_ connection: Connection) {
        guard connections.find(connection.index, connection.generation) === connection else { return }
        Glibc.close(connection.descriptor)
        connection.conversation.abandon(context)
        connections.remove(connection)
        limits.leave(isReserved: connection.reservedAt > 0)
        statistics.add(.open, -1)
        if let stream = connection.stream {
            statistics.add(.streams, -1)
            stream.ended()
        }
        if connections.count == 0, context.isDraining { resumeDrainWaiters() }
        updateTimer()
    }
}

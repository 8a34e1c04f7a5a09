// How a loop gets connections: accepting, dealing them out to all loops, and keeping calm when descriptors run out.

import CLinux
import Glibc

extension EventLoop {
    /// Connections accepted for one event, so that a flood of them does not starve those that are open.
    private static let acceptsInARow = 64

    /// Whether more may wait.
    @discardableResult func accept(_ index: Int) -> Bool {
        guard index < listeners.count else { return false }
        if context.now >= nextTick {
            nextTick = context.now &+ TimerWheel.tickNanoseconds
            reservedInTick = 0
        }
        for _ in 0..<Self.acceptsInARow where acceptPausedUntil == 0 {
            var address = SocketAddress()
            let descriptor = clinux_accept(listeners[index].descriptor, &address.storage, &address.length)
            if descriptor < 0 {
                switch errno {
                case ECONNABORTED, EPROTO: return true
                case EAGAIN, EINVAL: return false
                // EMFILE, ENFILE, ENOBUFS, ENOMEM: the listener stays readable, and asking again would spin.
                default:
                    pauseAcceptingWithoutDescriptors(index)
                    return false
                }
            }
            // A flood of clients that find no place must not cost those that have one: the rest waits in the kernel.
            if limits.isFull {
                reservedInTick += 1
                if reservedInTick > context.options.reservedPerTickMax { pauseAccepting(index, until: nextTick) }
            }
            let target = nextPeer
            nextPeer = (nextPeer + 1) % max(1, peers.count)
            if target == self.index {
                adopt(descriptor, address.peer)
            } else {
                peers[target].post(.adopt(descriptor: descriptor, peer: address.peer))
            }
        }
        return acceptPausedUntil == 0
    }

    /// Takes over an accepted socket.
    func adopt(_ descriptor: Int32, _ peer: PeerAddress) {
        guard let place = limits.admit() ?? placeOfASilentOne() else {
            statistics.add(.refused)
            Glibc.close(descriptor)
            return
        }
        let connection = connections.insert { index, generation in
            Connection(descriptor: descriptor, index: index, generation: generation, peer: peer)
        }
        statistics.add(.accepted)
        statistics.add(.open)
        connection.interest = EPOLLIN.rawValue
        _ = clinux_epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, connection.interest, connection.key)
        if place == .reserve {
            statistics.add(.refused)
            connection.reservedAt = max(1, context.now)
            connection.conversation.isReserved = true
            if reserved.count >= 2 * limits.reserveMax { forgetGoneOnes() }
            reserved.append((connection.index, connection.generation))
            // A probe has sent its question by now: it is answered before anybody else is let in.
            receive(connection)
        }
        mark(connection)
        updateTimer()
    }

    /// The reserve is full: whoever came first of those that have asked for nothing makes room. Who wants to know whether
    /// the server lives asks as soon as it is connected; who holds a connection in silence must not keep it from asking.
    private func placeOfASilentOne() -> SharedLimits.Place? {
        forgetGoneOnes()
        for (index, generation) in reserved {
            guard let connection = connections.find(index, generation), connection.conversation.answers.isEmpty,
                !connection.conversation.isFinished
            else { continue }
            close(connection)
            return limits.admit()
        }
        return nil
    }

    private func forgetGoneOnes() {
        reserved = reserved.filter { connections.find($0.index, $0.generation) != nil }
    }

    /// Out of descriptors: one client is let in with the spare one just to be closed, then accepting rests for a while.
    private func pauseAcceptingWithoutDescriptors(_ index: Int) {
        if spareDescriptor >= 0 {
            Glibc.close(spareDescriptor)
            spareDescriptor = -1
            var address = SocketAddress()
            let descriptor = clinux_accept(listeners[index].descriptor, &address.storage, &address.length)
            if descriptor >= 0 {
                Glibc.close(descriptor)
                statistics.add(.refused)
            }
            openSpare()
        }
        pauseAccepting(
            index, until: context.now &+ UInt64(max(1, context.options.acceptPauseMilliseconds)) * 1_000_000)
    }

    private func pauseAccepting(_ index: Int, until time: UInt64) {
        acceptPausedUntil = max(1, time)
        watchListeners(0)
        updateTimer()
    }

    func resumeAccepting() {
        acceptPausedUntil = 0
        if spareDescriptor < 0 { openSpare() }
        watchListeners(EPOLLIN.rawValue)
        updateTimer()
    }

    func openSpare() {
        spareDescriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    private func watchListeners(_ events: UInt32) {
        for (i, listener) in listeners.enumerated() {
            _ = clinux_epoll_ctl(epoll, EPOLL_CTL_MOD, listener.descriptor, events, Self.listenerKey | UInt64(i))
        }
    }

    /// Takes in who is connected already, for an answer each, and listens no more.
    func acceptLast() {
        acceptPausedUntil = 0
        for (index, listener) in listeners.enumerated() {
            listener.endQueue()
            var left = Int(context.options.backlog)
            while left > 0, accept(index) { left -= Self.acceptsInARow }
        }
        closeListeners()
    }

    func closeListeners() {
        for listener in listeners { listener.close() }
        listeners = []
    }
}

// A server without sockets: bytes in, bytes out, through the same parser, router and writer; for tests of routes.

import CLinux

extension Router {
    /// What a server with these routes answers to `bytes`, which may hold several requests. Deferred answers are
    /// released at once, as the handlers wrote them; streams send their head only. `onDrain` is not called.
    public func exchange(
        _ bytes: [UInt8], options: ServerOptions = ServerOptions(), peer: PeerAddress = .ipv4(0x7F00_0001, port: 1)
    ) -> [UInt8] {
        let context = LoopContext(loop: 0, routes: RouteTable(self), options: options)
        context.tick()
        var conversation = Conversation(connection: 0, generation: 0, peer: peer)
        conversation.inboxForReading(context).bytes.append(bytes)
        var answer: [UInt8] = []
        repeat {
            context.pass.refill(options, isBusy: false)
            conversation.advance(context)
            conversation.answers.releaseAll(context)
            conversation.answers.withBytesToSend { answer += $0 }
            conversation.answers.didSend(conversation.answers.bytesToSend, context)
        } while conversation.hasUnparsed
        conversation.abandon(context)
        return answer
    }
}

// A conversation without sockets or clock, to be driven by tests: bytes in, answers out.

@testable import HTTPServer

/// One client's conversation. `send` may be called with any split of the bytes; `received` collects what came back.
final class Exchange {
    let context: LoopContext
    var conversation = Conversation(connection: 7, generation: 3, peer: .ipv4(0x7F00_0001, port: 4000))
    var received: [UInt8] = []

    init(_ router: Router, options: ServerOptions = ServerOptions()) {
        context = LoopContext(loop: 0, routes: RouteTable(router), options: options)
        context.tick()
    }

    func send(_ bytes: some Sequence<UInt8>) {
        for byte in Array(bytes).chunks(of: 4096) where conversation.stage != .ended && conversation.stage != .streaming
        {
            conversation.inboxForReading(context).bytes.append(byte)
            repeat {
                conversation.advance(context)
                flush()
            } while conversation.hasUnparsed && !conversation.answers.isFull(context)
        }
    }

    func send(_ text: String) { send(text.utf8) }

    func flush() {
        conversation.answers.withBytesToSend { received += $0 }
        conversation.answers.didSend(conversation.answers.bytesToSend, context)
    }

    /// Completes a deferred answer and sends what may leave then; whether it was awaited.
    @discardableResult
    func complete(_ deferral: Deferral, with answer: ResponseBytes? = nil) -> Bool {
        defer { flush() }
        return conversation.answers.complete(deferral.request, with: answer, context)
    }

    var text: String { String(decoding: received, as: UTF8.self) }

    /// The statuses of all final answers so far.
    var statuses: [Int] { finalStatuses(received) }
}

extension Array {
    func chunks(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}

/// The statuses of the answers in `bytes`, without interim ones.
func finalStatuses(_ bytes: [UInt8]) -> [Int] {
    let marker = Array("HTTP/1.1 ".utf8)
    var statuses: [Int] = []
    var i = 0
    while i + marker.count + 3 <= bytes.count {
        if bytes[i] == marker[0], bytes[i..<i + marker.count].elementsEqual(marker),
            let status = Int(String(decoding: bytes[(i + 9)..<(i + 12)], as: UTF8.self)), status >= 200
        {
            statuses.append(status)
        }
        i += 1
    }
    return statuses
}

extension Router {
    /// Routes for tests: `GET /` says hello, `POST /echo` repeats the body, `GET /users/{name}` the name.
    static func sample() -> Router {
        var router = Router()
        router.add(.get, "/") { _, response in
            response.contentType = .plainText
            response.body("hello")
            return .respond
        }
        router.add(.post, "/echo") { request, response in
            response.contentType = .octetStream
            response.body { $0.append(request.body) }
            return .respond
        }
        router.add(.post, "/small", options: RouteOptions(bodyBytesMax: 10)) { _, _ in .respond }
        router.add(.get, "/users/{name}") { request, response in
            response.body(request.parameter(0))
            return .respond
        }
        router.add(.get, "/query") { request, response in
            response.body(request.query("a") ?? "absent")
            return .respond
        }
        return router
    }
}

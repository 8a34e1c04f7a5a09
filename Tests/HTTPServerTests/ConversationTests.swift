// What one connection does between requests and answers: order, deferral, back-pressure, early answers, ends.

import Synchronization
import Testing

@testable import HTTPServer

@Suite struct ConversationTests {
    private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    /// Routes whose answers are deferred; the tickets are collected.
    private final class Tickets: Sendable {
        let list = Mutex<[Deferral]>([])
        var all: [Deferral] { list.withLock { $0 } }

        func router() -> Router {
            var router = Router.sample()
            router.add(.post, "/later/{name}") { request, response in
                self.list.withLock { $0.append(request.deferral()) }
                response.body(request.parameter(0))
                return .deferred
            }
            return router
        }
    }

    private func later(_ name: String, _ extra: String = "") -> String {
        "POST /later/\(name) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\(extra)\r\n"
    }

    private func bodies(_ exchange: Exchange) -> [String] {
        exchange.text.components(separatedBy: "HTTP/1.1 ").dropFirst().map {
            String($0.components(separatedBy: "\r\n\r\n").dropFirst().joined())
        }
    }

    @Test func answersPipelinedRequestsInOrder() {
        let exchange = Exchange(.sample())
        exchange.send((0..<1000).map { "GET /users/\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
        #expect(bodies(exchange) == (0..<1000).map(String.init))
        #expect(
            exchange.conversation.inbox == nil && exchange.conversation.answers.outbox == nil,
            "idle connections own no buffers"
        )
    }

    @Test func keepsTheOrderOfDeferredAnswers() {
        let tickets = Tickets()
        let exchange = Exchange(tickets.router())
        exchange.send(later("first") + get + later("second") + get)
        #expect(exchange.received.isEmpty)
        #expect(exchange.context.deferredOpen == 2)
        #expect(exchange.complete(tickets.all[1]))
        exchange.flush()
        #expect(exchange.received.isEmpty, "the second answer must not overtake the first")
        #expect(exchange.complete(tickets.all[0]))
        exchange.flush()
        #expect(bodies(exchange) == ["first", "hello", "second", "hello"])
        #expect(exchange.context.deferredOpen == 0)
        #expect(!exchange.complete(tickets.all[0]), "only once")
    }

    @Test func replacesAnswersInTheMiddleOfAPipeline() {
        let tickets = Tickets()
        let exchange = Exchange(tickets.router())
        exchange.send(later("first") + later("second") + later("third"))
        let failure = ResponseBytes.problem(.serviceUnavailable, detail: "disk \"full\"")
        for (index, answer) in [(1, failure), (2, nil), (0, ResponseBytes(body: Array("short".utf8)))] {
            #expect(exchange.complete(tickets.all[index], with: answer))
            exchange.flush()
        }
        #expect(exchange.statuses == [200, 503, 200])
        #expect(bodies(exchange)[0] == "short" && bodies(exchange)[2] == "third")
        #expect(bodies(exchange)[1].contains(#""detail":"disk \"full\"""#))
    }

    @Test func endsAfterADeferredAnswerThatCloses() {
        let tickets = Tickets()
        let exchange = Exchange(tickets.router())
        exchange.send(later("first", "Connection: close\r\n") + get)
        #expect(!exchange.conversation.isFinished)
        #expect(exchange.complete(tickets.all[0]))
        exchange.flush()
        #expect(exchange.statuses == [200] && exchange.text.contains("Connection: close"))
        #expect(exchange.conversation.isFinished)
    }

    @Test func answers503ForDeferredAnswersThatTakeTooLong() {
        let tickets = Tickets()
        let exchange = Exchange(tickets.router())
        exchange.send(later("first") + later("second"))
        exchange.conversation.answers.expireDeferrals(startedBefore: exchange.context.now, exchange.context)
        exchange.flush()
        #expect(exchange.statuses == [503, 503] && exchange.text.contains("Retry-After"))
    }

    @Test func aKeptBodyOutlivesItsRequest() {
        let kept = Mutex<[KeptBody]>([])
        var router = Router.sample()
        router.add(.put, "/keep") { request, response in
            let body = request.keepBody()
            kept.withLock { $0.append(body) }
            response.body("kept")
            return .respond
        }
        let exchange = Exchange(router)
        let body = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
        let head = Array("PUT /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n".utf8)
        exchange.send(head + body + head + body.reversed() + Array(get.utf8))
        exchange.send(get)
        #expect(exchange.statuses == [200, 200, 200, 200] && exchange.text.hasSuffix("hello"))
        #expect(kept.withLock { $0.map(\.array) } == [body, body.reversed()])
        exchange.send("PUT /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + get)
        #expect(exchange.statuses.count == 6 && kept.withLock { $0[2].array } == [])
    }

    @Test func shedsWhenTooManyAnswersAreDeferred() {
        var options = ServerOptions()
        options.deferredMax = 2
        let tickets = Tickets()
        let exchange = Exchange(tickets.router(), options: options)
        exchange.send(later("a") + later("b") + later("c") + get)
        for ticket in tickets.all { exchange.complete(ticket) }
        exchange.flush()
        #expect(tickets.all.count == 2)
        #expect(exchange.statuses == [200, 200, 503, 200], "GET is served under overload, too")
    }

    @Test func stopsReadingWhenAnswersPileUp() {
        let tickets = Tickets()
        let exchange = Exchange(tickets.router())
        exchange.send(String(repeating: later("x"), count: 100))
        #expect(tickets.all.count == exchange.context.options.pipelinedMax)
        #expect(exchange.conversation.answers.isFull(exchange.context) && exchange.conversation.hasUnparsed)
        for ticket in tickets.all { exchange.complete(ticket) }
        exchange.flush()
        while exchange.conversation.hasUnparsed { exchange.conversation.advance(exchange.context) }
        #expect(tickets.all.count == 100)
    }

    @Test func sends100ContinueOnlyWhenTheBodyIsWanted() {
        let head = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        let wanted = Exchange(.sample())
        wanted.send("POST /echo HTTP/1.1\r\n" + head)
        #expect(wanted.text == "HTTP/1.1 100 Continue\r\n\r\n")
        wanted.send("abc")
        #expect(wanted.statuses == [200] && wanted.text.hasSuffix("abc"))

        let here = Exchange(.sample())
        here.send("POST /echo HTTP/1.1\r\n" + head + "abc")
        #expect(!here.text.contains("100 Continue"), "the body is here already")

        let unknown = Exchange(.sample())
        unknown.send("POST /nowhere HTTP/1.1\r\n" + head)
        #expect(unknown.statuses == [404] && unknown.conversation.isFinished)

        let large = Exchange(.sample())
        large.send("POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        #expect(large.statuses == [413] && !large.text.contains("100 Continue"))
    }

    @Test func keepsTheConnectionAfterDiscardingABody() {
        let exchange = Exchange(.sample())
        exchange.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        #expect(exchange.received.isEmpty, "the body may yet be malformed")
        exchange.send("12345" + get)
        #expect(exchange.statuses == [404, 200])
    }

    @Test func keepsNothingOfABodyThatNobodyWants() {
        var options = ServerOptions()
        options.bodyBytesMax = 1 << 20
        let piece = [UInt8](repeating: 65, count: 4096)
        for chunked in [false, true] {
            let exchange = Exchange(.sample(), options: options)
            let framing = chunked ? "Transfer-Encoding: chunked" : "Content-Length: \(200 * 4096)"
            exchange.send("POST /nowhere HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n")
            for _ in 0..<200 {
                if chunked { exchange.send("1000\r\n") }
                exchange.send(piece)
                if chunked { exchange.send("\r\n") }
                #expect(exchange.conversation.inbox?.bytes.capacity ?? 0 <= Inbox.bytesInitial)
            }
            if chunked { exchange.send("0\r\n\r\n") }
            exchange.send(get)
            #expect(exchange.statuses == [404, 200])
        }
        let large = Exchange(.sample(), options: options)
        large.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<257 { large.send(Array("1000\r\n".utf8) + piece + [13, 10]) }
        #expect(large.statuses == [413])
    }

    @Test func boundsWhatOneAddressMayLeaveInBuffers() {
        var options = ServerOptions()
        options.bodyBytesMax = 8 << 20
        options.bufferedBytesPerAddressMax = 1 << 20
        let exchange = Exchange(.sample(), options: options)
        exchange.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(4 << 20)\r\n\r\n")
        for _ in 0..<1000 where exchange.conversation.stage != .ended { exchange.send([UInt8](repeating: 65, count: 4096)) }
        #expect(exchange.statuses == [503] && exchange.text.contains("Retry-After: 1"))
        #expect(exchange.context.memory.total == 0, "what was held is given back")
        let modest = Exchange(.sample(), options: options)
        modest.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        modest.send([UInt8](repeating: 65, count: 100_000))
        #expect(modest.statuses == [200])
    }

    @Test func asksTheInterceptorBeforeTheBody() {
        var options = ServerOptions()
        options.intercept = { request, response in
            guard request.header("authorization") == "Bearer x" else {
                response.addHeader("WWW-Authenticate", "Bearer")
                response.problem(.unauthorized, detail: "a token is needed")
                return false
            }
            return true
        }
        let exchange = Exchange(.sample(), options: options)
        exchange.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        exchange.send("POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Length: 2\r\n\r\nhi")
        exchange.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        #expect(exchange.statuses == [401, 200, 401], "the last one is answered at its head")
        #expect(exchange.conversation.isFinished, "and its body is never waited for")
        #expect(exchange.text.contains("WWW-Authenticate: Bearer\r\n"))
    }

    @Test func letsOnlyListedHostsIn() {
        var options = ServerOptions()
        options.hostFilter = ["localhost", "*.example.com", "127.0.0.1", "[::1]"]
        for (host, status) in [
            ("localhost", 200), ("LOCALHOST:80", 200), ("a.example.com", 200), ("example.com", 403), ("evil.org", 403),
            ("127.0.0.1:8080", 200), ("[::1]:1", 200), ("", 403),
        ] {
            let exchange = Exchange(.sample(), options: options)
            exchange.send("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(exchange.statuses == [status], "\(host)")
        }
        let absolute = Exchange(.sample(), options: options)
        absolute.send("GET http://evil.org/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(absolute.statuses == [403], "the target's authority counts, not the Host field")
    }

    @Test func closesAfterTheLastPermittedRequest() {
        var options = ServerOptions()
        options.requestsPerConnectionMax = 2
        let exchange = Exchange(.sample(), options: options)
        exchange.send(get + get + get)
        #expect(exchange.statuses == [200, 200] && exchange.conversation.isFinished)
        #expect(exchange.text.components(separatedBy: "Connection: close").count == 2)
    }

    @Test func streamsInChunks() {
        var router = Router()
        router.add(.get, "/events") { _, response in
            response.contentType = .eventStream
            return .stream
        }
        let exchange = Exchange(router)
        exchange.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        exchange.conversation.stream(Array("data: 1\n\n".utf8), exchange.context)
        exchange.conversation.endStream(exchange.context)
        exchange.flush()
        #expect(exchange.text.contains("Transfer-Encoding: chunked\r\n"))
        #expect(exchange.text.hasSuffix("\r\n\r\n9\r\ndata: 1\n\n\r\n0\r\n\r\n"))
        #expect(exchange.conversation.isFinished)
        let old = Exchange(router)
        old.send("GET /events HTTP/1.0\r\n\r\n")
        old.conversation.stream(Array("data: 1\n\n".utf8), old.context)
        old.flush()
        #expect(old.text.hasSuffix("\r\n\r\ndata: 1\n\n") && !old.text.contains("chunked"))
    }
}

extension String {
    func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}

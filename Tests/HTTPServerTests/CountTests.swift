// Holds what a request costs as a count of allocations.

import CCounter
import Testing

@testable import HTTPServer

@Suite struct CountTests {
    @Test("a request with a fixed answer allocates nothing")
    func fixedAnswer() {
        var router = Router()
        router.add(.get, "/") { _, response in
            response.body("hello")
            return .respond
        }
        router.add(.post, "/items/{name}") { request, response in
            response.body { $0.append(request.body) }
            return .respond
        }
        let exchange = Exchange(router)
        for text in [
            "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n",
            "POST /items/a-name-longer-than-a-small-string HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            let bytes = Array(text.utf8)
            let sendOnce = {
                bytes.withUnsafeBytes { exchange.conversation.inboxForReading(exchange.context).bytes.append($0) }
                exchange.conversation.advance(exchange.context)
                exchange.conversation.answers.didSend(exchange.conversation.answers.bytesToSend, exchange.context)
            }
            for _ in 0..<100 { sendOnce() }
            let before = counter_allocations()
            for _ in 0..<1000 { sendOnce() }
            #expect(counter_allocations() == before, "allocations for \(text.prefix(24))")
        }
    }
}

// The rules of the parser, each case sent whole, byte by byte, and with the bytes of a further request behind it.

import Testing

@testable import HTTPServer

@Suite struct ParserTests {
    /// Sends `text` three ways and expects the same statuses from each.
    private func expect(
        _ text: String, _ statuses: [Int], options: ServerOptions = ServerOptions(),
        location: SourceLocation = #_sourceLocation
    ) {
        let whole = Exchange(.sample(), options: options)
        whole.send(text)
        #expect(whole.statuses == statuses, "whole: \(whole.text)", sourceLocation: location)
        let bytes = Exchange(.sample(), options: options)
        for byte in text.utf8 { bytes.send([byte]) }
        #expect(bytes.statuses == statuses, "byte by byte", sourceLocation: location)
        let trailing = Exchange(.sample(), options: options)
        trailing.send(text + "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let continues = bytes.conversation.stage == .idle
        #expect(
            trailing.statuses == statuses + (continues ? [200] : []), "with a further request", sourceLocation: location
        )
    }

    @Test func answersSimpleRequests() {
        expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", [200])
        expect("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", [200])
        expect("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [200])
        expect("GET / HTTP/1.0\r\n\r\n", [200])
        expect("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [200])
        expect("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200])
        expect("GET http://example.com/ HTTP/1.1\r\nHost: a\r\n\r\n", [200])
        expect("GET http://example.com?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", [200])
        expect("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", [204])
    }

    @Test func refusesAmbiguousFraming() {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\n"
        expect(head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", [400])
        expect(head + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", [400])
        expect(head + "Content-Length: 3, 3\r\n\r\nabc", [400])
        expect(head + "Content-Length: +3\r\n\r\nabc", [400])
        expect(head + "Content-Length: 0x3\r\n\r\nabc", [400])
        expect(head + "Content-Length: 99999999999999999999999\r\n\r\n", [413])
        expect(head + "Transfer-Encoding: gzip\r\n\r\n", [501])
        expect(head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", [400])
        expect("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", [400])
    }

    @Test func refusesLengthsWrittenUnusually() {
        for field in ["Content-Length: 03", "Content-Length: 00", "Content-Length:  3", "Content-Length: 3 ", "Content-Length:\t3"] {
            let exchange = Exchange(.sample())
            exchange.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\nabc")
            #expect(exchange.statuses == [400], "\(field)")
        }
        for field in ["Content-Length: 3", "Content-Length:3"] {
            let exchange = Exchange(.sample())
            exchange.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\nabc")
            #expect(exchange.statuses == [200], "\(field)")
        }
    }

    @Test func refusesTwoValuesOfAFieldThatHasOne() {
        for name in ["Content-Type", "Authorization", "Origin", "Range", "User-Agent", "If-Modified-Since"] {
            let twice = Exchange(.sample())
            twice.send("GET / HTTP/1.1\r\nHost: a\r\n\(name): x\r\nAccept: y\r\n\(name.lowercased()): z\r\n\r\n")
            #expect(twice.statuses == [400], "\(name)")
            let same = Exchange(.sample())
            same.send("GET / HTTP/1.1\r\nHost: a\r\n\(name): x\r\n\(name): x\r\n\r\n")
            #expect(same.statuses == [200], "\(name)")
        }
        let list = Exchange(.sample())
        list.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nAccept: z\r\n\r\n")
        #expect(list.statuses == [200])
    }

    @Test func refusesTrailersThatWouldChangeTheRequest() {
        func answer(_ trailer: String) -> [Int] {
            let exchange = Exchange(.sample())
            exchange.send(
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\(trailer)\r\n\r\n")
            return exchange.statuses
        }
        for name in ["Content-Length", "transfer-encoding", "Host", "Authorization", "X-Forwarded-For", "Connection", "Cookie"] {
            #expect(answer("\(name): 1") == [400], "\(name)")
        }
        for name in ["Vary", "Content-Type", "Server-Timing", "X-Checksum"] { #expect(answer("\(name): 1") == [200], "\(name)") }
    }

    @Test func refusesMalformedHeads() {
        expect("GET / HTTP/1.1\nHost: a\n\n", [400])
        expect("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", [400])
        expect("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", [400])
        expect("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", [400])
        expect("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", [400])
        expect("GET / HTTP/1.1\r\n\r\n", [400])
        expect("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", [400])
        expect("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", [400])
        expect("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", [400])
        expect("GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n", [400])
        expect("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", [400])
        expect("GET /users/%00 HTTP/1.1\r\nHost: a\r\n\r\n", [400])
        expect("GET /users/%ff HTTP/1.1\r\nHost: a\r\n\r\n", [400])
        expect("GET / HTTP/2.0\r\nHost: a\r\n\r\n", [505])
        expect("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", [501])
        expect("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", [501])
        expect("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", [417])
        expect("GET http://u@example.com/ HTTP/1.1\r\nHost: a\r\n\r\n", [400])
    }

    @Test func decodesChunkedBodies() {
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        expect(head + "3\r\nabc\r\n0\r\n\r\n", [200])
        expect(head + "3;x=\"a;b\"\r\nabc\r\n00\r\nTrailer: x\r\n\r\n", [200])
        for wrong in [
            "g\r\n", "3 \r\nabc\r\n", "3\r\nabcd\r\n", "-3\r\n", "123456789\r\n", "3;\r\nabc\r\n", "3\nabc\r\n",
        ] {
            expect(head + wrong, [400])
        }
        let exchange = Exchange(.sample())
        for byte in (head + "3\r\nabc\r\n4;e\r\ndefg\r\n0\r\n\r\n").utf8 { exchange.send([byte]) }
        #expect(exchange.text.hasSuffix("\r\n\r\nabcdefg"))
    }

    @Test func keepsFramingOfTinyChunksOutOfTheBuffer() {
        let exchange = Exchange(.sample())
        exchange.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<50_000 { exchange.send("1\r\nx\r\n") }
        #expect(exchange.conversation.bodyReceived < 60_000)
        exchange.send("0\r\n\r\n")
        #expect(exchange.statuses == [200])
        #expect(exchange.received.suffix(50_000).allSatisfy { $0 == UInt8(ascii: "x") })
    }

    @Test func refusesWhatIsBeyondTheLimits() {
        var options = ServerOptions()
        options.requestLineBytesMax = 40
        options.fieldBytesMax = 60
        options.headerBytesMax = 200
        options.fieldsMax = 5
        options.trailersMax = 2
        options.chunkExtensionBytesMax = 20
        let line = "GET /query?a=" + String(repeating: "x", count: 40 - 22)
        expect(line + " HTTP/1.1\r\nHost: a\r\n\r\n", [200], options: options)
        expect(line + "x HTTP/1.1\r\nHost: a\r\n\r\n", [414], options: options)
        let head = "GET / HTTP/1.1\r\nHost: a\r\n"
        expect(head + "X: " + String(repeating: "x", count: 57) + "\r\n\r\n", [200], options: options)
        expect(head + "X: " + String(repeating: "x", count: 58) + "\r\n\r\n", [431], options: options)
        let field = "X: " + String(repeating: "x", count: 55) + "\r\n"
        expect(head + field + field + field + "\r\n", [200], options: options)
        expect(head + field + field + field + "X: 12345678\r\n\r\n", [431], options: options)
        expect(head + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", [200], options: options)
        expect(head + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", [431], options: options)
        let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        expect(chunked + "1;" + String(repeating: "x", count: 19) + "\r\na\r\n0\r\n\r\n", [200], options: options)
        expect(chunked + "1;" + String(repeating: "x", count: 20) + "\r\na\r\n", [400], options: options)
        expect(chunked + "0\r\nA: 1\r\nB: 1\r\n\r\n", [200], options: options)
        expect(chunked + "0\r\nA: 1\r\nB: 1\r\nC: 1\r\n", [431], options: options)
    }

    @Test func refusesBodiesThatTheRouteDoesNotTake() {
        let head = "POST /small HTTP/1.1\r\nHost: a\r\n"
        expect(head + "Content-Length: 10\r\n\r\n0123456789", [200])
        expect(head + "Content-Length: 11\r\n\r\n", [413])
        expect(head + "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n2\r\n89\r\n0\r\n\r\n", [200])
        expect(head + "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n3\r\n", [413])
    }

    @Test func checksAddressesInHosts() {
        for good in [
            "a", "a.b:80", "[::1]", "[::1]:80", "[1:2:3:4:5:6:7:8]", "[::ffff:1.2.3.4]", "[1::8]", "a_b", "a:",
        ] {
            expect("GET / HTTP/1.1\r\nHost: \(good)\r\n\r\n", [200])
        }
        for wrong in [
            "::1", "[::1", "[1::2::3]", "[12345::]", "[1:2]", "a:b", "a:99999", "{", "a/b", "[::1.2.3]", "a@b",
        ] {
            expect("GET / HTTP/1.1\r\nHost: \(wrong)\r\n\r\n", [400])
        }
    }
}

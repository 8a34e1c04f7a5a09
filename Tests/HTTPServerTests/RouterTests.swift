// Routes, and the answers that follow from them: parameters, queries, HEAD, OPTIONS, 404, 405, conditions, gzip, problems.

import Testing

@testable import HTTPServer

@Suite struct RouterTests {
    private func answer(
        _ line: String, _ fields: String = "", router: Router = .sample(), options: ServerOptions = ServerOptions()
    ) -> String {
        let bytes = Array("\(line) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
        return String(decoding: router.exchange(bytes, options: options), as: UTF8.self)
    }

    private func body(_ answer: String) -> String {
        answer.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n")
    }

    @Test func prefersLiteralsAndBacktracks() {
        var router = Router()
        for pattern in ["/", "/a", "/a/{x}", "/a/b", "/a/{x}/c", "/a/b/d", "/{y}/z/{w}"] {
            router.add(.get, pattern) { request, response in
                response.body(
                    pattern + ":" + (0..<request.parameterCount).map { request.parameter($0) }.joined(separator: ","))
                return .respond
            }
        }
        for (path, expected) in [
            ("/", "/:"), ("/a", "/a:"), ("/a/b", "/a/b:"), ("/a/q", "/a/{x}:q"), ("/a/b/c", "/a/{x}/c:b"),
            ("/a/b/d", "/a/b/d:"), ("/a/z/9", "/{y}/z/{w}:a,9"), ("/k/z/9", "/{y}/z/{w}:k,9"),
        ] {
            #expect(body(answer("GET \(path)", router: router)) == expected, "\(path)")
        }
        for path in ["/b", "/a/", "//", "/a//c", "/a/b/c/d", "/A"] {
            #expect(answer("GET \(path)", router: router).hasPrefix("HTTP/1.1 404 "), "\(path)")
        }
        #expect(router.routes.map(\.pattern).count == 7)
    }

    @Test func decodesParametersAndQueriesOnce() {
        #expect(body(answer("GET /users/J%C3%BCrgen%2F%2541")) == "Jürgen/%41")
        #expect(body(answer("GET /query?b=1&a=x%26y+z&a=2")) == "x&y z")
        #expect(body(answer("GET /query?a")) == "")
        #expect(body(answer("GET /query?aa=1")) == "absent")
        #expect(answer("GET /query?a=%C3").hasPrefix("HTTP/1.1 400 "))
    }

    @Test func findsHeaderFieldsInAnyCase() {
        var router = Router()
        router.add(.get, "/") { request, response in
            response.body(
                [
                    request.header("x-one") ?? "", request.header("X-ONE") ?? "", request.header("x-two") ?? "none",
                    "\(request.headerCount("x-one"))", "\(request.contentTypeIs(among: ["application/json"]))",
                    "\(request.query("flag", is: "true"))", request.queryItems.map(\.name).joined(separator: "&"),
                    request.authority, request.path, "\(request.method)", "\(request.route ?? -1)",
                ].joined(separator: " "))
            return .respond
        }
        let fields = "X-One: 1\r\nx-oNe: 2\r\nContent-Type: Application/JSON ; charset=utf-8\r\n"
        #expect(
            body(answer("GET /?flag=true&&x", fields, router: router)) == "1 1 none 2 true true flag&x a / get 0")
    }

    @Test func answersHeadLikeGetWithoutTheBody() {
        let get = answer("GET /")
        let head = answer("HEAD /")
        #expect(get.hasSuffix("\r\n\r\nhello"))
        #expect(head == String(get.dropLast(5)) && head.contains("Content-Length: 5\r\n"))
    }

    @Test func namesTheAllowedMethods() {
        let wrong = answer("DELETE /echo")
        #expect(wrong.hasPrefix("HTTP/1.1 405 ") && wrong.contains("Allow: POST, OPTIONS\r\n"))
        #expect(wrong.contains("application/problem+json") && body(wrong).contains("\"status\":405"))
        let options = answer("OPTIONS /")
        #expect(options.hasPrefix("HTTP/1.1 204 ") && options.contains("Allow: GET, HEAD, OPTIONS\r\n"))
        #expect(!options.contains("Content-Length"))
        #expect(answer("OPTIONS *").contains("Allow: GET, HEAD, POST, OPTIONS\r\n"))
        #expect(answer("PROPFIND /").hasPrefix("HTTP/1.1 405 "))
        #expect(answer("OPTIONS /nowhere").hasPrefix("HTTP/1.1 404 "))
    }

    @Test func escapesProblemsAsJSON() {
        var router = Router()
        router.add(.get, "/") { _, response in
            response.problem(
                .unprocessableContent, title: "Wrong\t\"value\"", detail: "back\\slash\u{1}",
                errors: [ProblemItem(pointer: "/replicas", code: "range", detail: "1\n2")])
            return .respond
        }
        #expect(
            body(answer("GET /", router: router))
                == #"{"type":"about:blank","title":"Wrong\t\"value\"","status":422,"detail":"back\\slash\u0001","#
                + #""errors":[{"pointer":"/replicas","code":"range","detail":"1\n2"}]}"#)
    }

    @Test func neverLetsAValueSplitTheHead() {
        var router = Router()
        router.add(.get, "/") { _, response in
            response.addHeader("X-Name", "a\r\nSet-Cookie: b")
            return .respond
        }
        #expect(answer("GET /", router: router).contains("X-Name: a  Set-Cookie: b\r\n"))
    }

    @Test func answersConditionsOfFixedBodies() {
        let page = FixedBody(
            Array(String(repeating: "<p>page</p>", count: 500).utf8), contentType: .html, lastModified: 784_111_777)
        var router = Router()
        router.add(.get, "/page") { _, response in
            response.send(page)
            return .respond
        }
        let plain = answer("GET /page", router: router)
        #expect(plain.contains("ETag: \(page.etag)\r\n") && plain.contains("Content-Length: 5500\r\n"))
        #expect(
            plain.contains("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
                && plain.contains("Vary: Accept-Encoding"))
        for fields in [
            "If-None-Match: \(page.etag)\r\n", "If-None-Match: \"x\", W/\(page.etag)\r\n", "If-None-Match: *\r\n",
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        ] {
            let cached = answer("GET /page", fields, router: router)
            #expect(cached.hasPrefix("HTTP/1.1 304 ") && body(cached).isEmpty && !cached.contains("Content-Length"))
        }
        // If-None-Match decides alone where it is present.
        let both = "If-None-Match: \"x\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        #expect(answer("GET /page", both, router: router).hasPrefix("HTTP/1.1 200 "))
        let zipped = router.exchange(Array("GET /page HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br, gzip\r\n\r\n".utf8))
        #expect(zipped.count < 700 && zipped.firstRange(of: Array("Content-Encoding: gzip\r\n".utf8)) != nil)
        #expect(!answer("GET /page", "Accept-Encoding: gzip;q=0, *\r\n", router: router).contains("Content-Encoding"))
    }

    @Test func compressesLargeAnswersForThoseWhoAsk() {
        var router = Router()
        router.add(.get, "/large") { _, response in
            response.contentType = .json
            response.body(String(repeating: "[1,2,3],", count: 1000))
            return .respond
        }
        let asked = router.exchange(Array("GET /large HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n".utf8))
        #expect(asked.count < 500 && asked.firstRange(of: Array("Content-Encoding: gzip\r\n".utf8)) != nil)
        #expect(asked.firstRange(of: [0x1F, 0x8B]) != nil)
        #expect(answer("GET /large", router: router).contains("Content-Length: 8000\r\n"))
    }

    @Test func addsTheServersOwnFields() {
        var options = ServerOptions()
        options.extraHeaders = [("X-Content-Type-Options", "nosniff")]
        let text = answer("GET /", options: options)
        #expect(text.contains("X-Content-Type-Options: nosniff\r\n") && text.contains("Date: "))
        #expect(answer("GET /nowhere", options: options).contains("nosniff"))
    }

    @Test func writesDatesAndTagsAsTheStandardsSay() {
        #expect(HTTPDate.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        #expect(HTTPDate.text(4_102_444_799) == "Thu, 31 Dec 2099 23:59:59 GMT")
        func matches(_ list: String, weakly: Bool) -> Bool {
            Array(list.utf8).withUnsafeBytes { EntityTag.list($0, contains: "\"a\"", weakly: weakly) }
        }
        #expect(matches("\"b\", \"a\"", weakly: false) && matches("W/\"a\"", weakly: true))
        #expect(!matches("W/\"a\"", weakly: false) && !matches("\"b\"", weakly: true))
    }

    @Test func saysWhatAnAddressMayBe() throws {
        for text in ["127.0.0.1:8080", "[::1]:8080", "localhost:0", "unix:/run/aware.sock", "0.0.0.0:65535"] {
            #expect(try ListenAddress(text).description == text)
        }
        #expect(try ListenAddress("[::1]:1").isLoopback && !ListenAddress("0.0.0.0:1").isLoopback)
        for text in [
            "", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80", "example.com:80",
            "unix:", "unix:" + String(repeating: "x", count: 108), "1.2.3.4:+1",
        ] {
            let error = #expect(throws: ListenAddressError.self) { try ListenAddress(text) }
            #expect(error?.description.contains("127.0.0.1:8080") == true)
        }
    }
}

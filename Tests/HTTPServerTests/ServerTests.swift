// The server through real sockets: addresses, deferral from other threads, streams, ends of connections, draining.

import Glibc
import Synchronization
import Testing

@testable import HTTPServer

/// All tests with sockets: one at a time, because they measure time.
@Suite(.serialized, .timeLimit(.minutes(5))) enum SocketTests {}

extension SocketTests {
    @Suite struct ServerTests {
        private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

        @Test func servesOverIPv4IPv6AndUnixSockets() async throws {
            let path = "/tmp/aware-test-\(getpid()).sock"
            for address in [
                ListenAddress.tcp(host: "127.0.0.1", port: 0), .tcp(host: "::1", port: 0), .unix(path: path),
            ] {
                var router = Router()
                router.add(.get, "/") { request, response in
                    response.body("\(request.peer.host) \(request.isUnixSocket) \(request.peer.isLoopback)")
                    return .respond
                }
                try await withServer(router, on: address) { _, bound in
                    let client = try TestClient(bound)
                    try await client.send(get)
                    #expect(try await client.receive(answers: 1) == [200])
                    switch address {
                    case .unix: #expect(client.text.hasSuffix("unix true true"))
                    case .tcp(let host, _):
                        #expect(
                            client.text.hasSuffix(host == "::1" ? "0:0:0:0:0:0:0:1 false true" : "127.0.0.1 false true")
                        )
                    }
                }
            }
            #expect(access(path, F_OK) != 0, "the socket file is removed")
        }

        @Test func refusesAnAddressInUse() async throws {
            try await withServer { _, bound in
                let second = Server(router: .sample())
                let error = #expect(throws: SocketError.self) { try second.start(on: [bound]) }
                #expect(error?.call == "bind")
            }
        }

        @Test func takesOverAStaleSocketFileOnly() async throws {
            let path = "/tmp/aware-stale-\(getpid()).sock"
            let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = try #require(SocketAddress(path: path))
            #expect(address.withPointer { bind(stale, $0, $1) } == 0)
            close(stale)
            try await withServer(on: .unix(path: path)) { _, bound in
                let client = try TestClient(bound)
                try await client.send(get)
                #expect(try await client.receive(answers: 1) == [200])
                #expect(throws: SocketError.self) { try Server(router: .sample()).start(on: [.unix(path: path)]) }
            }
        }

        @Test func sharesConnectionsAmongLoops() async throws {
            var options = ServerOptions()
            options.loops = 3
            try await withServer(.sample(), options) { server, bound in
                var clients: [TestClient] = []
                for _ in 0..<6 {
                    let client = try TestClient(bound)
                    clients.append(client)
                    try await client.send(get)
                    #expect(try await client.receive(answers: 1) == [200])
                }
                #expect(server.statisticsByLoop.map(\.connectionsAccepted) == [2, 2, 2])
                #expect(server.statistics.requests == 6 && server.statistics.answers == [0, 6, 0, 0, 0])
                #expect(try await eventually { server.statistics.latency.count == 6 })
            }
        }

        /// Routes whose answers are released by `release`, from wherever.
        private func deferring(_ tickets: @escaping @Sendable (Deferral) -> Void) -> Router {
            var router = Router.sample()
            router.add(.post, "/later") { request, response in
                response.body("later")
                tickets(request.deferral())
                return .deferred
            }
            return router
        }

        private let post = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

        @Test func answersDeferralsOfADrainTogether() async throws {
            let tickets = Mutex<[Deferral]>([])
            let serverBox = Mutex<Server?>(nil)
            let batches = Mutex<[Int]>([])
            var options = ServerOptions()
            options.onDrain = { _ in
                let batch = tickets.withLock { list in
                    defer { list = [] }
                    return list
                }
                guard !batch.isEmpty else { return }
                batches.withLock { $0.append(batch.count) }
                serverBox.withLock { $0 }?.release(batch)
            }
            let router = deferring { ticket in tickets.withLock { $0.append(ticket) } }
            try await withServer(router, options) { server, bound in
                serverBox.withLock { $0 = server }
                let client = try TestClient(bound)
                try await client.send(String(repeating: post, count: 20) + get)
                #expect(try await client.receive(answers: 21) == [Int](repeating: 200, count: 21))
                #expect(client.text.hasSuffix("hello"))
                #expect(batches.withLock { $0.reduce(0, +) } == 20 && batches.withLock { $0.count } < 20)
                serverBox.withLock { $0 = nil }
            }
        }

        @Test func answersDeferralsFromOtherThreads() async throws {
            let tickets = Mutex<[Deferral]>([])
            var options = ServerOptions()
            options.loops = 2
            let router = deferring { ticket in tickets.withLock { $0.append(ticket) } }
            try await withServer(router, options) { server, bound in
                let clients = try (0..<4).map { _ in try TestClient(bound) }
                for client in clients { try await client.send(post + post) }
                #expect(try await eventually { tickets.withLock { $0.count } == 8 })
                #expect(server.statistics.deferredOpen == 8)
                let all = tickets.withLock { $0 }
                server.release(all.filter { $0.request == 1 })
                server.complete(all.filter { $0.request == 2 }.map { ($0, ResponseBytes(body: Array("other".utf8))) })
                for client in clients {
                    #expect(try await client.receive(answers: 2) == [200, 200])
                    #expect(client.text.contains("later") && client.text.hasSuffix("other"))
                }
                server.release(all)
                try await clients[0].send(get)
                #expect(try await clients[0].receive(answers: 3) == [200, 200, 200], "answers given twice are ignored")
                #expect(server.statistics.deferredOpen == 0)
            }
        }

        @Test func forgetsDeferralsOfConnectionsThatAreGone() async throws {
            let tickets = Mutex<[Deferral]>([])
            let router = deferring { ticket in tickets.withLock { $0.append(ticket) } }
            try await withServer(router) { server, bound in
                try await TestClient(bound).send(post)
                // The client is gone at once, by reset or by end; the answer then finds nobody or a closed socket.
                #expect(try await eventually { tickets.withLock { $0.count } == 1 })
                server.release(tickets.withLock { $0 })
                #expect(try await eventually { server.statistics.connectionsOpen == 0 })
                #expect(server.statistics.deferredOpen == 0)
                server.release(tickets.withLock { $0 })
                let client = try TestClient(bound)
                try await client.send(get)
                #expect(try await client.receive(answers: 1) == [200])
            }
        }

        @Test func streamsFromAnyThreadAndNoticesTheEnd() async throws {
            let handles = Mutex<[StreamHandle]>([])
            let closed = Atomic<Int>(0)
            var router = Router.sample()
            router.add(.get, "/events") { request, response in
                guard let handle = request.openStream() else {
                    response.problem(.serviceUnavailable, detail: "too many streams")
                    return .respond
                }
                handle.onClose { closed.add(1, ordering: .relaxed) }
                handles.withLock { $0.append(handle) }
                response.contentType = .eventStream
                return .stream
            }
            var options = ServerOptions()
            options.streamsMax = 2
            try await withServer(router, options) { server, bound in
                let events = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
                let leaving = try TestClient(bound)
                try await leaving.send(events)
                #expect(try await eventually { handles.withLock { $0.count } == 1 })
                let first = handles.withLock { $0[0] }
                #expect(first.send(Array("data: 1\n\n".utf8)))
                #expect(try await leaving.receive { $0.text.contains("data: 1") })
                leaving.finishSending()
                #expect(try await eventually { first.isClosed } && closed.load(ordering: .relaxed) == 1)
                #expect(!first.send([1]))

                let ended = try TestClient(bound)
                try await ended.send(events)
                #expect(try await eventually { handles.withLock { $0.count } == 2 })
                let second = handles.withLock { $0[1] }
                second.send(Array("data: 2\n\n".utf8))
                second.close()
                #expect(try await ended.isClosedByServer())
                #expect(ended.text.hasSuffix("data: 2\n\n\r\n0\r\n\r\n"))
                #expect(try await eventually { closed.load(ordering: .relaxed) == 2 })
                #expect(server.statistics.streamsOpen == 0)

                let many = try (0..<3).map { _ in try TestClient(bound) }
                for client in many { try await client.send(events) }
                var statuses: [Int] = []
                for client in many { statuses += try await client.receive(answers: 1) }
                #expect(statuses.sorted() == [200, 200, 503])
            }
        }

        @Test func dropsStreamReadersThatAreTooSlow() async throws {
            let handles = Mutex<[StreamHandle]>([])
            var router = Router()
            router.add(.get, "/events") { request, response in
                if let handle = request.openStream() { handles.withLock { $0.append(handle) } }
                return .stream
            }
            var options = ServerOptions()
            options.streamBytesMax = 64 * 1024
            try await withServer(router, options) { server, bound in
                let slow = try TestClient(bound, receiveBuffer: 4096)
                try await slow.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await eventually { handles.withLock { $0.count } == 1 })
                let handle = handles.withLock { $0[0] }
                let piece = [UInt8](repeating: 120, count: 16 * 1024)
                #expect(
                    try await eventually { !(0..<16).allSatisfy { _ in handle.send(piece) } },
                    "in the end the kernel's buffer is full, then ours")
                #expect(try await eventually { handle.isClosed && server.statistics.connectionsOpen == 0 })
            }
        }

        @Test func answersAfterTheClientHasClosedItsSide() async throws {
            try await withServer { server, bound in
                let client = try TestClient(bound)
                try await client.send(get + get)
                client.finishSending()
                #expect(try await client.receive(answers: 2) == [200, 200])
                #expect(try await client.isClosedByServer())
                #expect(try await eventually { server.statistics.connectionsOpen == 0 })
            }
        }

        @Test func deliversTheErrorAlthoughTheClientGoesOnSending() async throws {
            try await withServer { _, bound in
                let client = try TestClient(bound)
                try await client.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n")
                try await client.send(String(repeating: "x", count: 30000))
                #expect(try await client.receive(answers: 1) == [413])
                #expect(client.text.contains("Connection: close") && client.text.contains("body_too_large"))
                #expect(try await client.isClosedByServer())
            }
        }

        @Test func takesLargeBodiesAndSendsThemBack() async throws {
            try await withServer { _, bound in
                let client = try TestClient(bound)
                let body = [UInt8]((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
                try await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
                try await client.send(body)
                #expect(try await client.receive { $0.received.count > 1_000_000 })
                #expect(client.received.suffix(1_000_000).elementsEqual(body))
            }
        }

        @Test func finishesWhatIsInFlightWhenDraining() async throws {
            let tickets = Mutex<[Deferral]>([])
            let router = deferring { ticket in tickets.withLock { $0.append(ticket) } }
            try await withServer(router) { server, bound in
                let (idle, waiting) = (try TestClient(bound), try TestClient(bound))
                try await idle.send(get)
                #expect(try await idle.receive(answers: 1) == [200])
                try await waiting.send(post)
                #expect(try await eventually { tickets.withLock { $0.count } == 1 })
                async let drained: Void = server.drain(timeout: .seconds(5))
                #expect(try await idle.isClosedByServer())
                #expect(throws: SocketError.self) {
                    let late = try TestClient(bound)
                    throw SocketError("connected", "\(late.descriptor)")
                }
                server.release(tickets.withLock { $0 })
                #expect(try await waiting.receive(answers: 1) == [200])
                await drained
                #expect(server.statistics.connectionsOpen == 0)
            }
        }

        @Test(arguments: [false, true]) func answersWhoIsConnectedWhenTheDrainBegins(isUnix: Bool) async throws {
            let path = "/tmp/aware-drain-\(getpid()).sock"
            let isBusy = Mutex(true)
            var router = Router.sample()
            router.add(.get, "/busy") { _, response in
                // The loop's own thread: meanwhile clients queue up behind it.
                while isBusy.withLock({ $0 }) { usleep(1_000) }
                response.body("done")
                return .respond
            }
            try await withServer(router, on: isUnix ? .unix(path: path) : .tcp(host: "127.0.0.1", port: 0)) { server, bound in
                let busy = try TestClient(bound)
                try await busy.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await eventually { server.statistics.connectionsAccepted == 1 })
                try await Task.sleep(for: .milliseconds(50))
                var queued: [TestClient] = []
                for _ in 0..<100 {
                    let client = try TestClient(bound)
                    try await client.send(get)
                    queued.append(client)
                }
                async let drained: Void = server.drain(timeout: .seconds(5))
                try await Task.sleep(for: .milliseconds(100))
                isBusy.withLock { $0 = false }
                for client in queued { #expect(try await client.receive(answers: 1) == [200]) }
                #expect(try await busy.receive(answers: 1) == [200])
                await drained
            }
        }

        @Test func cutsWhatDoesNotEndWhenDraining() async throws {
            let router = deferring { _ in }
            try await withServer(router) { server, bound in
                let client = try TestClient(bound)
                try await client.send(post)
                #expect(try await eventually { server.statistics.deferredOpen == 1 })
                await server.drain(timeout: .milliseconds(200))
                #expect(server.statistics.connectionsOpen == 0 && server.statistics.deferredOpen == 0)
                #expect(try await client.isClosedByServer())
            }
        }
    }
}

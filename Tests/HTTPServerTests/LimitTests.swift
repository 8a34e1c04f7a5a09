// Each timeout and each limit that needs sockets: drips, idleness, slow readers, too many connections, no descriptors.

import CLinux
import Glibc
import Synchronization
import Testing

@testable import HTTPServer

extension SocketTests {
    @Suite struct LimitTests {
        private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

        private func milliseconds(_ body: () async throws -> Void) async rethrows -> Int {
            let start = clinux_monotonic_nanoseconds()
            try await body()
            return Int((clinux_monotonic_nanoseconds() - start) / 1_000_000)
        }

        @Test func endsHeaderDrips() async throws {
            var options = ServerOptions()
            options.headerTimeoutMilliseconds = 300
            try await withServer(.sample(), options) { server, bound in
                let client = try TestClient(bound)
                // Two seconds of header. How late a sleep ends depends on what else the machine does; how much of the
                // header was taken before the answer does not.
                let header = Array(("GET / HTTP/1.1\r\nHost: " + String(repeating: "a", count: 76)).utf8)
                var sent = 0
                let took = try await milliseconds {
                    while sent < header.count, try await client.send([header[sent]]), client.take() <= 0 {
                        sent += 1
                        try await Task.sleep(for: .milliseconds(20))
                    }
                    #expect(try await client.receive(answers: 1) == [408])
                }
                #expect(took >= 250)
                #expect(sent < 75, "the limit counts from the first byte, not from the last")
                #expect(server.statistics.timeouts == 1)
            }
        }

        @Test func endsBodyDrips() async throws {
            var options = ServerOptions()
            options.bodyGraceMilliseconds = 200
            options.bodyBytesPerSecondMin = 1000
            try await withServer(.sample(), options) { _, bound in
                let client = try TestClient(bound)
                try await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
                for _ in 0..<100 {
                    guard try await client.send("x"), client.take() <= 0 else { break }
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(try await client.receive(answers: 1) == [408])
            }
        }

        @Test func endsBodiesThatTakeTooLong() async throws {
            var options = ServerOptions()
            options.bodyTimeoutMilliseconds = 200
            try await withServer(.sample(), options) { _, bound in
                let client = try TestClient(bound)
                try await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
                #expect(try await client.receive(answers: 1) == [408])
                #expect(try await client.isClosedByServer())
            }
        }

        @Test func closesIdleConnectionsWithoutAWord() async throws {
            var options = ServerOptions()
            options.idleTimeoutMilliseconds = 200
            try await withServer(.sample(), options) { _, bound in
                let (used, unused) = (try TestClient(bound), try TestClient(bound))
                try await used.send(get)
                #expect(try await used.receive(answers: 1) == [200])
                #expect(try await used.isClosedByServer() && used.statuses == [200])
                #expect(try await unused.isClosedByServer() && unused.received.isEmpty)
            }
        }

        @Test func answers503WhenADeferredAnswerNeverComes() async throws {
            var options = ServerOptions()
            options.deferredTimeoutMilliseconds = 200
            var router = Router()
            router.add(.post, "/never") { request, _ in
                _ = request.deferral()
                return .deferred
            }
            try await withServer(router, options) { _, bound in
                let client = try TestClient(bound)
                try await client.send("POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                #expect(try await client.receive(answers: 1) == [503])
                #expect(client.text.contains("Retry-After: 1"))
            }
        }

        @Test func whatIsPipelinedBehindARefusalGoesWithItAndWhoComesBackAtOnceWaits() async throws {
            var options = ServerOptions()
            options.deferredMax = 1
            options.impatiencePauseMilliseconds = 1_500
            let tickets = Mutex<[Deferral]>([])
            var router = Router()
            router.add(.post, "/work") { request, _ in
                let deferral = request.deferral()
                tickets.withLock { $0.append(deferral) }
                return .deferred
            }
            try await withServer(router, options) { server, bound in
                let work = "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
                let (first, crowd) = (try TestClient(bound), try TestClient(bound))
                try await first.send(work)
                #expect(try await eventually { tickets.withLock { $0.count } == 1 })
                let begin = ContinuousClock.now
                try await crowd.send(String(repeating: work, count: 10))
                #expect(try await crowd.receive(answers: 10) == [Int](repeating: 503, count: 10))
                #expect(ContinuousClock.now - begin < .seconds(10), "one pause for all of them, not one for each")
                // The next one comes at once, and is not heard: there is a place for it by then, but it is late.
                try await crowd.send(work)
                server.release(tickets.withLock { tickets in
                    defer { tickets = [] }
                    return tickets
                })
                #expect(try await first.receive(answers: 1) == [200])
                #expect(try await crowd.receive(answers: 11).last == 503)
                #expect(ContinuousClock.now - begin >= .milliseconds(1_400), "it waited for the pause to end")
                #expect(server.statistics.shed == 11)
                // And then it has its chance.
                try await crowd.send(work)
                #expect(try await eventually { tickets.withLock { $0.count } == 1 })
                server.release(tickets.withLock { $0 })
                #expect(try await crowd.receive(answers: 12).last == 200)
            }
        }

        @Test func aRouteMayTakeItsTime() async throws {
            var options = ServerOptions()
            options.deferredTimeoutMilliseconds = 200
            var router = Router()
            router.add(.post, "/long", options: RouteOptions(patienceMilliseconds: 900)) { request, _ in
                _ = request.deferral()
                return .deferred
            }
            try await withServer(router, options) { _, bound in
                let client = try TestClient(bound)
                let begun = ContinuousClock.now
                try await client.send("POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                #expect(try await client.receive(answers: 1) == [503])
                #expect(ContinuousClock.now - begun >= .milliseconds(850))
            }
        }

        @Test func dropsClientsThatDoNotReadAndStaysSmall() async throws {
            var options = ServerOptions()
            options.writeStallMilliseconds = 300
            var router = Router()
            router.add(.get, "/") { _, response in
                response.body { $0.append([UInt8](repeating: 120, count: 100_000)) }
                return .respond
            }
            try await withServer(router, options) { server, bound in
                let client = try TestClient(bound, receiveBuffer: 4096)
                try await client.send(String(repeating: get, count: 1000))
                #expect(try await eventually { server.statistics.timeouts == 1 })
                #expect(server.statistics.requests < 200, "reading stops when answers pile up")
                #expect(try await eventually { server.statistics.connectionsOpen == 0 })
            }
        }

        @Test func aConnectionHasOneReadUnderWayHoweverManyItSends() async throws {
            // Each read is answered at the end of its drain, with much.
            let handled = Mutex(0)
            let waiting = Mutex<[Deferral]>([])
            let server = Mutex<Server?>(nil)
            var options = ServerOptions()
            options.onDrain = { _ in
                let tickets = waiting.withLock { list in
                    defer { list = [] }
                    return list
                }
                let large = ResponseBytes(body: [UInt8](repeating: 120, count: 1_000_000))
                server.withLock { $0 }?.complete(tickets.map { ($0, large) })
            }
            var router = Router()
            router.add(.get, "/", options: RouteOptions(priority: .read)) { request, _ in
                handled.withLock { $0 += 1 }
                waiting.withLock { $0.append(request.deferral()) }
                return .deferred
            }
            try await withServer(router, options) { running, bound in
                server.withLock { $0 = running }
                let greedy = try TestClient(bound, receiveBuffer: 4096)
                try await greedy.send(String(repeating: get, count: 60))
                try await Task.sleep(for: .milliseconds(300))
                #expect(handled.withLock { $0 } < 12, "what the kernel takes, and one that waits")
                // Nobody else waits for it, and who takes his answers gets them all.
                let client = try TestClient(bound)
                try await client.send(String(repeating: get, count: 5))
                #expect(try await client.receive { $0.received.count > 5_000_000 })
                #expect(client.statuses == [200, 200, 200, 200, 200])
                #expect(try await greedy.receive { $0.received.count > 60_000_000 })
                #expect(greedy.statuses.count == 60)
            }
        }

        @Test func aLargeAnswerIsSentAsItIsAndKeepsNobodyFromWork() async throws {
            let body = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
            let tickets = Mutex<[Deferral]>([])
            var options = ServerOptions()
            options.bufferedBytesPerAddressMax = 1_000_000
            var router = Router.sample()
            router.add(.get, "/export", options: RouteOptions(priority: .read)) { request, _ in
                tickets.withLock { $0.append(request.deferral()) }
                return .deferred
            }
            router.add(.post, "/work") { _, response in
                response.body("done")
                return .respond
            }
            try await withServer(router, options) { server, bound in
                let reader = try TestClient(bound, receiveBuffer: 8192)
                try await reader.send("GET /export HTTP/1.1\r\nHost: a\r\n\r\nPOST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
                #expect(try await eventually { tickets.withLock { $0.count } == 1 })
                server.complete(tickets.withLock { $0 }.map { ($0, ResponseBytes(contentType: .octetStream, body: body)) })
                try await Task.sleep(for: .milliseconds(50))
                // From the same address, while most of it waits to be sent: small work is done, what may be large is refused.
                let other = try TestClient(bound)
                try await other.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
                #expect(try await other.receive(answers: 1) == [200])
                try await other.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
                #expect(try await other.receive(answers: 2) == [200, 503])
                try await reader.send("{}")
                #expect(try await reader.receive { $0.received.suffix(4).elementsEqual("done".utf8) })
                let head = try #require(reader.received.firstRange(of: Array("\r\n\r\n".utf8)))
                #expect(String(decoding: reader.received[..<head.lowerBound], as: UTF8.self).contains("Content-Length: 8000000"))
                #expect(reader.received[head.upperBound...].prefix(body.count).elementsEqual(body))
                let rest = String(decoding: reader.received[(head.upperBound + body.count)...], as: UTF8.self)
                #expect(rest.hasPrefix("HTTP/1.1 200 OK") && rest.hasSuffix("done"))

                // Once it has left, it is held against nobody, although the reader stays.
                let before = reader.received.count
                try await reader.send("GET /export HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await eventually { tickets.withLock { $0.count } == 2 })
                server.complete([(tickets.withLock { $0[1] }, ResponseBytes(contentType: .octetStream, body: body))])
                #expect(try await reader.receive { $0.received.count > before + body.count })
                let large = try TestClient(bound)
                try await large.send("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + String(repeating: "x", count: 20_000))
                #expect(try await large.receive(answers: 1) == [200])
            }
        }

        @Test func whoHoldsTheReserveInSilenceMakesRoomForAProbe() async throws {
            var options = ServerOptions()
            options.connectionsMax = 2
            options.reservedConnectionsMax = 4
            options.reservedTimeoutMilliseconds = 60_000
            var router = Router.sample()
            router.add(.get, "/health", options: RouteOptions(priority: .control)) { _, response in
                response.body("well")
                return .respond
            }
            try await withServer(router, options) { server, bound in
                // More than there is room for, and some have begun to ask.
                var silent: [TestClient] = []
                for index in 0..<60 {
                    let client = try TestClient(bound)
                    if index % 3 == 0 { try await client.send("GET /heal") }
                    silent.append(client)
                }
                #expect(try await eventually { server.statistics.connectionsAccepted >= 60 })
                for _ in 0..<20 {
                    let probe = try TestClient(bound)
                    try await probe.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try await probe.receive(answers: 1) == [200])
                }
                #expect(server.statistics.connectionsOpen <= 6)
                try await silent[0].send("th HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await silent[0].receive(answers: 1) == [200], "who came first is served as before")
            }
        }

        @Test func sendsEverythingToASlowReader() async throws {
            var router = Router()
            router.add(.get, "/") { _, response in
                response.body { $0.append([UInt8](repeating: 120, count: 100_000)) }
                return .respond
            }
            try await withServer(router) { _, bound in
                let client = try TestClient(bound, receiveBuffer: 8192)
                try await client.send(String(repeating: get, count: 50))
                #expect(try await client.receive(milliseconds: 20_000) { $0.received.count >= 5_000_000 })
                #expect(client.statuses == [Int](repeating: 200, count: 50))
            }
        }

        @Test func keepsConnectionsForHealthAndControlBeyondTheLimit() async throws {
            var options = ServerOptions()
            options.connectionsMax = 3
            options.reservedTimeoutMilliseconds = 300
            var router = Router.sample()
            router.add(.get, "/health", options: RouteOptions(priority: .control)) { _, response in
                response.body("well")
                return .respond
            }
            try await withServer(router, options) { server, bound in
                var clients: [TestClient] = []
                for _ in 0..<3 {
                    let client = try TestClient(bound)
                    try await client.send(get)
                    #expect(try await client.receive(answers: 1) == [200])
                    clients.append(client)
                }
                let late = try TestClient(bound)
                try await late.send(get)
                #expect(try await late.receive(answers: 1) == [503])
                #expect(try await late.isClosedByServer() && late.text.contains("Retry-After: 1"))
                let probe = try TestClient(bound)
                try await probe.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await probe.receive(answers: 1) == [200])
                #expect(try await probe.isClosedByServer() && probe.text.hasSuffix("well"))
                let silent = try TestClient(bound)
                #expect(try await silent.isClosedByServer(), "nobody holds the reserve for long")
                clients.removeLast()
                #expect(try await eventually { server.statistics.connectionsOpen == 2 })
                let next = try TestClient(bound)
                try await next.send(get)
                #expect(try await next.receive(answers: 1) == [200])
                #expect(server.statistics.connectionsRefused == 3)
            }
        }

        @Test func pipelinedProbesKeepNobodyFromWorkAndFillNoMemory() async throws {
            var router = Router.sample()
            router.add(.get, "/health", options: RouteOptions(priority: .control)) { _, response in
                response.body("well")
                return .respond
            }
            try await withServer(router) { server, bound in
                let probes = [UInt8](String(repeating: "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", count: 2_000).utf8)
                var flood: [TestClient] = []
                for _ in 0..<10 {
                    let client = try TestClient(bound)
                    try await client.send(probes)
                    flood.append(client)
                }
                let worker = try TestClient(bound)
                for _ in 0..<20 {
                    try await worker.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
                }
                #expect(try await worker.receive(answers: 20) == [Int](repeating: 200, count: 20))
                for client in flood {
                    #expect(try await client.receive(answers: 2_000) == [Int](repeating: 200, count: 2_000))
                }
                #expect(server.statistics.shed == 0)
            }
        }

        @Test func findsSensibleLimitsForAnyNumberOfDescriptors() {
            for descriptors in [16, 64, 256, 1024, 4096, 65_536, 1_048_576] {
                let (serve, reserve) = SharedLimits.connections(descriptors: descriptors, wanted: nil, reserve: 64)
                #expect(serve >= 4 && reserve >= 1)
                #expect(serve + reserve + (descriptors >= 64 ? 24 : 0) <= descriptors, "\(descriptors)")
            }
        }

        @Test func staysCalmWithoutDescriptors() async throws {
            // In a process of its own: descriptors are taken from everyone in it.
            await #expect(processExitsWith: .success) { try await Starvation.test() }
        }

        @Test func survivesConnectionsThatAreReset() async throws {
            try await withServer { server, bound in
                for round in 0..<50 {
                    let client = try TestClient(bound)
                    try await client.send(
                        round % 2 == 0 ? get : "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
                    var abort = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &abort, socklen_t(MemoryLayout<linger>.size))
                }
                #expect(try await eventually { server.statistics.connectionsOpen == 0 })
                let client = try TestClient(bound)
                try await client.send(get)
                #expect(try await client.receive(answers: 1) == [200])
            }
        }
    }
}

/// The test that takes all descriptors of its process.
private enum Starvation {
    static func test() async throws {
        var options = ServerOptions()
        options.acceptPauseMilliseconds = 50
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        try await withServer(.sample(), options) { server, bound in
            let before = try TestClient(bound)
            try await before.send(get)
            #expect(try await before.receive(answers: 1) == [200])
            // Dispatch opens a descriptor for the first timer of a kind, and traps if it cannot: let it happen now.
            try await Task.sleep(for: .milliseconds(100))
            // Clients first, then every other descriptor is taken, so that their acceptance must fail.
            var waiting: [TestClient] = []
            var taken: [Int32] = []
            var old = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &old)
            let highest = try #require((0..<Int32(256)).last { fcntl($0, F_GETFD) >= 0 })
            var low = rlimit(rlim_cur: rlim_t(highest) + 9, rlim_max: old.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low)
            defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &old) }
            for _ in 0..<4 { waiting.append(try TestClient(bound)) }
            while case let descriptor = dup(0), descriptor >= 0 { taken.append(descriptor) }
            let wakeups = server.statistics.wakeups
            try await Task.sleep(for: .milliseconds(500))
            #expect(server.statistics.wakeups - wakeups < 60, "accepting must pause, not spin")
            try await before.send(get)
            #expect(try await before.receive(answers: 2) == [200, 200], "open connections are served")
            for descriptor in taken { close(descriptor) }
            let after = try TestClient(bound)
            try await after.send(get)
            #expect(try await after.receive(answers: 1) == [200], "accepting goes on within a pause")
        }
    }
}

// Sends requests to a server of this machine over many connections at once, and takes the times of the answers.

import CLinux
import Foundation

/// What became of a load.
struct LoadResult: CustomStringConvertible {
    /// Microseconds from when a request was due to its answer, sorted.
    var times: [UInt32] = []
    /// Answers other than 2xx, and requests without an answer.
    var errors = 0
    var seconds = 0.0

    var perSecond: Double { Double(times.count) / max(seconds, 1e-9) }

    func milliseconds(_ share: Double) -> Double {
        times.isEmpty ? 0 : Double(times[min(times.count - 1, Int(Double(times.count) * share))]) / 1000
    }

    var description: String {
        "answered \(times.count) errors \(errors) "
            + [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1)].map { name, share in
                "\(name) \(String(format: "%.2f", milliseconds(share)))"
            }.joined(separator: " ") + " ms"
    }
}

/// Keeps its own core busy: nothing that waits would notice an answer soon enough.
struct RequestGenerator {
    let url: String
    let connections: Int
    /// Sent one after the other, and again from the first.
    let messages: [[UInt8]]

    /// The bytes of a request; `path` behind /v1/applications/.
    static func message(_ method: String, _ path: String, _ body: [UInt8], type: String = "application/json") -> [UInt8] {
        let head = "\(method) /v1/applications/\(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\n"
        return Array((head + "Content-Length: \(body.count)\r\n\r\n").utf8) + body
    }

    private struct Connection {
        let descriptor: Int32
        /// When its last request was due.
        var due: UInt64 = 0
        var answer: [UInt8] = []
    }

    /// Sends `count` requests, `rate` a second, for at most `seconds`. With a rate beyond what the server can do each connection
    /// sends again as soon as it is answered.
    func run(rate: Int, count total: Int, seconds: Int) throws -> LoadResult {
        let epoll = epoll_create1(0)
        defer { close(epoll) }
        var open: [Connection] = []
        for index in 0..<connections {
            let descriptor = try LoopbackSocket.connect(to: url)
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            // A request is sent in one piece.
            var room: Int32 = 1 << 20
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<Int32>.size))
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            guard clinux_epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, EPOLLIN.rawValue, UInt64(index)) == 0 else {
                throw BenchError("epoll: \(String(cString: strerror(errno)))")
            }
            open.append(Connection(descriptor: descriptor))
        }
        var result = LoadResult()
        result.times.reserveCapacity(min(total, 1 << 22))
        var idle = Array(open.indices)
        let start = clinux_monotonic_nanoseconds()
        let end = start + UInt64(seconds) * 1_000_000_000
        func due(_ number: Int) -> UInt64 { start + UInt64(number) * 1_000_000_000 / UInt64(rate) }
        var (sent, received) = (0, 0)
        let capacity = 256
        var events = [UInt32](repeating: 0, count: capacity)
        var data = [UInt64](repeating: 0, count: capacity)
        while received < total {
            let now = clinux_monotonic_nanoseconds()
            guard now < end else { break }
            while sent < total, due(sent) <= now, let index = idle.popLast() {
                open[index].due = due(sent)
                let message = messages[sent % messages.count]
                guard send(open[index].descriptor, message, message.count, Int32(MSG_NOSIGNAL)) == message.count else {
                    throw BenchError("a request could not be sent: \(String(cString: strerror(errno)))")
                }
                sent += 1
            }
            let count = clinux_epoll_take(epoll, &events, &data, Int32(capacity), 0)
            for event in 0..<max(0, Int(count)) {
                let index = Int(data[event])
                guard let isGood = try Self.receive(&open[index]) else { continue }
                received += 1
                if !isGood { result.errors += 1 }
                result.times.append(UInt32(clamping: (clinux_monotonic_nanoseconds() - open[index].due) / 1000))
                open[index].answer.removeAll(keepingCapacity: true)
                idle.append(index)
            }
        }
        result.seconds = Double(clinux_monotonic_nanoseconds() - start) / 1e9
        result.errors += sent - received
        for connection in open { close(connection.descriptor) }
        result.times.sort()
        return result
    }

    /// Reads what is there: whether the answer is 2xx once it is whole.
    private static func receive(_ connection: inout Connection) throws -> Bool? {
        let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
            let count = recv(connection.descriptor, buffer.baseAddress!, buffer.count, 0)
            if count > 0 { connection.answer.append(contentsOf: buffer[..<count]) }
            return count
        }
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return nil }
            throw BenchError("the server closed a connection")
        }
        let answer = connection.answer
        guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let name = Array("\r\nContent-Length: ".utf8)
        var length = 0
        if let field = answer[..<end.upperBound].firstRange(of: name) {
            for digit in answer[field.upperBound...].prefix(while: { $0 >= 48 && $0 < 58 }) { length = length * 10 + Int(digit) - 48 }
        }
        guard answer.count >= end.upperBound + length else { return nil }
        return answer.count > 9 && answer[9] == UInt8(ascii: "2")
    }
}

/// Blocking TCP connections to a server of this machine.
enum LoopbackSocket {
    /// - Parameter url: http://ADDRESS:PORT/ with an IPv4 address.
    static func connect(to url: String) throws -> Int32 {
        guard let components = URLComponents(string: url), let host = components.host, let port = components.port,
            let portNumber = UInt16(exactly: port)
        else { throw BenchError("\(url) is not http://ADDRESS:PORT/") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = portNumber.bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw BenchError("\(host) is not an IPv4 address") }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { throw BenchError("no connection to \(url): \(String(cString: strerror(errno)))") }
        return descriptor
    }
}

// An HTTP client for tests over a plain socket: it never blocks a thread, it tries and sleeps a little between two tries.

import Foundation
import Glibc
import HTTPServer

/// An answer as it came over the wire.
struct Answer {
    var status: Int
    /// Lower-case names.
    var headers: [String: String]
    var bytes: [UInt8]
    var body: String { String(decoding: bytes, as: UTF8.self) }

    /// The body as JSON.
    var json: JSON { get throws { try JSON(body) } }
}

/// The connection ended, or nothing came in time.
struct ConnectionFailure: Error, CustomStringConvertible {
    let description: String
}

/// One keep-alive connection; closed when it is dropped.
final class Client {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 || errno == EINPROGRESS else { throw ConnectionFailure(description: "connect: \(errno)") }
    }

    convenience init(_ address: ListenAddress) throws {
        guard case .tcp(_, let port) = address else { throw ConnectionFailure(description: "no port: \(address)") }
        try self.init(port: port)
    }

    deinit { close(descriptor) }

    static func request(_ method: String, _ path: String, _ body: String? = nil, headers: [String] = []) -> String {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        for header in headers { text += header + "\r\n" }
        if let body { text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n" }
        return text + "\r\n" + (body ?? "")
    }

    func send(_ text: String) async throws { try await send(bytes: Array(text.utf8)) }

    func send(bytes: [UInt8]) async throws {
        var rest = bytes[...]
        let deadline = ContinuousClock.now + .seconds(10)
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            guard errno == EAGAIN || errno == ENOTCONN, ContinuousClock.now < deadline else {
                throw ConnectionFailure(description: "send: \(errno)")
            }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// The next answer on this connection.
    func receive(seconds: Int = 20) async throws -> Answer {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var buffer = [UInt8](repeating: 0, count: 65536)
        var tries = 0
        while true {
            if let answer = takeAnswer() { return answer }
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += buffer[..<count]
                tries = 0
                continue
            }
            guard count < 0, errno == EAGAIN || errno == ENOTCONN, ContinuousClock.now < deadline else {
                throw ConnectionFailure(description: count == 0 ? "closed by the server" : "receive: \(errno)")
            }
            // Most answers are there within a millisecond: look often first.
            tries += 1
            if tries < 50 { await Task.yield() } else { try await Task.sleep(for: .milliseconds(1)) }
        }
    }

    func send(_ method: String, _ path: String, _ body: String? = nil, headers: [String] = []) async throws -> Answer {
        try await send(Self.request(method, path, body, headers: headers))
        return try await receive()
    }

    func put(_ path: String, bytes: [UInt8]) async throws -> Answer {
        let head = "PUT \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: \(bytes.count)\r\n\r\n"
        try await send(bytes: Array(head.utf8) + bytes)
        return try await receive()
    }

    func get(_ path: String) async throws -> Answer { try await send("GET", path) }

    func post(_ path: String, _ body: String) async throws -> Answer { try await send("POST", path, body) }

    /// The JSON of an answer that must be 200.
    func read(_ path: String) async throws -> JSON {
        let answer = try await get(path)
        guard answer.status == 200 else { throw ConnectionFailure(description: "\(path): \(answer)") }
        return try answer.json
    }

    /// Takes one complete answer from what was received.
    private func takeAnswer() -> Answer? {
        guard let end = received.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: received[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard received.count - end.upperBound >= length else { return nil }
        let body = Array(received[end.upperBound..<end.upperBound + length])
        received.removeFirst(end.upperBound + length)
        return Answer(
            status: lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0, headers: headers,
            bytes: body)
    }
}

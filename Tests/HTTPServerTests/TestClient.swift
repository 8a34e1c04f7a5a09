// A socket client for tests that never blocks a thread: it tries, and sleeps a little between two tries.

import CLinux
import Glibc

@testable import HTTPServer

/// One connection to a server under test; closed when it is dropped.
final class TestClient {
    let descriptor: Int32
    private(set) var received: [UInt8] = []
    private(set) var isClosed = false

    init(_ address: ListenAddress, receiveBuffer: Int32? = nil) throws {
        var target: SocketAddress?
        switch address {
        case .tcp(let host, let port): target = SocketAddress(host: host, port: port)
        case .unix(let path): target = SocketAddress(path: path)
        }
        guard var target else { throw SocketError("address", address.description) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(Int32(target.storage.ss_family), type, 0)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
        }
        guard target.withPointer({ connect(descriptor, $0, $1) }) == 0 || errno == EINPROGRESS else {
            throw SocketError("connect", address.description)
        }
    }

    deinit { close(descriptor) }

    var text: String { String(decoding: received, as: UTF8.self) }
    var statuses: [Int] { finalStatuses(received) }

    /// Sends all of `text`; false when the connection broke or nothing could be sent for a second.
    @discardableResult
    func send(_ text: String) async throws -> Bool { try await send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) async throws -> Bool {
        var rest = bytes[...]
        var idle = 0
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
                idle = 0
            } else {
                guard errno == EAGAIN || errno == ENOTCONN, idle < 1000 else { return false }
                idle += 1
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        return true
    }

    /// Closes the sending side only.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Takes what is there now; returns the number of bytes.
    @discardableResult
    func take() -> Int {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count > 0 { received += buffer[..<count] }
        if count == 0 || (count < 0 && errno != EAGAIN && errno != ENOTCONN) { isClosed = true }
        return count
    }

    /// Receives until `isDone` or the end of the connection, for at most `milliseconds`; returns whether it is done.
    @discardableResult
    func receive(milliseconds: Int = 20_000, until isDone: (TestClient) -> Bool) async throws -> Bool {
        let limit = clinux_monotonic_nanoseconds() + UInt64(milliseconds) * 1_000_000
        while true {
            while take() > 0 {}
            if isDone(self) { return true }
            guard !isClosed, clinux_monotonic_nanoseconds() < limit else { return isDone(self) }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    @discardableResult
    func receive(answers: Int, milliseconds: Int = 20_000) async throws -> [Int] {
        try await receive(milliseconds: milliseconds) { $0.statuses.count >= answers }
        return statuses
    }

    /// Whether the server closes the connection in time.
    func isClosedByServer(milliseconds: Int = 20_000) async throws -> Bool {
        try await receive(milliseconds: milliseconds) { $0.isClosed }
    }
}

/// Waits until `condition` holds, for at most `milliseconds`; returns whether it does.
func eventually(milliseconds: Int = 20_000, _ condition: () -> Bool) async throws -> Bool {
    let limit = clinux_monotonic_nanoseconds() + UInt64(milliseconds) * 1_000_000
    while !condition() {
        guard clinux_monotonic_nanoseconds() < limit else { return false }
        try await Task.sleep(for: .milliseconds(2))
    }
    return true
}

/// Runs `body` against a server on port 0 and shuts it down.
func withServer(
    _ router: Router = .sample(), _ options: ServerOptions = ServerOptions(),
    on address: ListenAddress = .tcp(host: "127.0.0.1", port: 0),
    _ body: (Server, ListenAddress) async throws -> Void
) async throws {
    let server = Server(options: options, router: router)
    let bound = try server.start(on: [address])
    do {
        try await body(server, bound[0])
    } catch {
        server.shutdown()
        throw error
    }
    server.shutdown()
}

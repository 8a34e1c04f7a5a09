// Connections that ask once and then stay open: what many keep-alive clients cost a server.

import ArgumentParser
import Foundation

/// A program of its own: Foundation's `Process.run` may crash in one that holds more than 1,300 descriptors (it reads
/// behind the end of its list of them; swift-corelibs-foundation 5472, mended after 6.3.1).
struct IdleConnections: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle", abstract: "Open connections, say so, and hold them until stopped.", shouldDisplay: false)
    /// What it says when all connections are open.
    static let greeting = "open"

    @Argument(help: "http://ADDRESS:PORT/")
    var url: String

    @Argument(help: "Connections.")
    var count: Int

    func run() async throws {
        try open()
        FileHandle.standardOutput.write(Data((Self.greeting + "\n").utf8))
        while true { try await Task.sleep(for: .seconds(3600)) }
    }

    /// Each connection gets one answer, so that the server knows it.
    private func open() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let request = Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        var answer = [UInt8](repeating: 0, count: 4096)
        for number in 1...count {
            let descriptor = try LoopbackSocket.connect(to: url)
            guard send(descriptor, request, request.count, 0) == request.count, recv(descriptor, &answer, answer.count, 0) > 0
            else { throw BenchError("connection \(number) of \(count) failed: \(String(cString: strerror(errno)))") }
        }
    }
}

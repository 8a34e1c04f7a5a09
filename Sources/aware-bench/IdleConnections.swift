// Connections that ask once and then stay open: what many keep-alive clients cost a server.

import Foundation

struct IdleConnections {
    private var descriptors: [Int32] = []

    /// Opens `count` connections to an `http://address:port/`; each gets one answer, so that the server knows it.
    init(_ count: Int, to url: String) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard let components = URLComponents(string: url), let host = components.host, let port = components.port,
            let number = UInt16(exactly: port)
        else { throw BenchError("\(url) is not http://ADDRESS:PORT/") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw BenchError("\(host) is not an IPv4 address") }
        let request = Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
        var answer = [UInt8](repeating: 0, count: 4096)
        for _ in 0..<count {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            if descriptor >= 0 { descriptors.append(descriptor) }
            let isConnected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isConnected, send(descriptor, request, request.count, 0) == request.count,
                recv(descriptor, &answer, answer.count, 0) > 0
            else {
                let reason = String(cString: strerror(errno))
                close()
                throw BenchError("connection \(descriptors.count) of \(count) failed: \(reason)")
            }
        }
    }

    func close() { for descriptor in descriptors { Foundation.close(descriptor) } }
}

// A service on a free port with a data folder of its own, and requests to it: what all REST tests start from.

import Foundation
import HTTPServer
import Service
import Testing

/// What a server answered.
struct RestAnswer {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    var json: Any? { try? JSONSerialization.jsonObject(with: Data(body), options: .fragmentsAllowed) }

    /// A value inside the answer, by its JSON pointer: `answer["/desired/replicas"]`.
    subscript(pointer: String) -> Any? {
        pointer.split(separator: "/").reduce(json) { value, key in
            if let array = value as? [Any] { return Int(key).flatMap { array.indices.contains($0) ? array[$0] : nil } }
            return (value as? [String: Any])?[String(key)]
        }
    }
    func integer(_ pointer: String) -> Int? { (self[pointer] as? NSNumber)?.intValue }
    func number(_ pointer: String) -> Double? { (self[pointer] as? NSNumber)?.doubleValue }
    func string(_ pointer: String) -> String? { self[pointer] as? String }
    func boolean(_ pointer: String) -> Bool? { (self[pointer] as? NSNumber)?.boolValue }
    /// Pointers of a problem's errors.
    var errorPointers: [String] {
        ((self["/errors"] as? [[String: Any]]) ?? []).compactMap { $0["pointer"] as? String }
    }
}

/// A running service; `restart` keeps its data.
final class RestServer {
    private var service: PolicyServer
    let folder: String
    private let adjust: (inout ServiceOptions) -> Void
    private(set) var port: UInt16 = 0

    init(_ adjust: @escaping (inout ServiceOptions) -> Void = { _ in }) throws {
        folder = NSTemporaryDirectory() + "aware-rest-\(UUID().uuidString)"
        self.adjust = adjust
        service = try Self.start(folder, adjust)
        port = Self.port(service)
    }

    private static func start(_ folder: String, _ adjust: (inout ServiceOptions) -> Void) throws -> PolicyServer {
        var options = ServiceOptions()
        options.listen = [try ListenAddress("127.0.0.1:0")]
        options.dataFolder = folder
        options.loops = 1
        options.trainerThreads = 1
        adjust(&options)
        return try PolicyServer.start(options)
    }

    private static func port(_ service: PolicyServer) -> UInt16 {
        service.addresses.compactMap { UInt16("\($0)".split(separator: ":").last ?? "") }.first ?? 0
    }

    /// Every route of the running router.
    var routes: [(method: HTTPServer.Method, pattern: String)] { service.routes }

    func restart() async throws {
        try await service.stop()
        service = try Self.start(folder, adjust)
        port = Self.port(service)
    }

    func stop() async throws {
        try await service.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Sends one request on a connection of its own.
    @discardableResult
    func send(
        _ method: String, _ path: String, _ body: String? = nil, headers: [(String, String)] = [], bytes: [UInt8]? = nil
    ) async throws -> RestAnswer {
        try await Self.send(port, method, path, body, headers, bytes)
    }

    static func send(
        _ port: UInt16, _ method: String, _ path: String, _ body: String? = nil, _ headers: [(String, String)] = [],
        _ bytes: [UInt8]? = nil
    ) async throws -> RestAnswer {
        var head = "\(method) \(path) HTTP/1.1\r\nConnection: close\r\n"
        if !headers.contains(where: { $0.0.lowercased() == "host" }) { head += "Host: 127.0.0.1\r\n" }
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        let content = bytes ?? body.map { Array($0.utf8) }
        if let content {
            head += "Content-Length: \(content.count)\r\n"
            if !headers.contains(where: { $0.0.lowercased() == "content-type" }) {
                head += "Content-Type: application/json\r\n"
            }
        }
        return try parse(try await exchange(port, Array((head + "\r\n").utf8) + (content ?? [])))
    }

    /// Sends `request` and reads until the server closes or `isDone` says that it is enough.
    static func exchange(
        _ port: UInt16, _ request: [UInt8], until isDone: @Sendable ([UInt8]) -> Bool = { _ in false }
    ) async throws -> [UInt8] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        var sent = 0
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        for _ in 0..<20_000 {
            if sent < request.count {
                let count = request[sent...].withUnsafeBytes {
                    Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count > 0 { sent += count }
            }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count == 0 { return received }
            if count > 0 {
                received += buffer[..<count]
                if isDone(received) { return received }
            } else {
                try await Task.sleep(for: .microseconds(500))
            }
        }
        Issue.record("no answer within 10 s")
        return received
    }

    private static func parse(_ raw: [UInt8]) throws -> RestAnswer {
        let separator = Array("\r\n\r\n".utf8)
        let end = try #require(raw.indices.first { raw[$0...].starts(with: separator) }, "no head in the answer")
        let lines = String(decoding: raw[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        var answer = RestAnswer(
            status: Int(lines[0].split(separator: " ")[1]) ?? 0, headers: [:], body: Array(raw[(end + 4)...]))
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            answer.headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
                in: .whitespaces)
        }
        return answer
    }
}

/// Runs `body` with a service of its own.
func withRest(
    _ adjust: @escaping (inout ServiceOptions) -> Void = { _ in }, _ body: (RestServer) async throws -> Void
) async throws {
    let server = try RestServer(adjust)
    do {
        try await body(server)
    } catch {
        try? await server.stop()
        throw error
    }
    try await server.stop()
}

/// A usable observation; `extra` members go in front.
func observation(replicas: Int = 3, cpu: Double = 0.5, extra: String = "") -> String {
    "{\(extra)\"replicas\": \(replicas), \"cpuLimit\": \"512m\", \"memoryLimit\": \"512Mi\", \"cpuUtilization\": \(cpu), "
        + "\"memoryUtilization\": 0.5, \"latencySeconds\": 0.2, \"requestRate\": 100}"
}

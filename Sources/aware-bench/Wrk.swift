// Load from wrk: one thread, closed loop, and what it reports.

import Foundation

/// One run of wrk.
struct Wrk {
    var requestsPerSecond = 0.0
    var p99Milliseconds = 0.0
    var requests = 0
    /// Answers other than 2xx and 3xx, and socket errors: a run with any of them measures something else.
    var errors = 0

    /// Loads `url` from `connections` connections on `core` for `seconds`; `script` is a Lua file.
    static func run(
        _ url: String, seconds: Int, connections: Int, core: Int, script: String? = nil
    ) async throws -> Wrk {
        var command = ["wrk", "-t1", "-c\(connections)", "-d\(seconds)s", "--latency"]
        if let script { command += ["-s", script] }
        let text = try await Program.run(
            command + [url], core: core, seconds: Double(seconds) + 20)
        var result = Wrk()
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.first == "Requests/sec:" { result.requestsPerSecond = Double(words[1]) ?? 0 }
            if words.first == "99%", words.count > 1 { result.p99Milliseconds = milliseconds(words[1]) }
            if words.count > 2, words[1] == "requests", words[2] == "in" { result.requests = Int(words[0]) ?? 0 }
            if line.contains("Non-2xx") || line.contains("Socket errors") {
                result.errors += words.compactMap { Int($0.filter(\.isNumber)) }.reduce(0, +)
            }
        }
        guard result.requests > 0 else { throw BenchError("wrk measured nothing at \(url):\n\(text)") }
        return result
    }

    /// "374.00us", "1.20ms" or "2.01s".
    private static func milliseconds(_ text: String) -> Double {
        let number = Double(text.prefix { $0.isNumber || $0 == "." }) ?? 0
        if text.hasSuffix("us") { return number / 1000 }
        return text.hasSuffix("ms") ? number : number * 1000
    }
}

/// Why a benchmark cannot go on.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

// The log: one line an entry, whatever is in it; and what a server's life leaves there.

import Foundation
import Logging
import Synchronization
import Testing

@testable import Operations
import Service

/// Keeps lines.
private final class Lines: Sendable {
    private let kept = Mutex<[String]>([])
    var all: [String] { kept.withLock { $0 } }
    func logger(_ format: LineLogHandler.Format, level: Logger.Level = .info) -> Logger {
        Logger(label: "aware") { label in
            LineLogHandler(label: label, level: level, format: format) { line in self.kept.withLock { $0.append(line) } }
        }
    }
}

@Suite struct LogTests {
    @Test func anEntryIsOneLineWhateverIsInIt() throws {
        let lines = Lines()
        let nasty = "a\nFAKE error aware: \"b\" \u{1B}[31m\u{2028}c\u{7f}"
        for format in LineLogHandler.Format.allCases {
            lines.logger(format).notice("hello\r\nworld", metadata: ["key": "\(nasty)", "plain": "7"])
        }
        #expect(lines.all.count == 2)
        for line in lines.all {
            #expect(line.hasSuffix("\n") && line.dropLast().allSatisfy { !$0.isNewline })
            #expect(line.unicodeScalars.dropLast().allSatisfy { $0.properties.generalCategory != .control })
        }
        let text = lines.all[0]
        #expect(text.contains(" notice aware: hello\\u000d\\u000aworld") && text.contains(" plain=7"))
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(lines.all[1].utf8)) as? [String: String])
        #expect(json["key"] == "a\\u000aFAKE".replacing("\\u000a", with: "\n") + String(nasty.dropFirst(6)))
        #expect(json["level"] == "notice" && json["logger"] == "aware")
    }

    @Test func whatIsBelowTheLevelIsNotWritten() {
        let lines = Lines()
        let log = lines.logger(.text, level: .warning)
        log.notice("quiet")
        log.error("loud")
        #expect(lines.all.count == 1 && lines.all[0].contains("loud"))
    }

    @Test func aLifeLeavesItsTraces() async throws {
        let lines = Lines()
        let server = try RestServer { $0.log = lines.logger(.text) }
        try await server.send("POST", "/v1/applications/shop-web/decisions", #"{"replicas": 3}"#)
        try await server.send(
            "PUT", "/v1/applications/shop-web/pin",
            #"{"replicas": 5, "cpu": "500m", "memory": "512Mi", "reason": "incident 4711"}"#)
        try await server.send(
            "POST", "/v1/applications/shop-web/decisions", #"{"replicas": 3}"#,
            headers: [("Authorization", "Bearer secret-that-is-wrong")])
        try await server.stop()
        let log = lines.all.joined()
        for trace in ["serving", "migrated the database", "operator action", "incident 4711", "wrong token", "stopping", "stopped"] {
            #expect(log.contains(trace), "\(trace) is not in the log:\n\(log)")
        }
        #expect(!log.contains("secret-that-is-wrong"))
    }
}

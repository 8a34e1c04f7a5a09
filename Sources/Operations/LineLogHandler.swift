// The log: one line an entry, as text or as JSON, with nothing in it that could forge another line.

import Base
import Foundation
import Logging

/// Writes entries to a stream, standard error unless told otherwise.
public struct LineLogHandler: LogHandler {
    public enum Format: String, Sendable, CaseIterable { case text, json }

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: Format
    private let write: @Sendable (String) -> Void

    /// - Parameter write: takes a whole line with its end; may be called from several threads at once.
    public init(
        label: String, level: Logger.Level = .info, format: Format = .text,
        write: @escaping @Sendable (String) -> Void = LineLogHandler.standardError
    ) {
        self.label = label
        logLevel = level
        self.format = format
        self.write = write
    }

    /// One system call a line, so that lines of several threads do not mix.
    @Sendable public static func standardError(_ line: String) {
        try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        write(Self.line(
            format, Date().timeIntervalSince1970, event.level, label, "\(event.message)",
            fields.map { ($0.key, "\($0.value)") }))
    }

    /// One line of the log.
    static func line(
        _ format: Format, _ time: Double, _ level: Logger.Level, _ label: String, _ message: String,
        _ fields: [(key: String, value: String)]
    ) -> String {
        switch format {
        case .text:
            var line = "\(Timestamp.text(time)) \(level.rawValue) \(label): \(escaped(message))"
            for (key, value) in fields {
                let needsQuotes = value.isEmpty || value.contains { $0 == " " || $0 == "\"" || $0 == "=" }
                line += needsQuotes ? " \(key)=\"\(escaped(value, quotes: true))\"" : " \(key)=\(escaped(value))"
            }
            return line + "\n"
        case .json:
            var members = [("time", Timestamp.text(time)), ("level", level.rawValue), ("logger", label), ("message", message)]
            members += fields.map { ($0.key, $0.value) }
            return "{" + members.map { "\"\(escaped($0.0, quotes: true))\":\"\(escaped($0.1, quotes: true))\"" }.joined(separator: ",")
                + "}\n"
        }
    }

    /// The text without control characters and line ends of any kind: they become `\u00XX`.
    private static func escaped(_ text: String, quotes: Bool = false) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"" where quotes, "\\" where quotes: result += "\\\(scalar)"
            case _ where scalar.properties.generalCategory == .control || scalar == "\u{2028}" || scalar == "\u{2029}":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

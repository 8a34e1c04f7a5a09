// `aware export`: every decision of an application from a running server, as JSON lines or as CSV.

import ArgumentParser
import Foundation
import Recommender
import Scaling

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write all decisions of an application, oldest first, as JSON lines or CSV.",
        discussion: """
            Reads from a running server, page by page, decisions with their observations and explanations. The CSV form is \
            what `aware replay` reads. `aware backup` copies everything instead.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case jsonl, csv }

    @Argument(help: "The application.") var application: String
    @OptionGroup var running: RunningServerOptions
    @Option(help: "jsonl or csv.") var format = Format.jsonl
    @Option(help: "The file to write, or - for standard output.") var output = "-"
    @Flag(help: "Replace a file that is there.") var force = false

    private static let page = 500
    private static let columns = [
        "time", "requestRate", "cpuUtilization", "memoryUtilization", "latencySeconds", "replicas", "cpuLimit", "memoryLimit", "oomKills",
        "desiredReplicas", "desiredCpu", "desiredMemory", "episode", "step", "stage", "source", "modelVersion", "reason", "reward", "id",
    ]

    func validate() throws {
        guard output == "-" || force || !FileManager.default.fileExists(atPath: output) else {
            throw ValidationError("--output \(output) is there already; --force replaces it.")
        }
    }

    func run() throws {
        let lines: [String]
        do {
            lines = try read(running.reader())
        } catch let failure as ServerReader.Failure {
            throw CommandFailure(failure.description)
        }
        let heading = format == .csv ? [Self.columns.joined(separator: ",")] : []
        let text = Data(((heading + lines.reversed()).joined(separator: "\n") + "\n").utf8)
        if output == "-" { return FileHandle.standardOutput.write(text) }
        do {
            try text.write(to: URL(fileURLWithPath: output), options: .atomic)
        } catch {
            throw CommandFailure("--output \(output): the file cannot be written (\(error.localizedDescription)).")
        }
        print("\(output): \(lines.count) decisions of \(application)")
    }

    /// Every decision as a line, newest first.
    private func read(_ reader: ServerReader) throws -> [String] {
        let path = "/v1/applications/\(RunningServerOptions.encoded(application))"
        let progress = ProgressLine()
        progress.begin("exporting", total: try reader.get(path)["status"]?["decisions"]?.integer ?? 0)
        var lines: [String] = []
        var next = ""
        while true {
            let answer = try reader.get("\(path)/decisions?observation=true&limit=\(Self.page)\(next)")
            let items = answer["items"]?.array ?? []
            for item in items { lines.append(format == .jsonl ? item.line : Self.row(item)) }
            progress.advance(by: items.count)
            guard let cursor = answer["nextCursor"]?.string else { break }
            next = "&cursor=\(cursor)"
        }
        progress.finish()
        return lines
    }

    /// Limits in millicores and bytes, as a history has them.
    private static func row(_ decision: JSON) -> String {
        let seen = decision["observation"]
        func text(_ json: JSON?) -> String {
            switch json {
            case .string(let text)?: text.contains(",") ? "\"\(text)\"" : text
            case nil, .null?: ""
            case let value?: value.line
            }
        }
        func quantity(_ json: JSON?, _ read: (String) -> Int?) -> String {
            (json?.integer ?? json?.string.flatMap(read)).map(String.init) ?? ""
        }
        /// What ran when it was decided: the answer without what it changes.
        func before(_ name: String, _ change: String, _ read: (String) -> Int?) -> String {
            guard let after = decision["desired"]?[name]?.string.flatMap(read) else { return "" }
            return "\(after - (decision["vertical"]?[change]?.integer ?? 0))"
        }
        return columns.map { column in
            switch column {
            case "cpuLimit": before("cpu", "cpuMillicores", { Quantity.millicores($0) })
            case "memoryLimit": before("memory", "memoryBytes", { Quantity.bytes($0) })
            case "desiredReplicas": text(decision["desired"]?["replicas"])
            case "desiredCpu": quantity(decision["desired"]?["cpu"], { Quantity.millicores($0) })
            case "desiredMemory": quantity(decision["desired"]?["memory"], { Quantity.bytes($0) })
            case "time", "episode", "step", "stage", "source", "modelVersion", "reason", "reward", "id": text(decision[column])
            default: text(seen?[column])
            }
        }.joined(separator: ",")
    }
}

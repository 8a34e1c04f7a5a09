// `aware export`: an application from a running server: every decision as JSON lines or CSV, or all that there is of it.

import ArgumentParser
import Foundation
import Recommender
import Scaling

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write all decisions of an application, oldest first, as JSON lines or CSV.",
        discussion: """
            Reads from a running server, page by page, decisions with their observations and explanations. The CSV form is \
            what `aware replay` reads. The form bundle is the whole application, for `aware import` on another server: seal it \
            first (--seal), so that nothing is decided here that would not go with it. `aware backup` copies everything instead.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case jsonl, csv, bundle }

    @Argument(help: "The application.") var application: String
    @OptionGroup var running: RunningServerOptions
    @Option(help: "jsonl, csv or bundle.") var format = Format.jsonl
    @Option(help: "Seal it before, for this reason: it decides nothing here any more. Needs a token with the scope admin.") var seal: String?
    @OptionGroup var target: OutputOptions

    private static let page = 500
    private static let columns = [
        "time", "requestRate", "cpuUtilization", "memoryUtilization", "latencySeconds", "replicas", "cpuLimit", "memoryLimit", "oomKills",
        "desiredReplicas", "desiredCpu", "desiredMemory", "episode", "step", "stage", "source", "modelVersion", "reason", "reward", "id",
    ]

    func validate() throws {
        guard seal == nil || format == .bundle else { throw ValidationError("--seal goes with --format bundle.") }
    }

    func run() throws {
        let lines: [String]
        do {
            let reader = try running.reader()
            if format == .bundle { return try exportBundle(reader) }
            lines = try read(reader)
        } catch let failure as ServerReader.Failure {
            throw CommandFailure(failure.description)
        }
        let heading = format == .csv ? [Self.columns.joined(separator: ",")] : []
        guard try target.write((heading + lines.reversed()).joined(separator: "\n") + "\n") else { return }
        print("\(target.output): \(lines.count) decisions of \(application)")
    }

    private func exportBundle(_ reader: ServerReader) throws {
        let path = "/v1/applications/\(RunningServerOptions.encoded(application))"
        if let seal { _ = try reader.send("PUT", path + "/seal", JSON.object(["reason": .string(seal)]).text) }
        let bundle = try reader.bytes(path + "/export")
        guard try target.write(Data(bundle)) else { return }
        print("\(target.output): \(application), \(bundle.count) bytes" + (seal == nil ? "" : "; it is sealed now"))
    }

    /// Every decision as a line, newest first.
    private func read(_ reader: ServerReader) throws -> [String] {
        try decisions(reader) { format == .jsonl ? $0.text : Self.row($0) }
    }

    /// Every decision, newest first, as `form` makes it.
    private func decisions<T>(_ reader: ServerReader, _ form: (JSON) -> T) throws -> [T] {
        let path = "/v1/applications/\(RunningServerOptions.encoded(application))"
        let progress = ProgressLine()
        progress.begin("exporting", total: try reader.get(path)["status"]?["decisions"]?.integer ?? 0)
        var lines: [T] = []
        var next = ""
        while true {
            let answer = try reader.get("\(path)/decisions?observation=true&limit=\(Self.page)\(next)")
            let items = answer["items"]?.array ?? []
            for item in items { lines.append(form(item)) }
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
            case let value?: value.text
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

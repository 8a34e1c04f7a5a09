// `aware import`: an application that another server has exported, with its profile, weights and experience.

import ArgumentParser
import Foundation
import Recommender
import Scaling

/// What moves an application to another server: one JSON document.
enum ApplicationBundle {
    static let format = "aware-application-1"

    /// Steps to learn from: two decisions that follow each other, oldest first.
    static func transitions(_ decisions: [JSON]) -> [JSON] {
        zip(decisions, decisions.dropFirst()).compactMap { decision, following in
            guard let before = observation(decision), let after = observation(following), let desired = decision["desired"],
                // Two within a millisecond are no step.
                let begin = before["time"]?.string, let end = after["time"]?.string, begin < end
            else { return nil }
            var transition: [String: JSON] = ["observation": before, "desired": desired, "next": after]
            if let reward = following["reward"] { transition["reward"] = reward }
            return .object(transition)
        }
    }

    /// As it is sent: with its time, and the limits that it was measured under.
    private static func observation(_ decision: JSON) -> JSON? {
        guard var seen = decision["observation"]?.object, let time = decision["time"] else { return nil }
        seen = seen.filter { $0.value != .null }
        seen["time"] = time
        let desired = decision["desired"]
        if let cpu = desired?["cpu"]?.string.flatMap({ Quantity.millicores($0) }) {
            seen["cpuLimit"] = .string("\(cpu - (decision["vertical"]?["cpuMillicores"]?.integer ?? 0))m")
        }
        if let memory = desired?["memory"]?.string.flatMap({ Quantity.bytes($0) }) {
            seen["memoryLimit"] = .string("\(memory - (decision["vertical"]?["memoryBytes"]?.integer ?? 0))")
        }
        return .object(seen)
    }
}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Bring an application that another server has exported to a running server.",
        discussion: """
            Takes what `aware export --format bundle` wrote: the profile is set, the weights become a version that acts when it is \
            promoted, and the decisions are experience to learn from. Needs a token with the scope admin where tokens are asked for.
            """)

    @Argument(help: "The file, or - for standard input.") var file: String
    @Option(help: "Another name for it.") var name: String?
    @OptionGroup var running: RunningServerOptions
    @Flag(help: "One JSON document on standard output.") var json = false

    private static let chunk = 500

    func run() throws {
        let data = file == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: file)
        guard let data else { throw CommandFailure("\(file): the file cannot be read.") }
        guard let bundle = try? JSON.parse(Array(data)), bundle["format"]?.string == ApplicationBundle.format,
            let exported = bundle["application"]?.string, let profile = bundle["profile"]
        else { throw CommandFailure("\(file): no bundle; `aware export APP --format bundle` writes one.") }
        let name = name ?? exported
        let path = "/v1/applications/\(RunningServerOptions.encoded(name))"
        do {
            let reader = try running.reader()
            _ = try reader.send("PUT", path, profile.text)
            var version = 0
            if let weights = bundle["weights"] {
                let known = try reader.get(path + "/models?limit=1")["items"]?.array ?? []
                version = (known.compactMap { $0["version"]?.integer }.max() ?? 0) + 1
                _ = try reader.send("PUT", path + "/models/\(version)/weights", weights.text)
            }
            let transitions = bundle["transitions"]?.array ?? []
            let progress = ProgressLine()
            progress.begin("importing", total: transitions.count)
            var new = 0
            for start in stride(from: 0, to: transitions.count, by: Self.chunk) {
                let part = transitions[start..<min(start + Self.chunk, transitions.count)]
                let body = JSON.object(["controller": "aware", "transitions": .array(Array(part))]).text
                new += try reader.send("POST", path + "/transitions", body)["new"]?.integer ?? 0
                progress.advance(by: part.count)
            }
            progress.finish()
            if json { return print(JSON.object(["application": .string(name), "version": .integer(version), "transitions": .integer(new)]).text) }
            print("\(name): its profile, \(new) new steps to learn from" + (version > 0 ? ", and version \(version); POST \(path)/models/\(version)/promote puts it on duty" : ""))
        } catch let failure as ServerReader.Failure {
            throw CommandFailure(failure.description)
        }
    }
}

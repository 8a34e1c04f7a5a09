// `aware tail`: decisions and events of a running server as they come, in sentences.

import ArgumentParser
import Foundation
import Recommender
import Service

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Decisions and events of a running server as they come, in sentences.",
        discussion: "Without a name: of all applications. Ctrl-C ends it. A server that is away is waited for.")

    @Argument(help: "An application. (default: all)") var application: String?
    @OptionGroup var running: RunningServerOptions
    @Flag(help: "Only decisions that change something, and events.") var changes = false
    @Flag(help: "JSON lines instead of sentences.") var json = false
    @Option(help: "Seconds between two looks; 0.2 to 60.") var interval = 1.0
    @Option(help: "Stop after so many lines. (default: never)") var lines: Int?

    /// Of one application at one look; more are skipped with a word.
    private static let decisionsMax = 50
    private static let pageMax = 500

    func validate() throws {
        guard (0.2...60).contains(interval) else { throw ValidationError("--interval \(interval) is outside 0.2 to 60 s.") }
        if let lines, lines < 1 { throw ValidationError("--lines \(lines) is below 1.") }
    }

    func run() async throws {
        let reader = try running.reader()
        let signals = await TerminationSignals()
        let interruption = Task {
            await signals.wait()
            // Not when it is cancelled because this command ends by itself.
            if !Task.isCancelled { Foundation.exit(0) }
        }
        defer { interruption.cancel() }
        var state = State()
        var isAway = false
        while true {
            do {
                try look(reader, &state)
                if isAway { Self.say("the server is back") }
                isAway = false
            } catch let failure as ServerReader.Failure {
                // At the beginning, and when it says no, waiting is no use.
                guard state.hasLooked, failure.status == 0 || failure.status >= 500 else { throw CommandFailure(failure.description) }
                if !isAway { Self.say("\(failure.description) Waiting.") }
                isAway = true
            }
            if let lines, state.printed >= lines { return }
            try await Task.sleep(for: .seconds(interval))
        }
    }

    private struct State {
        var hasLooked = false
        /// Decisions of each application so far.
        var counts: [String: Int] = [:]
        var lastEvent = 0
        var printed = 0
    }

    private func look(_ reader: ServerReader, _ state: inout State) throws {
        var found: [(time: String, text: String)] = []
        for (name, count) in try counts(reader) {
            let before = state.counts[name]
            state.counts[name] = count
            guard state.hasLooked else { continue }
            let new = count - (before ?? 0)
            guard new > 0 else { continue }
            if new > Self.decisionsMax { Self.say("\(name): \(new - Self.decisionsMax) decisions are skipped") }
            let path = "/v1/applications/\(RunningServerOptions.encoded(name))/decisions?observation=true&limit=\(min(new, Self.decisionsMax))"
            for decision in try reader.get(path)["items"]?.array ?? [] where !changes || Self.changesSomething(decision) {
                found.append((decision["time"]?.string ?? "", json ? decision.text : DecisionSentence.text(decision)))
            }
        }
        let filter = application.map { "&application=\(RunningServerOptions.encoded($0))" } ?? ""
        let events = try reader.get("/v1/events?limit=50\(filter)")["items"]?.array ?? []
        for event in events where state.hasLooked && (event["id"]?.integer ?? 0) > state.lastEvent {
            found.append((event["time"]?.string ?? "", json ? event.text : DecisionSentence.event(event)))
        }
        state.lastEvent = max(state.lastEvent, events.compactMap { $0["id"]?.integer }.max() ?? 0)
        state.hasLooked = true
        for line in found.sorted(by: { $0.time < $1.time }) {
            if let lines, state.printed >= lines { break }
            print(line.text)
            state.printed += 1
        }
        fflush(nil)
    }

    private func counts(_ reader: ServerReader) throws -> [(String, Int)] {
        if let application {
            let status = try reader.get("/v1/applications/\(RunningServerOptions.encoded(application))")["status"]
            return [(application, status?["decisions"]?.integer ?? 0)]
        }
        return (try reader.get("/v1/applications?sort=updated&limit=\(Self.pageMax)")["items"]?.array ?? []).compactMap { item in
            item["name"]?.string.map { ($0, item["decisions"]?.integer ?? 0) }
        }
    }

    private static func changesSomething(_ decision: JSON) -> Bool {
        [decision["horizontal"], decision["vertical"]?["cpuMillicores"], decision["vertical"]?["memoryBytes"]]
            .contains { ($0?.integer ?? 0) != 0 }
    }

    private static func say(_ text: String) { FileHandle.standardError.write(Data("aware: \(text)\n".utf8)) }
}

// `aware import-trace`: a team's own past as a load that demo, evaluate and train can play.

import ArgumentParser
import Experiments
import Recommender

struct ImportTraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import-trace",
        abstract: "Turn a history into a load for aware demo --trace, evaluate --traces and train --traces.",
        discussion: """
            Reads what `aware replay` reads and writes two columns, minute,requests. Several of them in a folder are what \
            evaluate and train take; the name of each is its file's.
            """)

    @OptionGroup var history: HistoryOptions
    @OptionGroup var target: OutputOptions
    @Flag(help: "What was written, as one JSON document on standard output.") var json = false

    func validate() throws {
        if json, target.output == "-" { throw ValidationError("--json tells of a file: give --output FILE.") }
    }

    func run() async throws {
        let progress = ProgressLine()
        let past = try await Threads.run { [history] in Result { try history.read { progress.say($0) } } }.get()
        var lines = ["minute,requests"]
        for minute in 0..<past.minuteCount {
            let rates = past.load[minute * History.subSteps..<(minute + 1) * History.subSteps]
            let requests = rates.reduce(0, +) * 60 / Double(History.subSteps)
            lines.append("\(minute),\((requests * 1000).rounded() / 1000)")
        }
        for note in past.notes { progress.say(note) }
        guard try target.write(lines.joined(separator: "\n") + "\n") else { return }
        print(
            json
                ? JSON.object(["file": .string(target.output), "minutes": .integer(past.minuteCount)]).text
                : "\(target.output): \(past.minuteCount) minutes")
    }
}

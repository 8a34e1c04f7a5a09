// `aware import`: an application that another server has exported, with all that there is of it.

import ArgumentParser
import Foundation
import Operations
import Recommender
import Store

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Bring an application that another server has exported to a running server.",
        discussion: """
            Takes what `aware export --format bundle` wrote: profile, history, versions, training, controls. The application goes on \
            here as it would have there; all of it arrives, or nothing. Needs a token with the scope admin where tokens are asked for.
            """)

    @Argument(help: "The file, or - for standard input.") var file: String
    @Option(help: "Another name for it.") var name: String?
    @OptionGroup var running: RunningServerOptions
    @Flag(help: "One JSON document on standard output.") var json = false

    func run() throws {
        let data = file == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: file)
        guard let data else { throw CommandFailure("\(file): the file cannot be read.") }
        let bundle = Array(data)
        do {
            let (exported, decisions) = try Store.Database.summary(ofBundle: bundle)
            let name = name ?? exported
            let path = "/v1/applications/\(RunningServerOptions.encoded(name))/import"
            _ = try running.reader().send("PUT", path, bytes: bundle)
            if json { return print(JSON.object(["application": .string(name), "decisions": .integer(decisions)]).text) }
            print("\(name): here, with \(decisions) decisions")
        } catch let failure as BundleFailure {
            throw CommandFailure("\(file): \(failure).")
        } catch let failure as ServerReader.Failure {
            throw CommandFailure(failure.description)
        }
    }
}

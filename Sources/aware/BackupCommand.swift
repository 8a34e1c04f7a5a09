// `aware backup FILE`: a checked copy of a data folder's database, made while the server runs.

import ArgumentParser
import Recommender
import Store

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy the database as of now, beside a running server, and check the copy.",
        discussion: "Every page, row and stored form of the copy is checked before it gets its name.")

    @Argument(help: "The copy; a name that is free.")
    var file: String
    @Option(help: "Folder of the data file. (default: ./aware-data)")
    var data: String?
    @Flag(help: "One JSON document on standard output.") var json = false

    func run() throws {
        let folder = data ?? CommonOptions.environment("DATA") ?? "./aware-data"
        let decisions = try Backup.make(of: folder, to: file)
        print(
            json
                ? JSON.object(["file": .string(file), "decisions": .integer(decisions)]).text
                : "\(file) has \(decisions) decisions, all checked.")
    }
}

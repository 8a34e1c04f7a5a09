// `aware restore FILE`: puts a backup in the place of a data folder's database.

import ArgumentParser
import Recommender
import Store

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a backup in the place of the database of a server that is stopped.",
        discussion: "The backup is checked first. The database that was there is kept under another name beside it.")

    @Argument(help: "A file that `aware backup` made.")
    var file: String
    @Option(help: "Folder of the data file. (default: ./aware-data)")
    var data: String?
    @Flag(help: "One JSON document on standard output.") var json = false

    func run() throws {
        let folder = data ?? CommonOptions.environment("DATA") ?? "./aware-data"
        let (old, decisions) = try Backup.restore(file, to: folder)
        if json {
            return print(
                JSON.object(["folder": .string(folder), "decisions": .integer(decisions), "before": old.map { .string($0) } ?? .null]).text)
        }
        print("\(folder) has the \(decisions) decisions of \(file).")
        if let old { print("What was there is now \(old).") }
    }
}

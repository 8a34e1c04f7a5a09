// `aware doctor`: checks everything in a data folder and explains what is wrong; exit status 1 when something is.

import ArgumentParser
import Foundation
import Store

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Check a data folder: pages, rows, stored forms, links, and what may be missing.",
        discussion: "Nothing is written; a server may be running on the folder. Exit status 1 when something is damaged.")

    @Option(help: "Folder of the data file. (default: ./aware-data)")
    var data: String?
    @Flag(help: "One JSON document on standard output.")
    var json = false

    private struct Report: Encodable {
        var sound: Bool
        var applications: Int, episodes: Int, decisions: Int
        var damage: [String], notes: [String]
        var sqlite: String
    }

    func run() throws {
        let folder = data ?? CommonOptions.environment("DATA") ?? "./aware-data"
        let found = try Doctor.examine(folder: folder)
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            let report = Report(
                sound: found.damage.isEmpty, applications: found.applications, episodes: found.episodes,
                decisions: found.decisions, damage: found.damage, notes: found.notes, sqlite: Store.Database.libraryVersion)
            print(String(decoding: try encoder.encode(report), as: UTF8.self))
        } else {
            print("\(folder): \(found.applications) applications, \(found.episodes) episodes, \(found.decisions) decisions; SQLite \(Store.Database.libraryVersion)")
            for sentence in found.damage { print("damaged: \(sentence)") }
            for sentence in found.notes { print("note: \(sentence)") }
            print(
                found.damage.isEmpty
                    ? "Everything fits its checksums."
                    : "A server on this folder keeps damaged applications on the rules. `aware restore FILE` puts a backup in place.")
        }
        guard found.damage.isEmpty else { throw ExitCode(1) }
    }
}

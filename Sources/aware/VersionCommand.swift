// `aware version`: what is running, for bug reports.

import ArgumentParser
import Store

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the versions of aware and of the SQLite library that it found.")

    func run() {
        print("aware \(Aware.configuration.version)")
        print("SQLite \(Store.Database.libraryVersion)")
    }
}

// `aware version`: what is running and what it links, for bug reports.

import ArgumentParser
import Foundation
import Store

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the versions of aware and of SQLite, and the libraries that were found.")

    @Flag(help: "One JSON document on standard output.") var json = false

    private struct Document: Encodable {
        var aware: String, sqlite: String, libraries: [String]
    }

    func run() throws {
        let document = Document(
            aware: Aware.configuration.version, sqlite: Store.Database.libraryVersion, libraries: Self.libraries())
        if json { return print(String(decoding: try JSONEncoder().encode(document), as: UTF8.self)) }
        print("aware \(document.aware)")
        print("SQLite \(document.sqlite)")
        print("libraries: \(document.libraries.joined(separator: " "))")
    }

    /// Shared libraries that the loader has mapped into this process.
    private static func libraries() -> [String] {
        // Read to its end: such a file says of itself that it is empty.
        let bytes = (try? FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd()) ?? Data()
        let maps = String(decoding: bytes, as: UTF8.self)
        let paths = maps.split(separator: "\n").compactMap { $0.split(separator: " ").last }.filter { $0.contains(".so") }
        return Set(paths.map { ($0.split(separator: "/").last).map(String.init) ?? "" }).sorted()
    }
}

// Where a command writes what it made: a file that is not there yet, or standard output.

import ArgumentParser
import Foundation

struct OutputOptions: ParsableArguments {
    @Option(help: "The file to write, or - for standard output.") var output = "-"
    @Flag(help: "Replace a file that is there.") var force = false

    func validate() throws {
        guard output == "-" || force || !FileManager.default.fileExists(atPath: output) else {
            throw ValidationError("--output \(output) is there already; --force replaces it.")
        }
    }

    /// - Returns: whether it went to a file, of which something may be said.
    func write(_ text: String) throws -> Bool { try write(Data(text.utf8)) }

    /// - Returns: whether it went to a file, of which something may be said.
    func write(_ data: Data) throws -> Bool {
        if output == "-" {
            FileHandle.standardOutput.write(data)
            return false
        }
        do {
            try data.write(to: URL(fileURLWithPath: output), options: .atomic)
        } catch {
            throw CommandFailure("--output \(output): the file cannot be written (\(error.localizedDescription)).")
        }
        return true
    }
}

// What the README says is true: its session runs as printed, and its flow lines name types that exist.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct ReadmeTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../..").standardizedFileURL

    private static func readme() throws -> String {
        try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    }

    private struct Command {
        var text: String
        /// What it prints; `...` stands for anything.
        var output: String
    }

    /// Commands of the first block marked `console`: lines behind `$ `, continued behind `> `, then their output.
    private static func session(_ readme: String) throws -> [Command] {
        let block = try #require(readme.components(separatedBy: "```console\n").dropFirst().first).components(
            separatedBy: "```")[0]
        var commands: [Command] = []
        for line in block.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("$ ") {
                commands.append(Command(text: String(line.dropFirst(2)), output: ""))
            } else if line.hasPrefix("> "), !commands.isEmpty {
                commands[commands.count - 1].text += "\n" + line.dropFirst(2)
            } else if !commands.isEmpty {
                commands[commands.count - 1].output += line + "\n"
            }
        }
        return commands
    }

    private static func matches(_ text: String, _ pattern: String) -> Bool {
        var rest = text.trimmingCharacters(in: .whitespacesAndNewlines)[...]
        let pieces = pattern.trimmingCharacters(in: .whitespacesAndNewlines).components(separatedBy: "...")
        guard pieces.count > 1 else { return rest == pieces[0] }
        guard rest.hasPrefix(pieces[0]) else { return false }
        rest = rest.dropFirst(pieces[0].count)
        for piece in pieces.dropFirst().dropLast() {
            guard let range = rest.range(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(pieces[pieces.count - 1])
    }

    @Test func theSessionRunsAsPrinted() async throws {
        let commands = try Self.session(try Self.readme())
        #expect(commands.count > 4)
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let end = "----- end of a command -----"
            let script = commands.map { $0.text + "\necho; echo '\(end)'\n" }.joined()
                .replacingOccurrences(of: "127.0.0.1:8080", with: "127.0.0.1:\(server.port)")
            let shell = try RunningProgram("/bin/bash", ["-c", script])
            #expect(await shell.exit() == 0, "\(shell.output)")
            let outputs = shell.output.components(separatedBy: end)
            for (command, output) in zip(commands, outputs) {
                let printed = output.replacingOccurrences(of: "127.0.0.1:\(server.port)", with: "127.0.0.1:8080")
                #expect(
                    Self.matches(printed, command.output),
                    "\(command.text)\nprinted:\n\(printed)\nand not:\n\(command.output)")
            }
        }
    }

    @Test func everyWordOfTheFlowLinesIsATypeInAFile() throws {
        let lines = try Self.readme().split(separator: "\n").filter {
            $0.hasPrefix("request:") || $0.hasPrefix("learning:")
        }
        #expect(lines.count == 2)
        let sources = Self.root.appendingPathComponent("Sources")
        let files = try FileManager.default.subpathsOfDirectory(atPath: sources.path).filter { $0.hasSuffix(".swift") }
        let texts = try files.map { try String(contentsOf: sources.appendingPathComponent($0), encoding: .utf8) }
        for line in lines {
            for match in line.matches(of: /[A-Z][A-Za-z]+/) {
                let name = String(match.output)
                let isDeclared = try texts.contains {
                    $0.contains(try Regex("(class|struct|enum|protocol|actor) \(name)\\b"))
                }
                #expect(isDeclared, "\(name) is no type")
            }
        }
    }
}

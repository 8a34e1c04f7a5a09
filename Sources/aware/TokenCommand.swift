// `aware token`: makes, lists and revokes the tokens of a data folder; a running server notices within a second.

import API
import ArgumentParser
import Foundation
import Recommender

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and revoke the tokens that callers identify themselves with.",
        discussion: """
            Scopes: read (look), decide (also decide and report outcomes), admin (also change profiles, control
            applications, read the audit log). Only digests are stored; a token is shown once.
            """,
        subcommands: [Create.self, List.self, Revoke.self])

    struct Folder: ParsableArguments {
        @Option(help: "Folder of the data file. (default: ./aware-data)")
        var data: String?

        var path: String {
            TokenFile.path(in: data ?? CommonOptions.environment("DATA") ?? "./aware-data")
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a token and print it, once.")

        @Argument(help: "A name for it, shown in the audit log.")
        var name: String
        @Option(help: "read, decide or admin.")
        var scope = "decide"
        @Option(help: "Days until it expires; without it never.")
        var days: Double?
        @OptionGroup var folder: Folder

        func run() throws {
            guard let scope = Scope(rawValue: scope) else {
                throw CommandFailure("--scope \(scope) is not one of: read, decide, admin.")
            }
            guard AccessToken.isValid(name: name) else {
                throw CommandFailure("A name has 1 to 64 printable ASCII characters without spaces and #.")
            }
            if let days, !(days > 0 && days < 36_500) { throw CommandFailure("--days \(days) is outside 0 to 36500.") }
            var tokens = try TokenFile.read(folder.path)
            guard !tokens.contains(where: { $0.name == name }) else {
                throw CommandFailure("There is a token \(name) already. Revoke it first, or take another name.")
            }
            let text = AccessToken.newText()
            let now = Date().timeIntervalSince1970
            tokens.append(
                AccessToken(name: name, scope: scope, text: text, created: now, expires: days.map { now + $0 * 86_400 })
            )
            try TokenFile.write(tokens, to: folder.path)
            FileHandle.standardError.write(Data("token \(name) (\(scope.rawValue)); it is not shown again:\n".utf8))
            print(text)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tokens, without their texts.")

        @OptionGroup var folder: Folder
        @Flag(help: "One JSON document on standard output.") var json = false

        func run() throws {
            if json {
                let tokens = try TokenFile.read(folder.path).map { token -> JSON in
                    [
                        "name": .string(token.name), "scope": .string(token.scope.rawValue), "created": .string(Self.text(token.created)),
                        "expires": token.expires.map { .string(Self.text($0)) } ?? .null,
                    ]
                }
                return print(JSON.array(tokens).text)
            }
            for token in try TokenFile.read(folder.path) {
                let expiry = token.expires.map { "expires \(Self.text($0))" } ?? "does not expire"
                print("\(token.name)  \(token.scope.rawValue)  made \(Self.text(token.created))  \(expiry)")
            }
        }

        private static func text(_ seconds: Double) -> String { Date(timeIntervalSince1970: seconds).ISO8601Format() }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Revoke a token.")

        @Argument(help: "Its name.")
        var name: String
        @OptionGroup var folder: Folder

        func run() throws {
            let tokens = try TokenFile.read(folder.path)
            guard tokens.contains(where: { $0.name == name }) else {
                throw CommandFailure("There is no token \(name).")
            }
            try TokenFile.write(tokens.filter { $0.name != name }, to: folder.path)
        }
    }
}

// Which running server a command talks to.

import ArgumentParser
import Foundation
import Recommender

struct RunningServerOptions: ParsableArguments {
    @Option(help: "The running server. (env AWARE_SERVER; default: http://127.0.0.1:8080)") var server: String?
    @Option(help: "File with a token for it. (env AWARE_TOKEN_FILE)") var tokenFile: String?

    var base: String { server ?? CommonOptions.environment("SERVER") ?? "http://127.0.0.1:8080" }

    func validate() throws {
        guard base.hasPrefix("http://") || base.hasPrefix("https://"), URL(string: base)?.host != nil else {
            throw ValidationError("--server \(base) is no URL such as http://127.0.0.1:8080.")
        }
    }

    func reader() throws -> ServerReader {
        let file = tokenFile ?? CommonOptions.environment("TOKEN_FILE")
        if let file, !FileManager.default.isReadableFile(atPath: file) {
            throw CommandFailure("--token-file \(file): the file cannot be read.")
        }
        return ServerReader(base: base, tokenFile: file)
    }

    /// A name as a part of a path.
    static func encoded(_ name: String) -> String {
        name.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed.subtracting(CharacterSet(charactersIn: "/?#"))) ?? name
    }
}

extension JSON {
    /// As one line of JSON.
    var line: String {
        switch self {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let text): JSON.quoted(text)
        case .array(let elements): "[" + elements.map(\.line).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.sorted { $0.key < $1.key }.map { "\(JSON.quoted($0.key)):\($0.value.line)" }.joined(separator: ",") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}

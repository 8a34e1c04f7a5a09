// Which running server a command talks to.

import ArgumentParser
import Foundation
import Recommender

struct RunningServerOptions: ParsableArguments {
    @Option(help: "The running server. (env AWARE_SERVER; default: http://127.0.0.1:8080)") var server: String?
    @Option(help: "File with a token for it. (env AWARE_TOKEN_FILE)") var tokenFile: String?

    var base: String { server ?? CommonOptions.environment("SERVER") ?? "http://127.0.0.1:8080" }

    func validate() throws {
        guard ServerArguments.isURL(base) else {
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

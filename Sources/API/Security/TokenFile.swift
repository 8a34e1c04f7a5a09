// Tokens on disk: a file of digests in the data folder that `aware token` edits while the server runs, and files of plain
// tokens that a Secret mounts.
//
// A file, and not a table: the database belongs to the running server alone, and revoking must not wait for a restart.

import Crypto
import Foundation

public enum TokenFile {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public static func path(in folder: String) -> String { folder + "/tokens" }

    /// Reads either form, a line a token, `#` begins a comment:
    ///
    ///     NAME SCOPE sha256:DIGEST CREATED EXPIRES     (seconds since 1970; EXPIRES is - for never)
    ///     NAME SCOPE TOKEN
    ///
    /// A file that is not there holds no tokens. Plain tokens must not be readable by everyone.
    public static func read(_ path: String) throws -> [AccessToken] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            if FileManager.default.fileExists(atPath: path) {
                throw Failure(description: "The token file \(path) cannot be read.")
            }
            return []
        }
        let tokens = try parse(text, source: path)
        let mode = (try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int) ?? 0o600
        guard mode & 0o007 == 0 else {
            throw Failure(description: "Everyone can read the token file \(path): chmod o= \(path)")
        }
        return tokens
    }

    /// The tokens of a text in the form above; commas may stand for line ends, for environment variables.
    public static func parse(_ text: String, source: String) throws -> [AccessToken] {
        try text.split { $0 == "\n" || $0 == "," }.enumerated().compactMap { number, line -> AccessToken? in
            let words = line.prefix { $0 != "#" }.split(separator: " ").map(String.init)
            if words.isEmpty { return nil }
            guard words.count == 3 || words.count == 5, AccessToken.isValid(name: words[0]),
                let scope = Scope(rawValue: words[1])
            else {
                throw Failure(description: "\(source), line \(number + 1): expected is NAME read|decide|admin TOKEN.")
            }
            guard words[2].hasPrefix("sha256:") else {
                guard words.count == 3, words[2].utf8.count >= 16 else {
                    throw Failure(description: "\(source), line \(number + 1): a token has at least 16 characters.")
                }
                return AccessToken(name: words[0], scope: scope, text: words[2], created: 0)
            }
            var token = AccessToken(
                name: words[0], scope: scope, text: "", created: words.count == 5 ? Double(words[3]) ?? 0 : 0)
            token.expires = words.count == 5 ? Double(words[4]) : nil
            guard let digest = bytes(hex: words[2].dropFirst(7)), digest.count == SHA256.byteCount else {
                throw Failure(description: "\(source), line \(number + 1): the digest is not 64 hexadecimal digits.")
            }
            token.digest = digest
            return token
        }
    }

    /// Replaces the file as a whole, readable by its owner alone.
    public static func write(_ tokens: [AccessToken], to path: String) throws {
        var text = "# Made by `aware token`: NAME SCOPE DIGEST CREATED EXPIRES\n"
        for token in tokens {
            let digest = token.digest.map { String(UInt16($0) + 0x100, radix: 16).dropFirst() }.joined()
            text += "\(token.name) \(token.scope.rawValue) sha256:\(digest) \(token.created) "
            text += (token.expires.map { "\($0)" } ?? "-") + "\n"
        }
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let draft = path + ".new"
        guard
            FileManager.default.createFile(
                atPath: draft, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]),
            rename(draft, path) == 0
        else {
            throw Failure(description: "The token file \(path) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    private static func bytes(hex: some StringProtocol) -> [UInt8]? {
        let digits = hex.utf8.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
        guard digits.count == hex.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

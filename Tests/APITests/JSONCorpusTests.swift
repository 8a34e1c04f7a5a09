// JSONTestSuite's verdicts, where that corpus is at hand, and the choices that it leaves to us.

import CJSON
import Foundation
import Testing

@testable import API

@Suite struct JSONCorpusTests {
    private struct Case: Decodable {
        let name: String
        let raw_base64: String
        let expect: String
    }

    private static let path =
        (ProcessInfo.processInfo.environment["AWARE_SHARED"] ?? "../shared") + "/corpora/json.jsonl"

    private func accepts(_ bytes: [UInt8]) -> Bool {
        var padded = bytes
        padded.append(contentsOf: repeatElement(0, count: Int(CJSON_PADDING)))
        return padded.withUnsafeBytes { buffer in
            let parser = JSONParser()
            return (try? parser.parse(padded: UnsafeRawBufferPointer(rebasing: buffer[..<bytes.count]))) != nil
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: path), "the corpus is not beside this checkout"))
    func agreesWithTheCorpus() throws {
        let text = try String(contentsOfFile: Self.path, encoding: .utf8)
        var counts = [String: Int]()
        for line in text.split(separator: "\n") {
            let entry = try JSONDecoder().decode(Case.self, from: Data(line.utf8))
            let bytes = Array(try #require(Data(base64Encoded: entry.raw_base64)))
            counts[entry.expect, default: 0] += 1
            switch entry.expect {
            case "y": #expect(accepts(bytes), "\(entry.name) must parse")
            case "n": #expect(!accepts(bytes), "\(entry.name) must be refused")
            default: _ = accepts(bytes)
            }
        }
        #expect(counts["y", default: 0] > 90 && counts["n", default: 0] > 180)
    }

    @Test(arguments: [
        "NaN", "[1e400]", "[-1e400]", "\u{FEFF}{}", #"["\uD800"]"#, "", " ", "{\"a\":1}x", "[1,]", "01",
        String(repeating: "[", count: 33) + String(repeating: "]", count: 33),
    ])
    func refuses(_ text: String) { #expect(!accepts(Array(text.utf8))) }

    @Test(arguments: [
        "[1e-400]", "{}", " [ ] ", "3", String(repeating: "[", count: 31) + String(repeating: "]", count: 31),
    ])
    func accepts(_ text: String) { #expect(accepts(Array(text.utf8))) }

    @Test func refusesInvalidUTF8() { #expect(!accepts([0x22, 0xFF, 0x22])) }
}

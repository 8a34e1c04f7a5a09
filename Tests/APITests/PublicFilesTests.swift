// The page's files in the binary are exactly those of `Public/`, and nothing in them is loaded from elsewhere.

import Foundation
import Testing

@testable import API

@Suite struct PublicFilesTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Public").standardizedFileURL

    @Test func areExactlyTheFolder() throws {
        // The API's description has a route of its own.
        let files = try FileManager.default.subpathsOfDirectory(atPath: Self.folder.path).filter {
            $0 != "openapi.json"
        }
        .sorted()
        let served = PublicFiles.all.map { $0.path == "/" ? "index.html" : String($0.path.dropFirst()) }.sorted()
        #expect(files == served)
        for file in PublicFiles.all {
            let name = file.path == "/" ? "index.html" : String(file.path.dropFirst())
            let bytes = Array(try Data(contentsOf: Self.folder.appendingPathComponent(name)))
            #expect(bytes == file.bytes, "\(name) in the binary is not the file: build again")
        }
    }

    @Test func loadNothingFromElsewhere() {
        for file in PublicFiles.all {
            let text = String(decoding: file.bytes, as: UTF8.self)
            let addresses = text.matches(of: /https?:\/\/[^"' )]+/).map { String($0.output) }
            // The name of SVG's namespace is no address that anything is loaded from.
            #expect(addresses.allSatisfy { $0.hasPrefix("http://www.w3.org/") }, "\(file.path): \(addresses)")
        }
    }
}

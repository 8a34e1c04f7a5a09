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
        let served = PublicFiles.all.map { PublicFiles.name(of: $0.path) }.sorted()
        #expect(files == served)
        for file in PublicFiles.all {
            let name = PublicFiles.name(of: file.path)
            let bytes = Array(try Data(contentsOf: Self.folder.appendingPathComponent(name)))
            #expect(bytes == file.bytes, "\(name) in the binary is not the file: build again")
        }
    }

    @Test func loadNothingFromElsewhere() {
        for file in PublicFiles.all {
            let text = String(decoding: file.bytes, as: UTF8.self)
            // The guide shows addresses in its examples, and links to none.
            let pattern = file.path.hasPrefix("/guide") ? /(?:src|href)="https?:\/\/([^"]+)"/ : /(https?:\/\/[^"' )]+)/
            let addresses = text.matches(of: pattern).map { String($0.output.1) }.filter { !$0.hasPrefix("127.0.0.1") }
            // The name of SVG's namespace is no address that anything is loaded from.
            #expect(addresses.allSatisfy { $0.hasPrefix("http://www.w3.org/") }, "\(file.path): \(addresses)")
        }
    }

    /// The guide's page on Kubernetes has every command and every line of a table of `deploy/kubernetes/README.md`.
    @Test func theGuideSaysWhatTheReadmeOfTheManifestsSays() throws {
        let readme = try String(
            contentsOf: Self.folder.appendingPathComponent("../deploy/kubernetes/README.md"), encoding: .utf8)
        let page = try String(contentsOf: Self.folder.appendingPathComponent("guide-kubernetes.html"), encoding: .utf8)
            .replacing("&quot;", with: "\"").replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&")
        func words(_ text: String) -> String { text.replacing(/<[^<>]*>/, with: "").filter { !" |`\n".contains($0) } }
        let said = words(page)
        let lines = readme.split(separator: "\n").filter { $0.hasPrefix("kubectl ") || ($0.hasPrefix("| ") && !$0.hasPrefix("|---")) }
        #expect(lines.count > 25)
        for line in lines { #expect(said.contains(words(String(line))), "not in the guide: \(line)") }
    }

    /// Links of the guide lead to pages, headings and routes that exist.
    @Test func theGuidesLinksLeadSomewhere() throws {
        let pages = Dictionary(uniqueKeysWithValues: PublicFiles.all.map { ($0.path, String(decoding: $0.bytes, as: UTF8.self)) })
        for (path, text) in pages where path.hasPrefix("/guide") && !path.contains(".") {
            for match in text.matches(of: /href="(\/[^"#]*)?(?:#([^"]+))?"/) {
                let target = match.output.1.map(String.init) ?? path
                let isKnown = pages[target] != nil || target == "/openapi.json"
                #expect(isKnown, "\(path): \(target) is no page")
                if let heading = match.output.2, let page = pages[target] {
                    #expect(page.contains("id=\"\(heading)\""), "\(path): there is no heading \(heading) in \(target)")
                }
            }
        }
    }
}

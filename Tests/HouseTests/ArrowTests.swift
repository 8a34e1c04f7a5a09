// Which module and which folder may know which: the plan of the house, held as a table.

import Foundation
import Testing

@Suite struct ArrowTests {
    /// Modules of this package that each may import. Whoever wants another arrow changes the plan, and says why.
    private static let allowed: [String: Set<String>] = [
        "Base": [], "HTTPServer": ["CLinux"], "Scaling": ["Base"], "Neural": ["Base", "CMatrix"],
        "Learning": ["Base", "Neural"], "Deciding": ["Base", "Learning", "Scaling"], "ClusterModel": ["Base", "Scaling"],
        "BasePolicy": ["Learning"],
        "Agents": ["Base", "ClusterModel", "Deciding", "Learning", "Neural", "Scaling"],
        "Operations": ["Agents", "Base", "Deciding", "Learning", "Scaling"],
        "Store": ["Agents", "Base", "CStore", "Deciding", "Operations", "Scaling"],
        "API": ["Agents", "Base", "CJSON", "Deciding", "HTTPServer", "Learning", "Neural", "Operations", "Scaling"],
        "Experiments": ["Agents", "Base", "ClusterModel", "Deciding", "Learning", "Neural", "Scaling"],
        "Recommender": ["Base", "CCurl", "CJSON", "Deciding", "Scaling"],
        "Service": [
            "API", "Agents", "Base", "BasePolicy", "HTTPServer", "Learning", "Operations", "Recommender", "Scaling", "Store",
        ],
    ]

    private static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Sources")

    private static func files(in folder: String) throws -> [(name: String, text: String)] {
        let root = sources.appending(path: folder)
        let paths = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
        return try paths.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map {
            (String($0.path.dropFirst(sources.path.count + 1)), try String(contentsOf: $0, encoding: .utf8))
        }
    }

    @Test(arguments: allowed.keys.sorted()) func modulesImportOnlyWhatLiesBelow(_ module: String) throws {
        let modules = Set(try FileManager.default.contentsOfDirectory(atPath: Self.sources.path))
        let allowed = try #require(Self.allowed[module])
        for (name, text) in try Self.files(in: module) {
            let imports = text.matches(of: /(?m)^(?:public |@testable )?import (\w+)/).map { String($0.1) }
            let foreign = Set(imports).intersection(modules).subtracting(allowed).subtracting([module])
            #expect(foreign.isEmpty, "\(name) imports \(foreign.sorted())")
        }
    }

    @Test func everyLibraryStandsInTheTable() throws {
        let all = try FileManager.default.contentsOfDirectory(atPath: Self.sources.path)
        let libraries = all.filter { !["CLinux", "CMatrix", "CJSON", "CCurl", "CStore", "aware", "aware-bench"].contains($0) }
        #expect(Set(libraries) == Set(Self.allowed.keys))
    }

    /// Folders within a module, lowest first: no file names a type of a folder above its own.
    @Test(arguments: [
        ("HTTPServer", ["Wire", "Routing", "Connection", "Loop"]),
        ("Agents", ["Experience", "Lifecycle", "Serving", "Training"]),
    ])
    func foldersKnowOnlyWhatLiesBelow(_ module: String, _ folders: [String]) throws {
        var owners: [String: Int] = [:]
        var files: [(level: Int, name: String, text: String)] = []
        for (level, folder) in folders.enumerated() {
            for (name, text) in try Self.files(in: "\(module)/\(folder)") {
                files.append((level, name, text))
                for match in text.matches(of: /(?m)^(?:public |final |@unchecked )*(?:struct|class|enum|protocol|actor) (\w+)/) {
                    owners[String(match.1)] = level
                }
            }
        }
        for (level, name, text) in files {
            let code = text.split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("//") }.joined(separator: "\n")
                .replacing(/"[^"]*"/, with: "")
            let words = Set(code.matches(of: /\b[A-Z]\w+/).map { String($0.0) })
            let above = words.filter { (owners[$0] ?? 0) > level }
            #expect(above.isEmpty, "\(name) names \(above.sorted())")
        }
    }

    @Test func filesAreShortAndOpenWithASentence() throws {
        var lengths: [Int] = []
        for folder in try FileManager.default.contentsOfDirectory(atPath: Self.sources.path) {
            for (name, text) in try Self.files(in: folder) {
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
                lengths.append(lines)
                #expect(lines <= 450, "\(name) has \(lines) lines")
                #expect(text.hasPrefix("// "), "\(name) does not say what it is for")
            }
        }
        #expect(lengths.sorted()[lengths.count / 2] <= 110)
    }
}

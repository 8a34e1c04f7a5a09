// The list of what aware is made of says what the package says.

import Foundation
import Testing

@Suite struct MaterialsTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private struct Bill: Decodable {
        struct Component: Decodable {
            let name: String
            let version: String?
            let purl: String
        }
        struct Dependency: Decodable {
            let ref: String
            let dependsOn: [String]
        }
        let bomFormat: String
        let specVersion: String
        let components: [Component]
        let dependencies: [Dependency]
    }

    @Test func theBillOfMaterialsNamesEveryPackageWithItsVersion() throws {
        let process = Process()
        process.executableURL = Self.root.appending(path: "deploy/sbom")
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try #require(try output.fileHandleForReading.readToEnd())
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let bill = try JSONDecoder().decode(Bill.self, from: data)
        #expect(bill.bomFormat == "CycloneDX" && bill.specVersion == "1.5")
        let manifest = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
        let packages = manifest.matches(of: /\.package\(url: "https:\/\/([^"]+)", exact: "([^"]+)"/)
        #expect(packages.count >= 7)
        for package in packages {
            #expect(bill.components.contains { $0.purl == "pkg:swift/\(package.1)@\(package.2)" }, "\(package.1) \(package.2)")
        }
        for library in manifest.matches(of: /\.linkedLibrary\("([a-z0-9]+)"\)/).map({ String($0.1) }) where library != "stdc++" {
            let name = ["sqlite3": "libsqlite3-0", "z": "zlib1g", "curl": "libcurl4", "simdjson": "libsimdjson-dev"][library]
            #expect(bill.components.contains { $0.name == name && $0.version != nil }, "\(library)")
        }
        #expect(Set(bill.components.map(\.purl)).count == bill.components.count)
        #expect(bill.dependencies.first?.dependsOn == bill.components.map(\.purl))
    }
}

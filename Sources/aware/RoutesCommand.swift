// `aware openapi` and `aware routes`: what the server answers, without starting it.

import API
import ArgumentParser
import Foundation
import Recommender

struct OpenAPICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "openapi", abstract: "Print the OpenAPI 3.1 document, as the server gives it at /openapi.json.")

    func run() throws { FileHandle.standardOutput.write(Data(OpenAPIDocument.bytes)) }
}

struct RoutesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "routes", abstract: "List the routes of the API, each with what it does.")

    @Flag(help: "One JSON document on standard output.") var json = false

    func run() throws {
        let document = try JSON.parse(OpenAPIDocument.bytes)
        var routes: [(path: String, method: String, summary: String)] = []
        for (path, item) in document["paths"]?.object ?? [:] {
            for method in ["get", "put", "post", "delete"] {
                guard let summary = item[method]?["summary"]?.string else { continue }
                routes.append((path, method.uppercased(), summary))
            }
        }
        routes.sort { ($0.path, $0.method) < ($1.path, $1.method) }
        if json {
            print(JSON.array(routes.map { ["method": .string($0.method), "path": .string($0.path), "summary": .string($0.summary)] }).text)
        } else {
            let width = routes.map(\.path.count).max() ?? 0
            for route in routes {
                print("\(route.method.padding(toLength: 7, withPad: " ", startingAt: 0))\(route.path.padding(toLength: width + 2, withPad: " ", startingAt: 0))\(route.summary)")
            }
        }
    }
}

// openapi.json against the server: one list of routes, and every example is answered as described.

import BasePolicy
import Foundation
import HTTPServer
import Testing

@testable import API

@Suite(.serialized) struct RestOpenAPITests {
    private struct Operation {
        var method: String
        var path: String
        var body: [String: Any]
    }

    private func operations(_ document: [String: Any]) -> [Operation] {
        ((document["paths"] as? [String: [String: Any]]) ?? [:]).flatMap { path, methods in
            methods.compactMap { method, body in
                (body as? [String: Any]).map { Operation(method: method.uppercased(), path: path, body: $0) }
            }
        }.sorted { ($0.path, $0.method) < ($1.path, $1.method) }
    }

    private func document(_ server: RestServer) async throws -> [String: Any] {
        let answer = try await server.send("GET", "/openapi.json")
        return try #require(answer.json as? [String: Any])
    }

    @Test func theDocumentListsTheRoutesOfTheRouter() async throws {
        try await withRest { server in
            let described = Set(operations(try await document(server)).map { "\($0.method) \($0.path)" })
            let pages = Set(PublicFiles.all.map(\.path))
            let served = Set(
                server.routes.filter { !pages.contains($0.pattern) }.map { "\($0.method.name) \($0.pattern)" })
            #expect(described.subtracting(served).isEmpty, "described, but not served")
            #expect(served.subtracting(described).isEmpty, "served, but not described")
        }
    }

    @Test func everyOperationNamesItsScope() async throws {
        try await withRest { server in
            let scopes = Dictionary(
                uniqueKeysWithValues: server.routes.map {
                    ("\($0.method.name) \($0.pattern)", AccessControl.scope(of: $0.method, $0.pattern))
                })
            for operation in operations(try await document(server)) {
                let named = (operation.body["security"] as? [[String: [String]]])?.first?["token"]?.first
                let needed = scopes["\(operation.method) \(operation.path)"] ?? nil
                #expect(named == needed?.rawValue, "\(operation.method) \(operation.path)")
            }
        }
    }

    private func path(of operation: Operation) -> String {
        var path = operation.path
        for parameter in (operation.body["parameters"] as? [[String: Any]]) ?? [] {
            guard parameter["in"] as? String == "path", let name = parameter["name"] as? String else { continue }
            path = path.replacingOccurrences(of: "{\(name)}", with: "\(parameter["example"] ?? "")")
        }
        return path
    }

    /// What is wrong with an answer: a status or a type that the document does not know, or a body of another form.
    private func mistakes(in answer: RestAnswer, to operation: Operation, _ document: [String: Any]) -> [String] {
        let schema = JSONSchema(root: document)
        guard var response = (operation.body["responses"] as? [String: Any])?["\(answer.status)"] as? [String: Any]
        else {
            return ["the status \(answer.status) is not described"]
        }
        if response["$ref"] != nil, let responses = (document["components"] as? [String: Any])?["responses"] {
            response = (responses as? [String: Any])?["Problem"] as? [String: Any] ?? [:]
        }
        guard let content = response["content"] as? [String: [String: Any]] else {
            return answer.body.isEmpty ? [] : ["no body is described"]
        }
        let type = String(answer.headers["content-type"]?.prefix { $0 != ";" } ?? "")
        guard let described = content[type] else { return ["the type \(type) is not described"] }
        for header in ((response["headers"] as? [String: Any]) ?? [:]).keys
        where answer.headers[header.lowercased()] == nil {
            return ["the field \(header) is missing"]
        }
        guard let wanted = described["schema"] as? [String: Any], type.hasSuffix("json") else { return [] }
        return answer.json.map { schema.errors($0, wanted) } ?? ["the body is not JSON"]
    }

    /// An application in which everything has happened that an answer can tell of.
    private func prepare(_ server: RestServer) async throws {
        let path = "/v1/applications/shop-web"
        try await server.send("PUT", path, #"{"episodeSteps": 2}"#)
        // Before training takes this number, which the examples ask for.
        try await server.send(
            "PUT", path + "/models/1/weights", headers: [("Content-Type", "application/octet-stream")],
            bytes: BasePolicy.bytes)
        for step in 0..<8 {
            try await server.send("POST", path + "/decisions", observation(replicas: 3, cpu: 0.5 + 0.1 * Double(step)))
        }
        try await server.send("POST", path + "/decisions", observation(extra: "\"id\": \"d1\", \"x\": 1, "))
    }

    /// Every request is sent with its example, and without a body where it needs one; the answers must be as described.
    @Test func everyExampleIsAnsweredAsDescribed() async throws {
        try await withRest { server in
            try await prepare(server)
            let document = try await document(server)
            var sent = 0
            var succeeded = 0
            // Deleting comes last, or nothing is left to ask for.
            let all = operations(document).sorted {
                ($0.method == "DELETE" ? 1 : 0) < ($1.method == "DELETE" ? 1 : 0)
            }
            for operation in all {
                let path = path(of: operation)
                let content = (operation.body["requestBody"] as? [String: Any])?["content"] as? [String: [String: Any]]
                let example = content?["application/json"]?["example"]
                if let example, let schema = content?["application/json"]?["schema"] as? [String: Any] {
                    let mistakes = JSONSchema(root: document).errors(example, schema)
                    #expect(mistakes.isEmpty, "the example of \(operation.method) \(path): \(mistakes)")
                }
                #expect(content == nil || example != nil || path.hasSuffix("/weights") || path.hasSuffix("/import"), "\(path) has no example")
                let body = try example.map {
                    String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self)
                }
                var bodies = [body ?? (content == nil ? nil : "{}")]
                if content != nil { bodies += ["[7]", "{"] }
                for (number, body) in bodies.enumerated() {
                    let answer = try await server.send(operation.method, path, body)
                    let mistakes = mistakes(in: answer, to: operation, document)
                    #expect(mistakes.isEmpty, "\(operation.method) \(path): \(mistakes) in \(answer.text.prefix(600))")
                    #expect(answer.status < 500, "\(operation.method) \(path): \(answer.text)")
                    // In a batch each bad element fails alone.
                    let mayPass = number == 0 || (path == "/v1/decisions" && answer.integer("/failed") == 1)
                    #expect(mayPass || answer.status >= 400, "\(operation.method) \(path) took \(body ?? "")")
                    if number == 0, answer.status < 300 { succeeded += 1 }
                    sent += 1
                }
            }
            #expect(sent >= 80 && succeeded >= 40, "\(sent) sent, \(succeeded) succeeded")
        }
    }

    /// What a GET answers for applications in other conditions, and in other formats.
    @Test func answersAreAsDescribedInAllConditions() async throws {
        try await withRest { server in
            try await prepare(server)
            let document = try await document(server)
            let all = operations(document)
            try await server.send("PUT", "/v1/applications/shop-web/pin", #"{"replicas": 4, "seconds": 60, "reason": "a test"}"#)
            try await server.send("PUT", "/v1/applications/new", #"{"slo": null, "actuation": "approve"}"#)
            for operation in all where operation.method == "GET" && operation.path.hasPrefix("/v1/applications/{app}") {
                for name in ["shop-web", "new", "missing"] {
                    let path = path(of: operation).replacingOccurrences(of: "shop-web", with: name)
                    let answer = try await server.send("GET", path)
                    let mistakes = mistakes(in: answer, to: operation, document)
                    #expect(mistakes.isEmpty, "GET \(path): \(mistakes) in \(answer.text.prefix(600))")
                }
            }
            for query in ["recommendation?format=keda", "recommendation?format=cpa", "recommendation?format=vpa"] {
                let operation = try #require(all.first { $0.path.hasSuffix("/recommendation") })
                let answer = try await server.send("GET", "/v1/applications/shop-web/" + query)
                #expect(answer.status == 200 && mistakes(in: answer, to: operation, document).isEmpty, "\(answer.text)")
            }
            let weights = try #require(all.first { $0.path.hasSuffix("/weights") && $0.method == "GET" })
            let answer = try await server.send(
                "GET", "/v1/applications/shop-web/models/1/weights", headers: [("Accept", "application/json")])
            #expect(answer.status == 200 && mistakes(in: answer, to: weights, document).isEmpty)
        }
    }

    /// `GET /v1/applications/{app}` and so on from the guide's table, where `...` stands for an application.
    private func routesOfTheGuide() throws -> Set<String> {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let guide = try String(contentsOf: root.appendingPathComponent("Public/guide-api.html"), encoding: .utf8)
        let table = try #require(guide.components(separatedBy: "<th>method and path</th>").dropFirst().first)
        var routes: Set<String> = []
        for row in table.components(separatedBy: "</table>")[0].components(separatedBy: "<tr>").dropFirst() {
            let cell = row.components(separatedBy: "</td>")[0]
            for match in cell.matches(of: /<code>([^<]*)<\/code>/) {
                let words = match.output.1.split(separator: " ")
                let path = (words.last ?? "").prefix { $0 != "?" }.replacing("...", with: "/v1/applications/{app}")
                for method in words.count > 1 ? words.dropLast() : ["GET"] { routes.insert("\(method) \(path)") }
            }
        }
        return routes
    }

    @Test func theGuideListsTheRoutesOfTheRouter() async throws {
        try await withRest { server in
            let pages = Set(PublicFiles.all.map(\.path)).subtracting(["/"])
            let served = Set(
                server.routes.filter { !pages.contains($0.pattern) }.map { "\($0.method.name) \($0.pattern)" })
            let listed = try routesOfTheGuide()
            #expect(listed.subtracting(served).isEmpty, "in the guide, but not served")
            #expect(served.subtracting(listed).isEmpty, "served, but not in the guide")
        }
    }

    @Test func aReplayKeepsNothing() async throws {
        try await withRest { server in
            let series = (0..<20).map { observation(cpu: Double($0) / 10) }.joined(separator: ",")
            let answer = try await server.send("POST", "/v1/replays", "{\"observations\": [\(series)]}")
            #expect(answer.status == 200 && (answer["/items"] as? [Any])?.count == 20, "\(answer.text)")
            #expect(
                (answer.integer("/items/15/rules/replicas") ?? 0) > (answer.integer("/items/2/rules/replicas") ?? 9))
            #expect((try await server.send("GET", "/v1/applications")["/items"] as? [Any])?.isEmpty == true)
            let wrong = try await server.send(
                "POST", "/v1/replays", #"{"profile": {"replicas": {"min": 0}}, "observations": [{}], "x": 1}"#)
            #expect(
                Set(wrong.errorPointers) == ["/profile/replicas/min", "/observations/0/replicas", "/x"], "\(wrong.text)"
            )
            #expect(
                try await server.send(
                    "POST", "/v1/replays", #"{"application": "none", "observations": [{"replicas": 1}]}"#
                ).status == 404)
        }
    }
}

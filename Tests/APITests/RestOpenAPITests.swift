// openapi.json against the server: one list of routes, and every example is answered as described.

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

    /// Every request is sent with its example; the status must be one that the document knows.
    @Test func everyExampleIsAnsweredAsDescribed() async throws {
        try await withRest { server in
            try await server.send("POST", "/v1/applications/shop-web/decisions", observation())
            var sent = 0
            // Deleting comes last, or nothing is left to ask for.
            let all = operations(try await document(server)).sorted {
                ($0.method == "DELETE" ? 1 : 0) < ($1.method == "DELETE" ? 1 : 0)
            }
            for operation in all where operation.path != "/v1/events" {
                var path = operation.path
                for parameter in (operation.body["parameters"] as? [[String: Any]]) ?? [] {
                    guard parameter["in"] as? String == "path", let name = parameter["name"] as? String else {
                        continue
                    }
                    path = path.replacingOccurrences(of: "{\(name)}", with: "\(parameter["example"] ?? "")")
                }
                let content = (operation.body["requestBody"] as? [String: Any])?["content"] as? [String: [String: Any]]
                let example = content?["application/json"]?["example"]
                let body = try example.map {
                    String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self)
                }
                let answer = try await server.send(operation.method, path, body ?? (content == nil ? nil : "{}"))
                let known = (operation.body["responses"] as? [String: Any])?.keys.sorted() ?? []
                #expect(
                    known.contains("\(answer.status)"), "\(operation.method) \(path): \(answer.status) \(answer.text)")
                #expect(answer.status < 500, "\(operation.method) \(path): \(answer.text)")
                sent += 1
            }
            #expect(sent >= 38)
        }
    }

    /// Open Inference Protocol, specification/protocol/inference_rest.md.
    @Test func inferenceAnswersTensors() async throws {
        try await withRest { server in
            let body = #"""
                {"id": "r1", "inputs": [
                  {"name": "replicas", "shape": [1], "datatype": "INT64", "data": [3]},
                  {"name": "cpuUtilization", "shape": [1, 1], "datatype": "FP64", "data": [[0.95]]}]}
                """#
            let first = try await server.send("POST", "/v2/models/shop/infer", body)
            #expect(first.status == 200 && first.string("/model_name") == "shop", "\(first.text)")
            #expect(first.string("/outputs/0/name") == "replicas" && first.string("/outputs/0/datatype") == "INT64")
            #expect(first.integer("/outputs/0/shape/0") == 1 && (first.integer("/outputs/0/data/0") ?? 0) > 3)
            let again = try await server.send("POST", "/v2/models/shop/infer", body)
            #expect(again.string("/id") == first.string("/id"), "the same id is the same decision")
            let wrong = try await server.send(
                "POST", "/v2/models/shop/infer",
                #"{"inputs": [{"name": "cpuUtilization", "data": ["x"]}, {"name": "a", "data": []}]}"#)
            #expect(wrong.status == 400)
            #expect(Set(wrong.errorPointers) == ["/inputs", "/inputs/0/data", "/inputs/1/data"], "\(wrong.text)")
            #expect(try await server.send("GET", "/v2/health/ready").boolean("/ready") == true)
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

// Talks to one aware server about a whole cluster: profiles, and one batch of observations an interval.

import Foundation
import Scaling

/// What aware answered for one application.
struct AwareDecision: Sendable, Equatable {
    var id: String
    var desired: Allocation
    /// What the actor wanted before the guards.
    var rules: Allocation?
    var stage: String
    var source: String
    var reason: String
    var modelVersion: Int
    var warnings: [String] = []

    init?(_ json: JSON) {
        guard let desired = Self.allocation(json["desired"]), let id = json["id"]?.string else { return nil }
        self.id = id
        self.desired = desired
        rules = Self.allocation(json["explanation"]?["rules"])
        stage = json["stage"]?.string ?? ""
        source = json["source"]?.string ?? ""
        reason = json["reason"]?.string ?? ""
        modelVersion = json["modelVersion"]?.integer ?? 0
        warnings = (json["explanation"]?["warnings"]?.array ?? []).compactMap(\.string)
    }

    private static func allocation(_ json: JSON?) -> Allocation? {
        guard let json, let replicas = json["replicas"]?.integer, let cpu = json["cpu"]?.string.flatMap({ Quantity.millicores($0) }),
            let memory = json["memory"]?.string.flatMap({ Quantity.bytes($0) })
        else { return nil }
        return Allocation(replicas: replicas, cpuMillicores: cpu, memoryBytes: memory)
    }
}

/// aware did not answer, or said no.
struct AwareFailure: Error, CustomStringConvertible {
    /// 0 when there was no answer.
    var status: Int
    var description: String
}

/// One connection to one server. Not thread-safe.
final class AwareClient {
    /// Elements of one batch, as the server takes them.
    private static let batchMax = 1000

    /// Behind a proxy that sends each application to its own server a batch has no destination (421): then one by one.
    private var isAlone = false

    private let http: HTTPClient
    private let credentials: Credentials

    init(_ options: HTTPOptions, _ credentials: Credentials, cancellation: Cancellation? = nil) {
        http = HTTPClient(options, cancellation: cancellation)
        self.credentials = credentials
    }

    /// Decides for many applications in one round trip for each thousand.
    /// - Parameter elements: name and observation, and an id that makes a repetition harmless.
    /// - Returns: by application, the decision or why there is none.
    func decide(
        _ elements: [(application: String, id: String, observation: Observation)]
    ) throws(AwareFailure) -> [String: Result<AwareDecision, AwareFailure>] {
        do throws(AwareFailure) {
            if !isAlone { return try decideTogether(elements) }
        } catch {
            guard error.status == 421 else { throw error }
            isAlone = true
        }
        var results: [String: Result<AwareDecision, AwareFailure>] = [:]
        for element in elements {
            let members = DecisionClient.json(element.observation).dropFirst()
            do throws(AwareFailure) {
                let answer = try send("POST", "/v1/applications/\(element.application)/decisions", "{\"id\":\"\(element.id)\",\(members)")
                results[element.application] = AwareDecision(answer).map { .success($0) }
            } catch {
                // One server may be away; without the proxy nobody is there.
                guard error.status != 0 else { throw error }
                results[element.application] = .failure(error)
            }
        }
        return results
    }

    private func decideTogether(
        _ elements: [(application: String, id: String, observation: Observation)]
    ) throws(AwareFailure) -> [String: Result<AwareDecision, AwareFailure>] {
        var results: [String: Result<AwareDecision, AwareFailure>] = [:]
        for start in stride(from: 0, to: elements.count, by: Self.batchMax) {
            let part = elements[start..<min(start + Self.batchMax, elements.count)]
            let body = part.map { element in
                let members = DecisionClient.json(element.observation).dropFirst()
                return "{\"application\":\"\(element.application)\",\"id\":\"\(element.id)\",\(members)"
            }
            let answer = try send("POST", "/v1/decisions", "[" + body.joined(separator: ",") + "]")
            let items = answer["items"]?.array ?? []
            for (element, item) in zip(part, items) {
                if let decision = AwareDecision(item) {
                    results[element.application] = .success(decision)
                } else {
                    let faults = (item["errors"]?.array ?? []).compactMap { $0["detail"]?.string }
                    results[element.application] = .failure(
                        AwareFailure(
                            status: item["status"]?.integer ?? 0,
                            description: ([item["detail"]?.string].compactMap { $0 } + faults).joined(separator: " ")))
                }
            }
        }
        return results
    }

    /// Whether the server knows the application.
    func knows(_ application: String) throws(AwareFailure) -> Bool {
        do throws(AwareFailure) {
            _ = try send("GET", "/v1/applications/\(application)")
            return true
        } catch where error.status == 404 {
            return false
        }
    }

    func put(_ application: String, profile: String) throws(AwareFailure) {
        _ = try send("PUT", "/v1/applications/\(application)", profile)
    }

    /// The document that is answered; any status but 2xx is a failure.
    func send(_ method: String, _ path: String, _ body: String? = nil) throws(AwareFailure) -> JSON {
        try document(of: try answer(method, path, body))
    }

    func document(of answer: HTTPAnswer) throws(AwareFailure) -> JSON {
        let document = try? JSON.parse(answer.body)
        guard answer.isSuccess, let document else {
            let detail = document?["detail"]?.string ?? String(answer.text.prefix(200))
            throw AwareFailure(status: answer.status, description: "aware answered \(answer.status): \(detail)")
        }
        return document
    }

    /// Whatever is answered.
    func answer(_ method: String, _ path: String, _ body: String? = nil) throws(AwareFailure) -> HTTPAnswer {
        try answer(HTTPRequest(method, path, body: body))
    }

    func answer(_ asked: HTTPRequest) throws(AwareFailure) -> HTTPAnswer {
        var request = asked
        let answer: HTTPAnswer
        do {
            if let authorization = try credentials.identity().authorization {
                request.headers.append(("Authorization", authorization))
            }
            answer = try http.send(request)
        } catch {
            throw AwareFailure(status: 0, description: "\(error)")
        }
        if answer.status == 401 { credentials.refused() }
        return answer
    }
}

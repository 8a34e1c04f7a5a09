// What kind of workload an application is: its meta-learned embedding, and the known workloads nearest to it.

import Agents
import Base
import HTTPServer
import Operations

enum WorkloadRoutes {
    private static let neighboursDefault = 10
    private static let neighboursMax = 500

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.get, "/v1/applications/{app}/embedding") { request, _ in
            let name = request.parameter(0)
            return api.polled(request) {
                let agent = try api.agent(named: name)
                guard let embedding = api.trainer.embeddings.embedding(of: agent.id) else {
                    throw APIError(.notFound, absence(of: agent, api))
                }
                return ResponseBytes(body: describe(embedding, of: agent))
            }
        }
        router.add(.get, "/v1/applications/{app}/neighbours") { request, response in
            let name = request.parameter(0)
            let limit = request.query("limit").map { Int($0) ?? 0 } ?? neighboursDefault
            guard (1...neighboursMax).contains(limit) else {
                response.problem(
                    .badRequest, detail: "limit is outside 1 to \(neighboursMax).",
                    errors: [
                        ProblemItem(
                            pointer: "/limit", code: "range", detail: "A whole number from 1 to \(neighboursMax).")
                    ])
                return .respond
            }
            return api.polled(request) {
                let agent = try api.agent(named: name)
                return ResponseBytes(body: list(api.trainer.embeddings.neighbours(of: agent.id, limit: limit)))
            }
        }
    }

    private static func absence(of agent: Agent, _ api: APIContext) -> String {
        api.trainer.embeddings.encoderVersion == nil
            ? "This server has no encoder of workloads, so nothing has an embedding."
            : "\(agent.name) has no embedding yet: its first episodes must end."
    }

    private static func describe(_ embedding: WorkloadEmbedding, of agent: Agent) -> [UInt8] {
        var json = JSONWriter(reserving: 16 * embedding.vector.count + 256)
        json.object { json in
            json.member("application", agent.name)
            json.member("encoder", embedding.encoder)
            json.member("episodes", embedding.episodes)
            json.member("lastEpisode", embedding.episode)
            json.member("created", Timestamp.text(embedding.created))
            // The shortest decimal form that gives back the same float.
            json.array("vector") { json in
                for value in embedding.vector { json.element(json: Array((value.isFinite ? "\(value)" : "null").utf8)) }
            }
        }
        return json.bytes
    }

    /// Nearest first; a list in one page.
    private static func list(_ neighbours: [EmbeddingIndex.Neighbour]) -> [UInt8] {
        var json = JSONWriter(reserving: 96 * neighbours.count + 64)
        json.array { json in
            for neighbour in neighbours {
                json.object { json in
                    json.member("name", neighbour.name)
                    json.member("reference", neighbour.application == nil)
                    json.member("similarity", neighbour.similarity)
                }
            }
        }
        return Listing.body(.init(items: json.bytes, next: nil))
    }
}

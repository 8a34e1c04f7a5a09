// One model version: its description, and its weights in and out.

import Agents
import HTTPServer
import Learning
import Scaling
import Store

enum ModelRoutes {
    /// The version that a path names, or 404.
    static func model(_ text: String, of agent: Agent, _ api: APIContext) throws -> ModelVersion {
        guard let version = Int(text), version > 0, version <= Int32.max,
            let model = try api.database.model(of: agent.id, version: version)
        else { throw Refusal(.notFound, "\(agent.name) has no model version \"\(text.prefix(20))\".") }
        return model
    }

    /// A policy that fits the state and the actions of this server, or 422.
    static func policy(of weights: [UInt8]) throws -> Policy {
        let policy: Policy
        do {
            policy = try Policy(decoding: weights)
        } catch {
            throw Refusal(
                .unprocessableContent, "These are not the weights of a policy: \(error).",
                errors: [ProblemItem(pointer: "", code: "weights", detail: "Expected is what GET .../weights gives.")])
        }
        guard policy.shape.observationSize == StateEncoder.count,
            policy.shape.heads == ActionSpace.standard.headSizes
        else {
            throw Refusal(
                .unprocessableContent,
                "The policy is for \(policy.shape.observationSize) features and heads \(policy.shape.heads); this server has \(StateEncoder.count) and \(ActionSpace.standard.headSizes).",
                errors: [
                    ProblemItem(
                        pointer: "", code: "shape", detail: "The weights belong to another state or action space.")
                ])
        }
        return policy
    }
}

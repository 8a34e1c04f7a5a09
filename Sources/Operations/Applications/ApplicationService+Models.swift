// Versions of an application's policy: found, admitted from outside, and put on duty by an operator.

import Agents
import Deciding
import Learning
import Scaling

extension ApplicationService {
    /// Several times the largest network served here: more would only make each decision slower.
    private static let parametersMax = 1 << 18
    /// Beyond every feature and reward; and still far from what a Float holds.
    private static let (inputMax, outputMax) = (1e3, 1e30)

    /// The version that `text` names.
    /// - Throws: `notFound`.
    public func model(_ text: String, of agent: Agent) throws -> ModelVersion {
        guard let version = Int(text), version > 0, version <= Int32.max,
            let model = try store.model(of: agent.id, version: version)
        else { throw OperationError(.notFound, "\(agent.name) has no model version \"\(text.prefix(20))\".") }
        return model
    }

    /// A version with weights from outside; it is stored with the command that adopts it. A policy that reads an embedding is
    /// bound to the application's.
    /// - Throws: `notFound` for a number that is none, `invalid` for weights that are never served, `conflict` when there is no
    ///   embedding yet.
    public func imported(
        _ weights: [UInt8], as text: String, of agent: Agent, by action: OperatorAction
    ) throws -> ModelVersion {
        guard let version = Int(text), (1...1_000_000_000).contains(version) else {
            throw OperationError(.notFound, "\"\(text.prefix(20))\" is no version: a whole number from 1 is.")
        }
        let policy = try Self.policy(of: weights, embeddingSize: trainer.embeddings.size)
        var weights = weights
        if policy.shape.embeddingSize > 0 {
            guard let embedding = trainer.embeddings.embedding(of: agent.id) else {
                throw OperationError(
                    .conflict, "The policy reads an embedding, and \(agent.name) has none yet: it comes with its first finished episodes.")
            }
            weights = policy.bound(to: embedding.vector).encode()
        }
        return ModelVersion(
            application: agent.id, version: version, parent: 0, created: action.time, algorithm: "import",
            episode: trainer.trainedEpisode(of: agent.id), diagnostics: [:], weights: weights)
    }

    /// A policy that fits the state and the actions of this server.
    /// - Parameter embeddingSize: the embedding that it may read; 0: none.
    /// - Throws: `invalid`.
    public static func policy(of weights: [UInt8], embeddingSize: Int = 0) throws(OperationError) -> Policy {
        let policy: Policy
        do {
            policy = try Policy(decoding: weights)
        } catch {
            throw invalid(
                "These are not the weights of a policy: \(error).", "weights", "Expected is what GET .../weights gives.")
        }
        guard policy.shape.observationSize == StateEncoder.count, [0, embeddingSize].contains(policy.shape.embeddingSize),
            policy.shape.heads == ActionSpace.standard.headSizes
        else {
            throw invalid(
                "The policy is for \(policy.shape.observationSize) features, an embedding of \(policy.shape.embeddingSize) and heads \(policy.shape.heads); this server has \(StateEncoder.count), 0 or \(embeddingSize), and \(ActionSpace.standard.headSizes).",
                "shape", "The weights belong to another state or action space.")
        }
        guard policy.parameters.count <= parametersMax, policy.parameters.allSatisfy(\.isFinite) else {
            throw invalid(
                "The weights are not all finite, or there are more than \(parametersMax): \(policy.parameters.count).",
                "weights", "Such a network is never served.")
        }
        guard policy.largestNumber(within: inputMax) < outputMax else {
            throw invalid(
                "The weights are so large that the network's answers may not be finite: the rules would act in its place.",
                "weights", "Such a network is never served.")
        }
        return policy
    }

    private static func invalid(_ message: String, _ code: String, _ detail: String) -> OperationError {
        OperationError(.invalid, message, faults: [.init(pointer: "", code: code, detail: detail)])
    }

    /// Hands a command to the trainer. `then` is called on a trainer's thread when it is stored and on duty.
    public func carryOut(
        _ command: TrainingCommand, for agent: Agent, by action: OperatorAction, _ detail: String,
        then: @escaping @Sendable (Result<ActivePolicy, any Error>) -> Void
    ) {
        do throws(OperationError) { try agent.checkUnsealed() } catch { return then(.failure(error)) }
        trainer.carryOut(command, for: agent, at: action.time, audit: action.entry(detail)) { result in
            then(result.mapError { ($0 as? CommandError).map { Self.refusal($0, agent) } ?? $0 })
        }
    }

    private static func refusal(_ error: CommandError, _ agent: Agent) -> OperationError {
        switch error {
        case .noPolicy(let stage):
            OperationError(
                .conflict,
                "\(agent.name) has no policy yet, so it cannot be \(stage.rawValue). It is learning from the rules.",
                faults: [.init(pointer: "/stage", code: "noPolicy", detail: "Only \"offline\" is possible now.")])
        case .notCalibrated:
            OperationError(.conflict, "\(agent.name) is not calibrated: its rules are set as its profile says.")
        case .versionTaken(let next):
            OperationError(.conflict, "Versions are immutable and numbered upwards: the next free one is \(next).")
        }
    }
}

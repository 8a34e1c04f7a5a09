// A store in memory for one application: what an agent decides and what its trainer makes of it.

import Agents
import Synchronization

/// Keeps everything that a trainer reads and writes.
final class MemoryStore: EpisodeStore {
    struct Contents {
        var decisions: [Int64: Decision] = [:]
        var episodes: [EpisodeSummary] = []
        var trainer: StoredTrainer?
        var models: [Int: ModelVersion] = [:]
        var events: [Event] = []
        var external: [ExternalTransition] = []
        var embedding: WorkloadEmbedding?
    }
    let contents = Mutex(Contents())

    func record(_ decision: Decision, _ closed: ClosedEpisode?) {
        contents.withLock {
            $0.decisions[decision.seq] = decision
            if let closed { $0.episodes.append(closed.summary) }
        }
    }

    func episodes(of application: Int64, after number: Int, limit: Int) -> [EpisodeSummary] {
        // Episodes are numbered from 1 without gaps.
        contents.withLock { Array($0.episodes.dropFirst(number).prefix(limit)) }
    }

    func decisions(of episode: EpisodeSummary) -> [Decision] {
        contents.withLock { contents in
            (episode.closing - Int64(episode.steps)...episode.closing).compactMap { contents.decisions[$0] }
        }
    }

    func trainerState(of application: Int64) -> StoredTrainer? { contents.withLock { $0.trainer } }
    func model(of application: Int64, version: Int) -> ModelVersion? { contents.withLock { $0.models[version] } }
    func weightsNumber(of application: Int64, version: Int) -> Int64? { contents.withLock { $0.models[version] == nil ? nil : Int64(version) } }
    func externalTransitions(of application: Int64, limit: Int) -> [ExternalTransition] {
        contents.withLock { $0.external.suffix(limit) }
    }
    func set(_ embedding: WorkloadEmbedding, of application: Int64) { contents.withLock { $0.embedding = embedding } }

    func commit(_ training: TrainingCommit) {
        contents.withLock { contents in
            contents.trainer = StoredTrainer(
                episode: training.episode, state: training.state,
                optimizer: training.optimizer ?? contents.trainer?.optimizer)
            for model in training.models { contents.models[model.version] = model }
            contents.events += training.events
        }
    }
}

extension Trainer {
    /// Gives an order and has it carried out on this thread.
    func obey(_ command: TrainingCommand, for agent: Agent, at time: Double) throws {
        let failure = Mutex<(any Error)?>(nil)
        carryOut(command, for: agent, at: time) { result in
            if case .failure(let error) = result { failure.withLock { $0 = error } }
        }
        try train(agent)
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

// Explicit episodes: a caller who knows where one begins or ends says so instead of counting steps.

import Agents

extension ApplicationService {
    /// What becomes of an episode. The observation of the next decision earns the last step's reward: only then is an
    /// episode complete.
    public enum EpisodeState: String, Sendable { case beginsWithNextDecision, endsWithNextDecision, ended }

    /// Lets a new episode begin with the next decision.
    /// - Returns: its number.
    public func startEpisode(of agent: Agent, by action: OperatorAction) throws -> Int {
        let running = agent.runningEpisode
        // An episode without a step has not begun: it is the new one.
        guard running.steps > 0 else { return running.number }
        try controls.change(agent, audit: action.entry("{\"ends\":\(running.number)}")) {
            $0.episodeEnded = running.number
        }
        return running.number + 1
    }

    /// Lets the running episode end with the next decision.
    /// - Parameter text: its number.
    /// - Throws: `notFound` when there is no such episode, `conflict` when it has no step.
    public func endEpisode(_ text: String, of agent: Agent, by action: OperatorAction) throws -> (Int, EpisodeState) {
        let running = agent.runningEpisode
        guard let number = Int(text), number > 0, number <= running.number else {
            throw OperationError(
                .notFound, "\(agent.name) has no episode \"\(text.prefix(20))\"; \(running.number) is running.")
        }
        guard number == running.number else { return (number, .ended) }
        guard running.steps > 0 else {
            throw OperationError(.conflict, "Episode \(number) has no step yet, so it cannot end.")
        }
        try controls.change(agent, audit: action.entry("{\"ends\":\(number)}")) { $0.episodeEnded = number }
        return (number, .endsWithNextDecision)
    }
}

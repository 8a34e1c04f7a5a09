// News of a decision that come late change the mean of the episode it belongs to, as it is reported.

import Scaling
import Store
import Testing

@testable import Agents

@Suite(.serialized, .timeLimit(.minutes(5))) struct LateOutcomeTests {
    private static func mean(_ rewards: [Double?]) -> Double? {
        let known = rewards.compactMap { $0 }
        return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }

    @Test func lateOutcomesChangeTheEpisodeTheyBelongTo() async throws {
        try await withDatabase { database in
            var profile = Profile()
            profile.episodeSteps = 6
            var subject = try Subject(database, table: ServingTable(), profile: profile)
            // What each decision earned stands in the one after it.
            var rewards: [Double?] = []
            func decide() async throws {
                let decision = try await subject.decide().decision
                if decision.seq > 1 { rewards.append(decision.reward) }
            }
            for _ in 0..<7 { try await decide() }
            let id = subject.agent.id
            func episode(_ number: Int) throws -> Double? {
                try database.episodes(of: id, after: number - 1, limit: 1).first?.reward
            }
            let before = try episode(1)
            #expect(before == Self.mean(rewards))

            let late = DecisionFeedback(applied: true, reward: 0.125)
            let (_, correction) = try database.insert(late, on: 3, application: id, at: 0)
            rewards[2] = 0.125
            #expect(try episode(1) == Self.mean(rewards))
            #expect(correction == EpisodeCorrection(episode: 1, before: before, after: Self.mean(rewards)))
            #expect(try database.insert(late, on: 3, application: id, at: 1).correction == nil, "the same news twice")

            // What was not carried out earned nothing that can be credited to it.
            _ = try database.insert(DecisionFeedback(applied: false, reward: nil), on: 5, application: id, at: 2)
            rewards[4] = nil
            #expect(try episode(1) == Self.mean(rewards))

            // While the episode runs, news of any of its decisions count at its end.
            for _ in 0..<3 { try await decide() }
            #expect(
                try database.insert(DecisionFeedback(applied: true, reward: 0.5), on: 8, application: id, at: 3)
                    .correction == nil)
            rewards[7] = 0.5
            for _ in 0..<3 { try await decide() }
            #expect(try episode(2) == Self.mean(Array(rewards[6..<12])))
        }
    }
}

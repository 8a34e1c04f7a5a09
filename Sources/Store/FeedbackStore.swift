// What became of decisions, when it was told apart from an observation (the tables are called `outcome`).

import Agents
import Foundation
import GRDB

extension Database {
    public func feedback(on seq: Int64) throws -> DecisionFeedback? {
        try pool.read { try Self.feedback(on: seq, in: $0) }
    }

    /// The feedback on every application's last decision, by its `seq`. Call `lastDecisions` before.
    public func lastFeedback() throws -> [Int64: DecisionFeedback] {
        try pool.read { db in
            var feedback: [Int64: DecisionFeedback] = [:]
            let rows = try Row.fetchCursor(
                db, sql: "SELECT seq, outcome.applied, outcome.reward FROM outcome JOIN lastDecision USING (seq)")
            while let row = try rows.next() { feedback[row[0]] = DecisionFeedback(applied: row[1], reward: row[2]) }
            return feedback
        }
    }

    /// Stores feedback once, and counts the episode again that it belongs to when that is over already.
    /// - Returns: the feedback that counts: this one, or the one that was there before; and what became of the episode.
    public func insert(
        _ feedback: DecisionFeedback, on seq: Int64, application: Int64, at time: Double
    ) throws -> (feedback: DecisionFeedback, correction: EpisodeCorrection?) {
        try write { db in
            if let present = try Self.feedback(on: seq, in: db) { return (present, nil) }
            try db.execute(
                sql: "INSERT INTO outcome (seq, application, applied, reward, created) VALUES (?, ?, ?, ?, ?)",
                arguments: [seq, application, feedback.applied, feedback.reward, time])
            guard let number = try Self.decision(of: application, upTo: seq, in: db)?.episode else { return (feedback, nil) }
            return (feedback, try Self.recount(episode: number, of: application, in: db))
        }
    }

    /// Brings the mean reward of a finished episode in line with the feedback that is known of its decisions.
    /// - Returns: the change, `nil` when there is none or the episode still runs.
    @discardableResult
    static func recount(episode number: Int, of application: Int64, in db: GRDB.Database) throws -> EpisodeCorrection? {
        guard
            let summary = try Row.fetchOne(
                db, sql: "SELECT * FROM episode WHERE application = ? AND number = ?", arguments: [application, number]
            ).map(Self.episode)
        else { return nil }
        let chain = try decisions(of: application, from: summary.closing, limit: summary.steps + 1, in: db)
        let rewards = try complete(chain.reversed(), in: db).dropFirst().compactMap(\.reward)
        let reward = rewards.isEmpty ? nil : rewards.reduce(0, +) / Double(rewards.count)
        guard reward != summary.reward else { return nil }
        try db.execute(
            sql: "UPDATE episode SET reward = ? WHERE application = ? AND number = ?",
            arguments: [reward, application, number])
        return EpisodeCorrection(episode: number, before: summary.reward, after: reward)
    }

    /// Whether anything was told of a decision of the application since the episode before `number` ended.
    static func hasFeedback(since number: Int, of application: Int64, in db: GRDB.Database) throws -> Bool {
        try Bool.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT EXISTS (SELECT 1 FROM outcome WHERE application = ?1 AND seq >= coalesce(
                        (SELECT closing FROM episode WHERE application = ?1 AND number = ?2 - 1), 0))
                    """), arguments: [application, number]) ?? false
    }

    static func feedback(on seq: Int64, in db: GRDB.Database) throws -> DecisionFeedback? {
        try Row.fetchOne(db, sql: "SELECT applied, reward FROM outcome WHERE seq = ?", arguments: [seq]).map {
            DecisionFeedback(applied: $0["applied"], reward: $0["reward"])
        }
    }

    /// Late feedback on the steps of an episode: each completes the observation of the decision after it.
    /// - Parameter decisions: one application's, oldest first.
    static func complete(_ decisions: [Decision], in db: GRDB.Database) throws -> [Decision] {
        guard let first = decisions.first, let last = decisions.last else { return decisions }
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT seq, applied, reward FROM outcome WHERE application = ? AND seq BETWEEN ? AND ?"),
            arguments: [first.application, first.seq, last.seq])
        guard !rows.isEmpty else { return decisions }
        var feedback: [Int64: DecisionFeedback] = [:]
        for row in rows { feedback[row[0]] = DecisionFeedback(applied: row[1], reward: row[2]) }
        var decisions = decisions
        for index in decisions.indices.dropFirst() {
            guard let known = feedback[decisions[index - 1].seq] else { continue }
            decisions[index].observation = known.complete(decisions[index].observation)
            // What was not carried out earned nothing that could be credited to it.
            if known.reward != nil || !known.applied { decisions[index].reward = known.reward }
        }
        return decisions
    }
}

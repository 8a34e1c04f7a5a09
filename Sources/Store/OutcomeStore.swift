// What became of decisions, when it was told apart from an observation.

import Agents
import Foundation
import GRDB

extension Database {
    public func outcome(of seq: Int64) throws -> DecisionOutcome? {
        try pool.read { try Self.outcome(of: seq, in: $0) }
    }

    /// Outcomes of every application's last decision, by its `seq`. Call `lastDecisions` before.
    public func lastOutcomes() throws -> [Int64: DecisionOutcome] {
        try pool.read { db in
            var outcomes: [Int64: DecisionOutcome] = [:]
            let rows = try Row.fetchCursor(
                db, sql: "SELECT seq, outcome.applied, outcome.reward FROM outcome JOIN lastDecision USING (seq)")
            while let row = try rows.next() { outcomes[row[0]] = DecisionOutcome(applied: row[1], reward: row[2]) }
            return outcomes
        }
    }

    /// Stores an outcome once.
    /// - Returns: the outcome that counts: this one, or the one that was there before.
    public func insert(
        _ outcome: DecisionOutcome, of seq: Int64, application: Int64, at time: Double
    ) throws -> DecisionOutcome {
        try pool.write { db in
            if let present = try Self.outcome(of: seq, in: db) { return present }
            try db.execute(
                sql: "INSERT INTO outcome (seq, application, applied, reward, created) VALUES (?, ?, ?, ?, ?)",
                arguments: [seq, application, outcome.applied, outcome.reward, time])
            return outcome
        }
    }

    static func outcome(of seq: Int64, in db: GRDB.Database) throws -> DecisionOutcome? {
        try Row.fetchOne(db, sql: "SELECT applied, reward FROM outcome WHERE seq = ?", arguments: [seq]).map {
            DecisionOutcome(applied: $0["applied"], reward: $0["reward"])
        }
    }

    /// Late outcomes for the steps of an episode: each completes the observation of the decision after it.
    /// - Parameter decisions: one application's, oldest first.
    static func complete(_ decisions: [Decision], in db: GRDB.Database) throws -> [Decision] {
        guard let first = decisions.first, let last = decisions.last else { return decisions }
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT seq, applied, reward FROM outcome WHERE application = ? AND seq BETWEEN ? AND ?"),
            arguments: [first.application, first.seq, last.seq])
        guard !rows.isEmpty else { return decisions }
        var outcomes: [Int64: DecisionOutcome] = [:]
        for row in rows { outcomes[row[0]] = DecisionOutcome(applied: row[1], reward: row[2]) }
        var decisions = decisions
        for index in decisions.indices.dropFirst() {
            guard let outcome = outcomes[decisions[index - 1].seq] else { continue }
            decisions[index].observation = outcome.complete(decisions[index].observation)
            if let reward = outcome.reward { decisions[index].reward = reward }
        }
        return decisions
    }
}

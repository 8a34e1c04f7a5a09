// Makes decisions durable before they are answered: batches of all loops are committed together.

import Scaling
import Synchronization

/// One decision on its way to disk, already in its stored form, with what else must be in the same transaction.
public struct PendingDecision: Sendable {
    public var seq: Int64
    public var application: Int64
    public var previous: Int64
    public var time: Double
    public var episode: Int
    public var step: Int
    public var reward: Double?
    /// `DecisionRecord`'s bytes.
    public var record: [UInt8]
    /// What the rules would have answered: advice for a caller whose decision cannot be kept.
    public var rules: Allocation
    /// The episode that this decision closes.
    public var closed: ClosedEpisode?

    public init(_ decision: borrowing Decision, closed: ClosedEpisode?) {
        seq = decision.seq
        application = decision.application
        previous = decision.previous
        time = decision.time
        episode = decision.episode
        step = decision.step
        reward = decision.reward
        record = DecisionRecord.encode(decision)
        rules = decision.rules
        self.closed = closed
    }
}

/// What a decision that closes an episode stores besides itself.
public struct ClosedEpisode: Sendable {
    public var summary: EpisodeSummary
    /// The agent's state as of that decision.
    public var state: [UInt8]
}

/// A finished episode, as listed and charted.
public struct EpisodeSummary: Sendable, Equatable {
    public enum Controller: String, Sendable, CaseIterable {
        case policy, rules
        /// The rules acted for comparison while a policy was on duty.
        case control
    }

    public var application: Int64
    public var number: Int
    public var started: Double
    public var ended: Double
    public var steps: Int
    /// `seq` of the decision that closed it; the chain of `previous` leads from there through the steps.
    public var closing: Int64
    public var stage: Stage
    public var controller: Controller
    public var modelVersion: Int
    /// Mean step reward (alpha form, 0..1), `nil` when no step could be measured.
    public var reward: Double?
    /// The rules' estimated mean step reward at that time.
    public var rulesReward: Double?
    /// Share of the steps that violated the objective.
    public var violations: Double
    /// Money an hour for what ran, mean over the steps; and for what the rules wanted at the same observations. `nil` before
    /// it was counted.
    public var bill: Double?
    public var rulesBill: Double?
    /// Containers killed for memory; `nil` when nobody told.
    public var oomKills: Int?

    public init(
        application: Int64, number: Int, started: Double, ended: Double, steps: Int, closing: Int64, stage: Stage,
        controller: Controller, modelVersion: Int, reward: Double?, rulesReward: Double?, violations: Double
    ) {
        self.application = application
        self.number = number
        self.started = started
        self.ended = ended
        self.steps = steps
        self.closing = closing
        self.stage = stage
        self.controller = controller
        self.modelVersion = modelVersion
        self.reward = reward
        self.rulesReward = rulesReward
        self.violations = violations
    }
}

/// Where decisions go. `commit` runs on the writer's own queue and is durable when it returns.
public protocol DecisionSink: Sendable {
    /// Calls `body` once on the writer's queue, soon. `body` hands the batch to `write`, which is one transaction.
    func enqueue(_ body: @escaping @Sendable (_ write: ([PendingDecision]) throws -> Void) -> Void)
}

/// Group commit: whatever the loops hand over while a commit runs becomes the next transaction.
public final class Recorder: Sendable {
    /// Decisions that may wait for the disk; beyond it callers are told to come back.
    public static let waitingMax = 8192

    private struct Batch {
        let decisions: [PendingDecision]
        let isSound: @Sendable () -> Bool
        let completion: @Sendable ((any Error)?) -> Void
    }
    private struct Waiting {
        var batches: [Batch] = []
        var count = 0
        var isScheduled = false
    }

    private let waiting = Mutex(Waiting())
    private let sink: any DecisionSink
    public let commits = Atomic<Int>(0)
    public let failures = Atomic<Int>(0)

    public init(sink: any DecisionSink) { self.sink = sink }

    public var isOverloaded: Bool { waiting.withLock { $0.count >= Self.waitingMax } }

    /// A decision was made by what an agent remembered of another one, which could not be stored.
    public struct Voided: Error, CustomStringConvertible {
        public let description = "another decision of the application could not be stored"
    }

    /// Takes the decisions of one loop's drain.
    /// - Parameters:
    ///   - isSound: asked on the writer's queue, after the fate of all that was submitted before: whether to write them.
    ///   - completion: runs on the writer's queue, after the commit or its failure.
    public func submit(
        _ decisions: [PendingDecision], isSound: @escaping @Sendable () -> Bool = { true },
        completion: @escaping @Sendable ((any Error)?) -> Void
    ) {
        let mustSchedule = waiting.withLock { waiting in
            waiting.batches.append(Batch(decisions: decisions, isSound: isSound, completion: completion))
            waiting.count += decisions.count
            defer { waiting.isScheduled = true }
            return !waiting.isScheduled
        }
        if mustSchedule { sink.enqueue { [self] write in commitAll(write) } }
    }

    private func commitAll(_ write: ([PendingDecision]) throws -> Void) {
        while true {
            let taken = waiting.withLock { waiting in
                defer {
                    waiting.batches.removeAll(keepingCapacity: true)
                    waiting.count = 0
                }
                if waiting.batches.isEmpty { waiting.isScheduled = false }
                return waiting.batches
            }
            if taken.isEmpty { return }
            let batches = taken.filter { batch in
                guard !batch.isSound() else { return true }
                batch.completion(Voided())
                return false
            }
            if batches.isEmpty { continue }
            do {
                try write(batches.count == 1 ? batches[0].decisions : batches.flatMap(\.decisions))
                commits.add(1, ordering: .relaxed)
                for batch in batches { batch.completion(nil) }
            } catch {
                failures.add(1, ordering: .relaxed)
                for batch in batches { batch.completion(error) }
            }
        }
    }
}

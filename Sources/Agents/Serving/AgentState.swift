// What one application's agent remembers between decisions, and the one path that every decision takes.

import Base
import Deciding
import Learning
import Scaling

/// A value: a dry run decides on a copy. Everything in it is rebuilt after a restart from the state saved at the last
/// episode's end and the decisions since.
struct AgentState: Sendable {
    /// Client ids that are remembered for idempotence.
    static let clientIDsMax = 32

    let application: Int64
    /// What its exploration is drawn from: `Origin`.
    let exploration: UInt64
    /// What people demand; it is stored beside the agent's state, not in it.
    var controls = Controls()
    /// What became of the last decision, when that was told apart from an observation.
    var outcome: DecisionFeedback?
    var isLoaded = false
    /// Whether it is on its way to another server: nothing is decided that would not go with it.
    var isSealed = false
    /// What the ledger of a shared total counts for this application.
    var held = Capacity(cpuMillicores: 0, memoryBytes: 0)

    // MARK: History

    private(set) var decisions = 0
    private(set) var decisionsBySource = [Int](repeating: 0, count: Source.allCases.count)
    private(set) var lastSeq: Int64 = 0
    private(set) var lastTime: Double?
    private(set) var lastSource: Source?
    private(set) var episodesFinished = 0
    /// Mean step reward of the last finished episode.
    private(set) var episodeReward: Double?
    private(set) var clientIDs: [(id: String, seq: Int64)] = []
    /// As it was sent.
    private var lastObservation: Observation?

    // MARK: The running episode

    struct Running {
        var number = 1
        var step = 0
        var started: Double = 0
        var controller = EpisodeSummary.Controller.rules
        var stage = Stage.offline
        var rewardSum = 0.0
        var rewards = 0
        var violations = 0
        /// Money an hour, summed over the steps: of what ran, and of what the rules wanted. `nil` in an episode that began before
        /// they were counted.
        var bill: Double? = 0
        var rulesBill: Double? = 0
        var oomKills: Int?
    }
    private(set) var running = Running()

    // MARK: Deciding

    private var core: DecisionCore

    init(application: Int64, profile: Profile, exploration: UInt64) {
        self.application = application
        self.exploration = exploration
        core = DecisionCore(profile)
    }

    var profile: Profile { core.profile }
    var calibration: Calibration? { core.calibration }
    var knowledge: Knowledge { core.knowledge(at: lastTime ?? 0) }
    var lastDesired: Allocation? { core.lastAnswer }

    mutating func update(profile: Profile) { core.update(profile) }

    func seq(ofClientID id: String) -> Int64? { clientIDs.last { $0.id == id && $0.seq > 0 }?.seq }

    /// The last decision's number when `observation` is the one that it answered, sent again: the same time, and nothing
    /// else is different. Without a time nobody can tell.
    func seq(ofResent observation: Observation) -> Int64? {
        guard lastSeq > 0, observation.time != nil, observation == lastObservation else { return nil }
        return lastSeq
    }

    /// Takes in an observation and answers it. `seq` 0 is a dry run's.
    mutating func decide(
        _ observation: Observation, at now: Double, clientID: String?, warnings: [String], active: ActivePolicy?,
        scratch: PolicyScratch?, capacity: Capacity? = nil, steady: Double? = nil, seq: Int64
    ) -> (Decision, ClosedEpisode?) {
        let controls = controls.inForce(at: steady ?? now)
        let sent = observation
        let observation = completed(observation)
        let perception = core.perceive(observation, at: now, isCredited: lastSeq > 0)
        credit(perception)
        let closed = closeEpisode(isDone: observation.done, active, at: now, closing: seq)
        if running.step == 0 { openEpisode(active, at: now) }

        var experience = core.experience(perception)
        let isExploring = active?.explores == true && running.controller == .policy
        let proposal = propose(perception, active, scratch, &experience, isExploring: isExploring)
        let isPolicys = running.controller == .policy && proposal != nil
        let settled = core.settle(
            perception, proposed: isPolicys ? proposal?.allocation : nil, controls: controls, capacity: capacity)
        if settled.source != .policy {
            experience.action = core.nearestAction(to: settled, from: perception, legal: experience.mask)
            experience.logProbability = 0
            if let policy = active?.policy { core.record(experience.action, for: policy) }
        }
        let decision = Decision(
            seq: seq, clientID: clientID, application: application, previous: lastSeq, time: now,
            episode: running.number,
            step: running.step, observation: observation, stage: running.stage, source: settled.source,
            modelVersion: proposal == nil ? 0 : active?.version ?? 0,
            controller: running.controller, exploring: isExploring && settled.source == .policy, current: perception.current,
            proposed: settled.proposed, desired: settled.guarded.allocation, reason: settled.reason,
            reward: perception.reward, policy: proposal, rules: perception.rules,
            guards: settled.guarded.records,
            warnings: perception.warnings.isEmpty ? warnings : warnings + perception.warnings,
            experience: experience)
        remember(decision)
        lastObservation = sent
        // Of a dry run nothing is stored.
        return (decision, seq == 0 ? nil : closed.map { ClosedEpisode(summary: $0, state: encode()) })
    }

    /// Adds what was measured to the running episode.
    private mutating func credit(_ perception: Perception) {
        guard perception.isCredited else { return }
        if let reward = perception.reward {
            running.rewardSum += reward
            running.rewards += 1
        }
        if perception.parts.violated { running.violations += 1 }
        if let kills = perception.observation.oomKills { running.oomKills = (running.oomKills ?? 0) + kills }
    }

    /// What the policy wants; also computed while the rules act, as a shadow. `nil` without a usable policy.
    private mutating func propose(
        _ perception: Perception, _ active: ActivePolicy?, _ scratch: PolicyScratch?, _ experience: inout Experience,
        isExploring: Bool
    ) -> Proposal? {
        guard let policy = active?.policy, let scratch, profile.algorithm != .rules, policy.shape.embeddingSize == 0
        else { return nil }
        var sampling = isExploring
            ? RandomGenerator(seed: exploration ^ UInt64(decisions)) : nil
        return core.propose(perception, by: policy, scratch: scratch, sampling: &sampling, exploration: active?.exploration ?? 0, into: &experience)
    }

    // MARK: Episodes

    /// Whether the rules' reward is to be known anew with this episode: by leaving it to them, unless the profile says
    /// otherwise.
    static func isControl(episode: Int, interval: Int = Lifecycle.controlInterval) -> Bool { episode % interval == interval / 2 }

    private mutating func openEpisode(_ active: ActivePolicy?, at now: Double) {
        let stage = active?.stage ?? (profile.bootstrap ? .offline : .online)
        running.started = now
        running.stage = stage
        core.calibrate(active?.calibration)
        if profile.algorithm == .rules || profile.actuation == .observe || stage == .offline
            || active?.policy == nil
        {
            running.controller = .rules
        } else {
            let isControl = profile.controlEpisodes && Self.isControl(episode: running.number, interval: active?.controlInterval ?? Lifecycle.controlInterval)
            running.controller = isControl ? .control : .policy
        }
    }

    /// Ends the episode when it has its length, or the caller says so. This observation earned its last reward.
    private mutating func closeEpisode(
        isDone: Bool, _ active: ActivePolicy?, at now: Double, closing: Int64
    ) -> EpisodeSummary? {
        guard
            running.step >= core.episodeSteps
                || (running.step > 0
                    && (isDone || running.number <= controls.episodeEnded
                        || Self.mustStandDown(active, in: running.controller)))
        else { return nil }
        let reward = running.rewards > 0 ? running.rewardSum / Double(running.rewards) : nil
        // A clock that was set back: no episode ends before it starts.
        var summary = EpisodeSummary(
            application: application, number: running.number, started: running.started, ended: max(now, running.started),
            steps: running.step, closing: closing, stage: running.stage, controller: running.controller,
            modelVersion: active?.version ?? 0, reward: reward, rulesReward: active?.rulesReward,
            violations: Double(running.violations) / Double(running.step))
        summary.bill = running.bill.map { $0 / Double(running.step) }
        summary.rulesBill = running.rulesBill.map { $0 / Double(running.step) }
        summary.oomKills = running.oomKills
        episodesFinished += 1
        episodeReward = reward
        running = Running(number: running.number + 1)
        return summary
    }

    /// A policy that lost its duty in mid-episode does not finish it: the rules act from this decision on.
    private static func mustStandDown(_ active: ActivePolicy?, in controller: EpisodeSummary.Controller) -> Bool {
        controller == .policy && (active?.policy == nil || active?.stage == .offline)
    }

    // MARK: Remembering

    private mutating func remember(_ decision: Decision) {
        running.step += 1
        let prices = core.bill
        running.bill? += prices.hourlyBill(decision.desired)
        running.rulesBill? += prices.hourlyBill(decision.rules)
        decisions += 1
        decisionsBySource[decision.source.index] += 1
        lastSeq = decision.seq
        lastTime = decision.time
        lastSource = decision.source
        outcome = nil
        if let clientID = decision.clientID {
            if clientIDs.count >= Self.clientIDsMax { clientIDs.removeFirst() }
            clientIDs.append((clientID, decision.seq))
        }
    }

    /// Begins anew behind what is stored, when what was remembered is damaged: an episode that the rules start.
    mutating func begin(episode number: Int, after seq: Int64) {
        running = Running()
        running.number = number
        episodesFinished = number - 1
        lastSeq = seq
    }

    /// Repeats a decision that was made before a restart: the same perception, and the answer that was given.
    mutating func replay(_ decision: Decision) {
        let perception = core.perceive(decision.observation, at: decision.time, isCredited: lastSeq > 0)
        credit(perception)
        if decision.episode != running.number {
            // The decision that closed the episode before is missing: see `Database.decision(of:upTo:)`.
            running = Running(number: decision.episode)
            episodesFinished = decision.episode - 1
        }
        if running.step == 0 {
            running.started = decision.time
            running.stage = decision.stage
            running.controller = decision.controller
        }
        running.step = decision.step
        let isPolicys = decision.controller == .policy && decision.policy != nil
        _ = core.settle(
            perception, proposed: isPolicys ? decision.proposed : nil, controls: Self.controls(behind: decision))
        core.resume(after: decision.desired, memory: decision.experience.memory)
        remember(decision)
        lastObservation = decision.observation
    }

    /// Moves a recurrent policy's memory over the last replayed decision, whose memory was stored as it was before.
    mutating func catchUp(_ last: Decision?, with policy: Policy) {
        if let last { core.catchUp(last.experience, with: policy) }
    }

    static let format: UInt8 = 1

    func encode() -> [UInt8] {
        var writer = ByteWriter(reserving: 4096)
        writer.write(Self.format)
        writer.write(UInt64(clamping: decisions))
        writer.write(lastSeq)
        writer.write(lastTime)
        for allocation in [core.lastAnswer, core.lastCurrent] {
            writer.write(allocation != nil)
            if let allocation { DecisionRecord.write(allocation, to: &writer) }
        }
        writer.write(UInt8(lastSource.flatMap { Source.allCases.firstIndex(of: $0) } ?? 255))
        writer.write(UInt32(clamping: episodesFinished))
        writer.write(episodeReward)
        writer.write(UInt8(clientIDs.count))
        for entry in clientIDs {
            writer.write(entry.id)
            writer.write(entry.seq)
        }
        writer.write(UInt32(clamping: running.number))
        writer.write(UInt32(clamping: running.step))
        writer.write(running.started)
        writer.write(running.controller.rawValue)
        writer.write(running.stage.rawValue)
        writer.write(running.rewardSum)
        writer.write(UInt32(clamping: running.rewards))
        writer.write(UInt32(clamping: running.violations))
        core.encode(into: &writer)
        writer.write(running.bill)
        writer.write(running.rulesBill)
        writer.write(Int64(running.oomKills ?? -1))
        Calibration.encode(core.calibration, into: &writer)
        return writer.bytes
    }

    /// Replaces the history by what `encode` wrote; the profile stays. Throws on anything else.
    mutating func decode(_ bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        guard try reader.integer(UInt8.self) == Self.format else { throw ByteReader.Failure.malformed }
        decisions = Int(clamping: try reader.integer(UInt64.self))
        lastSeq = try reader.integer()
        lastTime = try reader.optionalDouble()
        let lastAnswer = try reader.bool() ? DecisionRecord.readAllocation(from: &reader) : nil
        let lastCurrent = try reader.bool() ? DecisionRecord.readAllocation(from: &reader) : nil
        let source = Int(try reader.integer(UInt8.self))
        lastSource = source < Source.allCases.count ? Source.allCases[source] : nil
        episodesFinished = Int(try reader.integer(UInt32.self))
        episodeReward = try reader.optionalDouble()
        clientIDs = try (0..<(try reader.integer(UInt8.self))).map { _ in (try reader.string(), try reader.integer()) }
        running.number = Int(try reader.integer(UInt32.self))
        running.step = Int(try reader.integer(UInt32.self))
        running.started = try reader.double()
        guard let controller = EpisodeSummary.Controller(rawValue: try reader.string()),
            let stage = Stage(rawValue: try reader.string())
        else { throw ByteReader.Failure.malformed }
        running.controller = controller
        running.stage = stage
        running.rewardSum = try reader.double()
        running.rewards = Int(try reader.integer(UInt32.self))
        running.violations = Int(try reader.integer(UInt32.self))
        try core.decode(from: &reader, lastAnswer: lastAnswer, lastCurrent: lastCurrent)
        // States of before the bill end here.
        guard !reader.isAtEnd else { return (running.bill, running.rulesBill) = (nil, nil) }
        running.bill = try reader.optionalDouble()
        running.rulesBill = try reader.optionalDouble()
        let kills = Int(try reader.integer(Int64.self))
        running.oomKills = kills < 0 ? nil : kills
        // States of before calibration end here.
        if !reader.isAtEnd { core.calibrate(try Calibration.decode(from: &reader)) }
    }
}

// What one application's agent remembers between decisions, and the one path that every decision takes.

import Glibc
import Learning
import Neural
import Scaling

/// A value: a dry run decides on a copy. Everything in it is rebuilt after a restart from the state saved at the last
/// episode's end and the decisions since.
struct AgentState: Sendable {
    /// While a policy is on duty, one episode in so many is left to the rules, to know what they would earn today.
    static let controlInterval = 10
    /// Client ids that are remembered for idempotence.
    static let clientIDsMax = 32
    private static let space = ActionSpace.standard
    private static let choiceCount = space.choiceCount

    let application: Int64
    let seed: UInt64
    private(set) var profile: Profile
    /// What people demand; it is stored beside the agent's state, not in it.
    var controls = Controls()
    /// What became of the last decision, when that was told apart from an observation.
    var outcome: DecisionOutcome?
    var isLoaded = false
    /// What the ledger of a shared total counts for this application.
    var held = Capacity(cpuMillicores: 0, memoryBytes: 0)

    // MARK: History

    private(set) var decisions = 0
    private(set) var decisionsBySource = [Int](repeating: 0, count: Source.allCases.count)
    private(set) var lastSeq: Int64 = 0
    private(set) var lastTime: Double?
    private(set) var lastSource: Source?
    private(set) var lastDesired: Allocation?
    /// The allocation that was observed last.
    private var lastCurrent: Allocation?
    private(set) var episodesFinished = 0
    /// Mean step reward of the last finished episode.
    private(set) var episodeReward: Double?
    private(set) var clientIDs: [(id: String, seq: Int64)] = []

    // MARK: The running episode

    struct Running {
        var number = 1
        var step = 0
        var started: Double = 0
        var actor = EpisodeSummary.Actor.rules
        var stage = Stage.offline
        var rewardSum = 0.0
        var rewards = 0
        var violations = 0
    }
    private(set) var running = Running()

    // MARK: Perception

    private var checker = ObservationChecker()
    private var guards = GuardState()
    private var rules: Rules
    /// CPU limit of a replica when the application was first seen, in millicores.
    private var configuredCpu: Int?
    private var encoder: StateEncoder
    /// A recurrent policy's memory, empty for a feed-forward one.
    private var memory: [Float] = []

    init(application: Int64, profile: Profile, seed: UInt64) {
        self.application = application
        self.profile = profile
        self.seed = seed
        rules = Rules(profile)
        encoder = StateEncoder(profile)
    }

    mutating func update(profile: Profile) {
        self.profile = profile
        rules.profile = profile
        configureRules()
        encoder.profile = profile
    }

    /// The rules do not size CPU (HPA's metric depends on it), so they need to know what the owner had configured:
    /// without it they could not undo what a policy did to it.
    private mutating func configureRules() {
        rules.options = Rules.Options(profile)
        rules.options.fixedCpu = configuredCpu
    }

    func seq(ofClientID id: String) -> Int64? { clientIDs.last { $0.id == id }?.seq }

    // MARK: Deciding

    /// Takes in an observation and answers it. `seq` 0 is a dry run's.
    mutating func decide(
        _ observation: Observation, at now: Double, clientID: String?, warnings: [String], assignment: Assignment?,
        scratch: PolicyScratch?, capacity: Capacity? = nil, seq: Int64
    ) -> (Decision, ClosedEpisode?) {
        let observation = completed(observation)
        let percept = perceive(observation, at: now)
        let closed = closeEpisode(isDone: observation.done, assignment, at: now, closing: seq)
        if running.step == 0 { openEpisode(assignment, at: now) }

        var experience = Decision.Experience(
            state: encodeState(), mask: 0, action: Self.space.noop, logProbability: 0, value: 0, memory: memory)
        let memoryNeed = encoder.memoryNeed()
        experience.mask = Self.space.maskBits(for: percept.current, profile, memoryFloor: memoryNeed.keep)
        let isExploring = assignment?.explores == true && running.actor == .policy
        let proposal = propose(percept, assignment, scratch, &experience, isExploring: isExploring)
        let actor = running.actor == .policy && proposal != nil ? Source.policy : .rules
        let proposed = actor == .policy ? proposal!.allocation : percept.rules
        let guarded = Guards.apply(
            proposed, current: percept.current, rules: percept.rules, quality: percept.quality, profile: profile,
            controls: controls, memory: actor == .policy ? memoryNeed : .none, capacity: capacity, state: &guards,
            time: now)
        if actor == .rules {
            experience.action = Self.space.nearest(to: guarded.allocation, from: percept.current, profile)
            experience.logProbability = 0
            assignment?.policy?.shape.record(actions: experience.action, memory: &memory)
        }
        let source: Source =
            switch guarded.override {
            case .hold: .hold
            case .pin: .pin
            case .rules: .rules
            case nil: actor
            }
        let decision = Decision(
            seq: seq, clientID: clientID, application: application, previous: lastSeq, time: now,
            episode: running.number,
            step: running.step, observation: observation, stage: running.stage, source: source,
            modelVersion: proposal == nil ? 0 : assignment?.version ?? 0,
            actor: running.actor, exploring: isExploring && actor == .policy, current: percept.current,
            proposed: proposed, desired: guarded.allocation,
            reason: DecisionReason.of(
                observation, parts: percept.parts, quality: percept.quality, current: percept.current,
                guarded: guarded, profile: profile),
            reward: percept.reward, policy: proposal, rules: percept.rules, guards: Array(guarded.records),
            warnings: percept.quality.isEmpty ? warnings : warnings + percept.quality.reasons, experience: experience)
        remember(decision)
        return (decision, closed.map { ClosedEpisode(summary: $0, state: encode()) })
    }

    private struct Percept {
        var quality: ObservationQuality
        var current: Allocation
        var rules: Allocation
        var parts: RewardParts
        /// Of the previous decision, `nil` when there is none or it cannot be known.
        var reward: Double?
        /// The same with the training penalties: what a recurrent policy remembers; 0 when it cannot be known.
        var priced: Double
    }

    /// Everything that only depends on observations, and happens once for each.
    private mutating func perceive(_ observation: Observation, at now: Double) -> Percept {
        let quality = checker.check(observation, answered: lastDesired, profile: profile, now: now)
        let current = observation.allocation(otherwise: lastDesired ?? Self.assumed(profile))
        let parts = Reward.step(observation, profile)
        let isCredited = lastSeq > 0 && observation.applied && !quality.contains(.gap)
        let reward = isCredited ? parts.value : nil
        if isCredited {
            if let reward {
                running.rewardSum += reward
                running.rewards += 1
            }
            if parts.violated { running.violations += 1 }
        }
        let priced = Reward.penalized(
            parts, observation: observation, previous: lastCurrent ?? current, decided: current, profile: profile)
        lastCurrent = current
        if configuredCpu == nil, let cpu = observation.cpuMillicores {
            configuredCpu = cpu
            configureRules()
        }
        let wanted = rules.recommend(observation, current: current, time: now)
        encoder.observe(observation, allocation: current, parts: parts, memoryTarget: rules.memoryTarget, time: now)
        if encoder.isFresh { memory = [] }
        return Percept(
            quality: quality, current: current, rules: wanted, parts: parts, reward: reward, priced: priced ?? 0)
    }

    /// Limits of an application that has never told them: in the middle of what the profile allows.
    private static func assumed(_ profile: Profile) -> Allocation {
        profile.clamp(Allocation(replicas: profile.minReplicas, cpuMillicores: 1000, memoryBytes: 1 << 30))
    }

    private func encodeState() -> [Float] {
        [Float](unsafeUninitializedCapacity: StateEncoder.count) { buffer, count in
            buffer.initialize(repeating: 0)
            encoder.write(into: buffer)
            count = StateEncoder.count
        }
    }

    /// What the policy wants; also computed while the rules act, as a shadow. `nil` without a usable policy.
    private mutating func propose(
        _ percept: Percept, _ assignment: Assignment?, _ scratch: PolicyScratch?,
        _ experience: inout Decision.Experience, isExploring: Bool
    ) -> Decision.Proposal? {
        guard let policy = assignment?.policy, let scratch, profile.algorithm != .rules,
            policy.shape.observationSize == StateEncoder.count, policy.shape.embeddingSize == 0
        else { return nil }
        if policy.shape.memorySize > 0 {
            if memory.count != policy.shape.memorySize { memory = policy.shape.emptyMemory() }
            policy.shape.record(reward: Float(percept.priced), memory: &memory)
            experience.memory = memory
        }
        let choices = Self.choiceCount
        experience.state.withUnsafeBufferPointer { state in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: choices) { bytes in
                for choice in 0..<choices { bytes[choice] = UInt8(experience.mask >> UInt32(choice) & 1) }
                let mask = UnsafeBufferPointer(bytes)
                memory.withUnsafeMutableBufferPointer { memory in
                    if isExploring {
                        var generator = RandomGenerator(
                            seed: seed ^ UInt64(bitPattern: application) << 32 ^ UInt64(decisions))
                        policy.decide(
                            observation: state, mask: mask, memory: memory, scratch: scratch, sampling: &generator)
                    } else {
                        policy.decide(observation: state, mask: mask, memory: memory, scratch: scratch)
                    }
                }
            }
        }
        experience.value = scratch.value
        guard scratch.isFinite else { return nil }
        var action = Action(count: scratch.actions.count)
        for head in 0..<action.count { action[head] = Int(scratch.actions[head]) }
        experience.action = action
        experience.logProbability = scratch.logProbability
        return Decision.Proposal(
            allocation: Self.space.apply(action, to: percept.current, profile),
            probability: exp(Double(scratch.logProbability)), value: Double(scratch.value))
    }

    // MARK: Episodes

    /// Whether the rules' reward is to be known anew with this episode: by leaving it to them, unless the profile says
    /// otherwise.
    static func isControl(episode: Int) -> Bool { episode % controlInterval == controlInterval / 2 }

    private mutating func openEpisode(_ assignment: Assignment?, at now: Double) {
        let stage = assignment?.stage ?? (profile.bootstrap ? .offline : .online)
        running.started = now
        running.stage = stage
        if profile.algorithm == .rules || profile.actuation == .observe || stage == .offline
            || assignment?.policy == nil
        {
            running.actor = .rules
        } else {
            let isControl = profile.controlEpisodes && Self.isControl(episode: running.number)
            running.actor = isControl ? .control : .policy
        }
    }

    /// Ends the episode when it has its length, or the caller says so. This observation earned its last reward.
    private mutating func closeEpisode(
        isDone: Bool, _ assignment: Assignment?, at now: Double, closing: Int64
    ) -> EpisodeSummary? {
        guard
            running.step >= profile.episodeSteps
                || (running.step > 0
                    && (isDone || running.number <= controls.episodeEnded || mustStandDown(assignment)))
        else { return nil }
        let reward = running.rewards > 0 ? running.rewardSum / Double(running.rewards) : nil
        let summary = EpisodeSummary(
            application: application, number: running.number, started: running.started, ended: now,
            steps: running.step, closing: closing, stage: running.stage, actor: running.actor,
            modelVersion: assignment?.version ?? 0, reward: reward, rulesReward: assignment?.rulesReward,
            violations: Double(running.violations) / Double(running.step))
        episodesFinished += 1
        episodeReward = reward
        running = Running(number: running.number + 1)
        return summary
    }

    /// A policy that lost its duty in mid-episode does not finish it: the rules act from this decision on.
    private func mustStandDown(_ assignment: Assignment?) -> Bool {
        running.actor == .policy && (assignment?.policy == nil || assignment?.stage == .offline)
    }

    // MARK: Remembering

    private mutating func remember(_ decision: Decision) {
        running.step += 1
        decisions += 1
        decisionsBySource[decision.source.index] += 1
        lastSeq = decision.seq
        lastTime = decision.time
        lastSource = decision.source
        lastDesired = decision.desired
        outcome = nil
        if let clientID = decision.clientID {
            if clientIDs.count >= Self.clientIDsMax { clientIDs.removeFirst() }
            clientIDs.append((clientID, decision.seq))
        }
    }

    /// Repeats a decision that was made before a restart: the same perception, and the answer that was given.
    mutating func replay(_ decision: Decision) {
        let percept = perceive(decision.observation, at: decision.time)
        if running.step == 0 {
            running.started = decision.time
            running.stage = decision.stage
            running.actor = decision.actor
        }
        _ = Guards.apply(
            decision.proposed, current: percept.current, rules: percept.rules, quality: percept.quality,
            profile: profile, controls: Self.controls(behind: decision),
            memory: decision.actor == .policy && decision.policy != nil ? encoder.memoryNeed() : .none, state: &guards,
            time: decision.time)
        memory = decision.experience.memory
        remember(decision)
    }

    /// Moves a recurrent policy's memory over the last replayed decision, whose memory was stored as it was before.
    mutating func catchUp(_ last: Decision?, with policy: Policy) {
        guard let last, policy.shape.memorySize > 0, memory.count == policy.shape.memorySize else { return }
        let scratch = policy.makeScratch()
        last.experience.state.withUnsafeBufferPointer { state in
            last.experience.maskBytes(count: Self.choiceCount).withUnsafeBufferPointer { mask in
                memory.withUnsafeMutableBufferPointer {
                    policy.decide(observation: state, mask: mask, memory: $0, scratch: scratch)
                }
            }
        }
        policy.shape.record(actions: last.experience.action, memory: &memory)
    }

    private static let format: UInt8 = 1

    func encode() -> [UInt8] {
        var writer = ByteWriter(reserving: 4096)
        writer.write(Self.format)
        writer.write(UInt64(clamping: decisions))
        writer.write(lastSeq)
        writer.write(lastTime)
        for allocation in [lastDesired, lastCurrent] {
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
        writer.write(running.actor.rawValue)
        writer.write(running.stage.rawValue)
        writer.write(running.rewardSum)
        writer.write(UInt32(clamping: running.rewards))
        writer.write(UInt32(clamping: running.violations))
        writer.write(memory)
        writer.write(Int32(clamping: configuredCpu ?? -1))
        checker.encode(into: &writer)
        guards.encode(into: &writer)
        rules.encode(into: &writer)
        encoder.encode(into: &writer)
        return writer.bytes
    }

    /// Replaces the history by what `encode` wrote; the profile stays. Throws on anything else.
    mutating func decode(_ bytes: [UInt8]) throws {
        var reader = ByteReader(bytes)
        guard try reader.integer(UInt8.self) == Self.format else { throw ByteReader.Failure.malformed }
        decisions = Int(clamping: try reader.integer(UInt64.self))
        lastSeq = try reader.integer()
        lastTime = try reader.optionalDouble()
        lastDesired = try reader.bool() ? DecisionRecord.readAllocation(from: &reader) : nil
        lastCurrent = try reader.bool() ? DecisionRecord.readAllocation(from: &reader) : nil
        let source = Int(try reader.integer(UInt8.self))
        lastSource = source < Source.allCases.count ? Source.allCases[source] : nil
        episodesFinished = Int(try reader.integer(UInt32.self))
        episodeReward = try reader.optionalDouble()
        clientIDs = try (0..<(try reader.integer(UInt8.self))).map { _ in (try reader.string(), try reader.integer()) }
        running.number = Int(try reader.integer(UInt32.self))
        running.step = Int(try reader.integer(UInt32.self))
        running.started = try reader.double()
        guard let actor = EpisodeSummary.Actor(rawValue: try reader.string()),
            let stage = Stage(rawValue: try reader.string())
        else { throw ByteReader.Failure.malformed }
        running.actor = actor
        running.stage = stage
        running.rewardSum = try reader.double()
        running.rewards = Int(try reader.integer(UInt32.self))
        running.violations = Int(try reader.integer(UInt32.self))
        memory = try reader.floats()
        let cpu = Int(try reader.integer(Int32.self))
        configuredCpu = cpu > 0 ? cpu : nil
        checker = try ObservationChecker(from: &reader)
        guards = try GuardState(from: &reader)
        rules = try Rules(profile, from: &reader)
        configureRules()
        encoder = try StateEncoder(profile, from: &reader)
    }
}

extension PolicyShape {
    /// Writes what was really done into a recurrent policy's memory; its reward is written when it is known.
    fileprivate func record(actions: Action, memory: inout [Float]) {
        guard memorySize > 0, memory.count == memorySize else { return }
        record(actions: (0..<actions.count).map { actions[$0] }, reward: 0, memory: &memory)
    }
}

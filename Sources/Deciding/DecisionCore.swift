// The one path from an observation to an allocation: check, rules, encode, propose, guard. Pure: no clock, no store.
//
// Server, simulator, evaluation, training, teaching and replay all decide through this type, so that what is measured in
// one of them holds in the others.

import Base
import Learning
import Scaling

/// What one application's decisions depend on between observations, and the steps of a decision in their order:
/// `perceive` an observation, `propose` by a policy, `settle` on an allocation.
public struct DecisionCore: Sendable {
    public let space: ActionSpace
    private let choiceCount: Int
    private let noop: Action

    public private(set) var profile: Profile
    /// How the rules are set in an experiment; `nil` as served.
    private var ruleOptions: Rules.Options?
    /// What the application's own record told of how its profile is to be carried out; `nil` before.
    public private(set) var calibration: Calibration?

    var checker = ObservationChecker()
    var guards = GuardState()
    var rules: Rules
    var floor = MemoryFloor()
    var encoder: StateEncoder
    /// A recurrent policy's hidden state, empty for a feed-forward one.
    public internal(set) var memory: [Float] = []
    /// CPU limit of a replica as its owner configured it, in millicores.
    public internal(set) var configuredCpu: Int?
    /// The allocation that was observed last.
    public internal(set) var lastCurrent: Allocation?
    /// The last answer, `nil` before the first.
    public internal(set) var lastAnswer: Allocation?

    /// - Parameters:
    ///   - options: of the rules; `nil` takes the profile's `fallback`, or the calibration.
    ///   - fixedCpu: what the owner configured, when that is known before the first observation.
    public init(
        _ profile: Profile, space: ActionSpace = .standard, options: Rules.Options? = nil, fixedCpu: Int? = nil
    ) {
        self.profile = profile
        self.space = space
        choiceCount = space.choiceCount
        noop = space.noop
        ruleOptions = options
        rules = Rules(profile)
        encoder = StateEncoder(profile)
        configuredCpu = fixedCpu
        configureRules()
    }

    /// Of the profile, which is large to copy.
    @inlinable public var episodeSteps: Int { profile.episodeSteps }
    @inlinable public var bill: BillObjective { profile.bill }

    /// Replaces the profile; everything that was learned of the application stays.
    public mutating func update(_ profile: Profile) {
        self.profile = profile
        rules.profile = profile
        encoder.profile = profile
        configureRules()
    }

    /// Sets rules and thrift from the next observation on; `nil` goes back to what the profile says.
    public mutating func calibrate(_ calibration: Calibration?) {
        guard calibration != self.calibration else { return }
        self.calibration = calibration
        configureRules()
    }

    /// The rules do not size CPU by its use (HPA's metric depends on it), so they need to know what the owner had configured:
    /// without it they could not undo what a policy did to it.
    mutating func configureRules() {
        rules.options = ruleOptions ?? Rules.Options(profile, calibration, configuredCpu: configuredCpu)
        if rules.options.fixedCpu == nil { rules.options.fixedCpu = configuredCpu }
        if ruleOptions == nil { rules.options.configuredCpu = configuredCpu }
        encoder.thrift = calibration.flatMap { $0.applies(to: profile) ? $0.thrift : nil }
    }

    // MARK: Perceive

    /// Everything that only depends on observations, and happens once for each.
    ///
    /// - Parameters:
    ///   - now: seconds, the clock that orders observations.
    ///   - isCredited: whether the previous decision was carried out, so that what was measured is its doing.
    public mutating func perceive(_ observation: Observation, at now: Double, isCredited: Bool = true) -> Perception {
        let checked = checker.check(observation, answered: lastAnswer, profile: profile, now: now)
        guard !checked.quality.holds else { return unbelieved(checked) }
        let (observation, quality, now) = (checked.observation, checked.quality, checked.time)
        let current = observation.allocation(otherwise: lastAnswer ?? Self.assumed(profile))
        let parts = Reward.step(observation, profile)
        let earned = isCredited && observation.applied && !quality.contains(.gap)
        let penalized = Reward.penalized(
            parts, observation: observation, previous: lastCurrent ?? current, decided: current, profile: profile,
            need: encoder.hourlyNeed)
        let isOwners = follow(observation, quality)
        lastCurrent = current
        floor.observe(observation, limit: current.memoryBytes, isOwners: isOwners, time: now)
        let wanted = rules.recommend(
            observation, current: current, killedMax: floor.killedMaxBytes, isOwners: isOwners, time: now)
        let need = floor.need(at: now)
        encoder.observe(
            observation, allocation: current, parts: parts, memoryTarget: rules.memoryTarget, memoryFloor: need.keep,
            time: now)
        if encoder.isFresh { memory = [] }
        return Perception(
            observation: observation, time: now, quality: quality, warnings: checked.warnings, current: current,
            rules: wanted, parts: parts, usedCores: encoder.peakDemand, isCredited: earned, penalized: penalized,
            memoryNeed: need)
    }

    /// What cannot be believed contributes nothing: not its replicas and limits to the answer, not its metrics to any
    /// history. The answer is the last one given.
    private func unbelieved(_ checked: CheckedObservation) -> Perception {
        let seen = profile.clamp(checked.observation.allocation(otherwise: lastAnswer ?? Self.assumed(profile)))
        var kept = lastAnswer ?? seen
        // Without metrics, or with those of a cache, what runs is still told truly: nothing of it is taken away.
        if checked.quality.isDisjoint(with: .fromAnotherTime) { kept = kept.notBelow(seen) }
        if checked.quality.contains(.noReplicas) { kept.replicas = 0 }
        return Perception(
            observation: checked.observation, time: checked.time, quality: checked.quality, warnings: checked.warnings,
            current: kept, rules: kept,
            parts: RewardParts(sloPreservation: nil, utilization: nil, value: nil, violated: false), usedCores: nil,
            isCredited: false, penalized: nil, memoryNeed: .none)
    }

    /// A size that is neither what was answered nor what ran before is its owner's wish: the rules keep to it.
    ///
    /// - Returns: whether the memory limit is the owner's, by hand.
    private mutating func follow(_ observation: Observation, _ quality: ObservationQuality) -> Bool {
        let isChanged = quality.contains(.limitsChanged)
        if let cpu = observation.cpuMillicores {
            let isOwners = isChanged && cpu != lastAnswer?.cpuMillicores && cpu != lastCurrent?.cpuMillicores
            if configuredCpu == nil || isOwners {
                configuredCpu = cpu
                configureRules()
            }
        }
        guard isChanged, let memory = observation.memoryBytes else { return false }
        return memory != lastAnswer?.memoryBytes && memory != lastCurrent?.memoryBytes
    }

    /// Takes in what replicas used before time 0, so that the rules begin as if they had known the application for long.
    ///
    /// OOM kills are left out: whoever acted then may have given less than the rules would have.
    public mutating func remember(_ steps: [(observation: Observation, allocation: Allocation)]) {
        for (index, step) in steps.enumerated() {
            var observation = step.observation
            observation.oomKills = nil
            let time = Double((index - steps.count) * profile.stepSeconds)
            _ = rules.recommend(observation, current: step.allocation, time: time)
            observation.oomKills = step.observation.oomKills.map { _ in 0 }
            floor.observe(observation, limit: step.allocation.memoryBytes, isOwners: false, time: time)
        }
    }

    /// Takes in what one replica used long ago, for the memory floor alone: an application that is not new.
    public mutating func remember(use observation: Observation, at time: Double) {
        guard let limit = observation.memoryBytes else { return }
        floor.observe(observation, limit: limit, isOwners: false, time: time)
    }

    /// Takes in the demand of minutes before `time`, in cores, oldest first: seasons that were recorded elsewhere.
    public mutating func remember(demand: [Float], until time: Double) {
        encoder.remember(demand: demand, until: time)
    }

    /// Limits of an application that has never told them: in the middle of what the profile allows.
    private static func assumed(_ profile: Profile) -> Allocation {
        profile.clamp(Allocation(replicas: profile.minReplicas, cpuMillicores: 1000, memoryBytes: 1 << 30))
    }

    /// The state vector and the legal choices after `perceive`; as yet without an action.
    public func experience(_ perception: Perception) -> Experience {
        var state = [Float](repeating: 0, count: StateEncoder.count)
        state.withUnsafeMutableBufferPointer { encoder.write(into: $0) }
        return Experience(
            state: state, mask: legalChoices(perception), action: noop, logProbability: 0, value: 0,
            memory: memory)
    }

    /// A bit for every choice of all heads, the first one lowest.
    public func legalChoices(_ perception: Perception) -> UInt32 {
        space.maskBits(
            for: perception.current, profile, memoryFloor: perception.memoryNeed.keep, mayResizeCpu: encoder.mayResizeCpu)
    }

    /// The same as one byte a choice, into at least as many elements.
    public func write(mask: UnsafeMutableBufferPointer<UInt8>, _ perception: Perception) {
        space.writeMask(
            for: perception.current, profile, memoryFloor: perception.memoryNeed.keep,
            mayResizeCpu: encoder.mayResizeCpu, into: mask)
    }

    /// The state vector into at least `StateEncoder.count` elements.
    public func write(state: UnsafeMutableBufferPointer<Float>) { encoder.write(into: state) }

    // MARK: Propose

    /// What `policy` wants; its choice goes into `experience`, its hidden state moves on.
    ///
    /// - Parameters:
    ///   - embedding: `policy.shape.embeddingSize` values; empty stands for zeros.
    ///   - sampling: draws the action from the policy's probabilities; `nil` takes the most probable.
    ///   - exploration: share of uniformly random actions among what is drawn.
    /// - Returns: `nil` when the policy's shape does not fit or its numbers are not finite.
    public mutating func propose(
        _ perception: Perception, by policy: Policy, embedding: [Float] = [],
        scratch: PolicyScratch, sampling: inout RandomGenerator?, exploration: Float = 0,
        into experience: inout Experience
    ) -> Proposal? {
        let shape = policy.shape
        guard shape.observationSize == experience.state.count, shape.actionCount == choiceCount else { return nil }
        if shape.memorySize > 0 {
            if memory.count != shape.memorySize { memory = shape.emptyMemory() }
            shape.record(reward: Float(perception.penalized ?? 0), memory: &memory)
            experience.memory = memory
        }
        var embedding = embedding
        if embedding.count != shape.embeddingSize {
            guard embedding.isEmpty else { return nil }
            embedding = [Float](repeating: 0, count: shape.embeddingSize)
        }
        let (choices, heads) = (choiceCount, space.heads)
        experience.state.withUnsafeBufferPointer { state in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: choices) { bias in
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: choices) { bytes in
                    for choice in 0..<choices { bytes[choice] = UInt8(experience.mask >> UInt32(choice) & 1) }
                    let mask = UnsafeBufferPointer(bytes)
                    // Who explores is told its own probabilities, or learning from them would be wrong.
                    let bias = sampling == nil ? Self.restraint(shape, heads, state, into: bias) : .empty
                    embedding.withUnsafeBufferPointer { embedding in
                        memory.withUnsafeMutableBufferPointer { memory in
                            if sampling != nil {
                                policy.decide(
                                    observation: state, embedding: embedding, mask: mask, memory: memory, scratch: scratch,
                                    sampling: &sampling!, exploration: exploration)
                            } else {
                                policy.decide(
                                    observation: state, embedding: embedding, mask: mask, memory: memory, bias: bias,
                                    scratch: scratch)
                            }
                        }
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
        return Proposal(
            allocation: outcome(of: action, from: perception),
            probability: exponential(Double(scratch.logProbability)), value: Double(scratch.value))
    }

    /// What stands against another change so soon: on every no-op's logit the policy's restraint x 1 / (1 + n / 4), n steps
    /// after the last change of its dimension. Empty for a policy without restraint.
    private static func restraint(
        _ shape: PolicyShape, _ heads: [ActionSpace.Head], _ state: UnsafeBufferPointer<Float>,
        into bias: UnsafeMutableBufferPointer<Float>
    ) -> UnsafeBufferPointer<Float> {
        guard shape.restraint > 0, state.count >= StateEncoder.count else { return .empty }
        bias.initialize(repeating: 0)
        let recency = StateEncoder.recency(in: state)
        var offset = 0
        for head in heads {
            bias[offset + head.noop] = shape.restraint * (head.name == "replicas" ? recency.replicas : recency.size)
            offset += head.choices.count
        }
        return UnsafeBufferPointer(bias)
    }

    /// What `action` makes of the present allocation.
    public func outcome(of action: Action, from perception: Perception) -> Allocation {
        space.apply(action, to: perception.current, profile, memoryFloor: perception.memoryNeed.keep)
    }

    // MARK: Settle

    /// What is answered: the proposal, or the rules' without one, behind the guards.
    ///
    /// - Parameters:
    ///   - proposed: a policy's wish; `nil` lets the rules act.
    ///   - capacity: see `Guards.apply`.
    public mutating func settle(
        _ perception: Perception, proposed: Allocation?, controls: Controls = Controls(), capacity: Capacity? = nil
    ) -> Settlement {
        let wanted = proposed ?? perception.rules
        if perception.current.replicas == 0 { return switchedOff(perception, wanted) }
        var situation = GuardSituation()
        situation.isPolicys = proposed != nil
        situation.isBlind = perception.isBlind
        situation.isViolated = perception.parts.violated
        situation.usedCores = perception.usedCores
        situation.presentCores = perception.presentCores
        situation.readyReplicas = perception.observation.readyReplicas
        situation.missesInRow = encoder.missesInRow
        situation.foreseenCores = proposed == nil ? nil : encoder.foreseenDemand
        situation.isMissedLately = encoder.isMissedLately
        situation.secondsSinceResize = perception.time - encoder.lastResize
        let guarded = Guards.apply(
            wanted, current: perception.current, rules: perception.rules, quality: perception.quality, profile: profile,
            controls: controls, memory: perception.memoryNeed, situation: situation, capacity: capacity, state: &guards,
            time: perception.time)
        lastAnswer = guarded.allocation
        let source: Source =
            switch guarded.override {
            case .hold: .hold
            case .pin: .pin
            case .rules: .rules
            case nil: proposed == nil ? .rules : .policy
            }
        return Settlement(
            proposed: wanted, guarded: guarded, source: source,
            reason: DecisionReason.of(
                perception.observation, parts: perception.parts, quality: perception.quality,
                current: perception.current, guarded: guarded, profile: profile))
    }

    /// `replicas: 0` by hand means, as to Kubernetes' autoscaler, that autoscaling is off. It stays off.
    private mutating func switchedOff(_ perception: Perception, _ wanted: Allocation) -> Settlement {
        var answer = profile.clamp(perception.current)
        answer.replicas = 0
        lastAnswer = answer
        return Settlement(
            proposed: wanted, guarded: Guarded(allocation: answer, records: [], override: .hold),
            source: .hold, reason: .autoscalingOff)
    }

    /// The legal choices nearest to what was answered: the rules' doing in a policy's terms, to be learned from.
    public func nearestAction(to settled: Settlement, from perception: Perception, legal: UInt32) -> Action {
        space.nearest(to: settled.guarded.allocation, from: perception.current, profile, legal: legal,
            memoryFloor: perception.memoryNeed.keep)
    }

    /// Writes what was really done into a recurrent policy's hidden state; its reward is written when it is known.
    public mutating func record(_ action: Action, for policy: Policy) {
        let shape = policy.shape
        guard shape.memorySize > 0, memory.count == shape.memorySize else { return }
        shape.record(actions: (0..<action.count).map { action[$0] }, reward: 0, memory: &memory)
    }

    /// Moves a recurrent policy's hidden state over a decision that was made before a restart.
    public mutating func catchUp(_ experience: Experience, with policy: Policy) {
        guard policy.shape.memorySize > 0, memory.count == policy.shape.memorySize else { return }
        let scratch = policy.makeScratch()
        experience.state.withUnsafeBufferPointer { state in
            experience.maskBytes(count: choiceCount).withUnsafeBufferPointer { mask in
                memory.withUnsafeMutableBufferPointer {
                    policy.decide(observation: state, mask: mask, memory: $0, scratch: scratch)
                }
            }
        }
        record(experience.action, for: policy)
    }
}

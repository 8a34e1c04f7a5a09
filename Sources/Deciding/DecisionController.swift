// The decision path of one application without its server: what simulation, evaluation, teaching and judging play.

import Base
import Learning
import Scaling

/// Values behind the usual state vector, for experiments with policies that know more.
public protocol StateExtension: Sendable {
    /// How many values there are.
    static var count: Int { get }
    mutating func observe(_ perception: Perception)
    func write(into state: UnsafeMutableBufferPointer<Float>, _ perception: Perception)
}

/// A policy or the rules in charge of one application, behind the guards, as served.
public struct DecisionController {
    public private(set) var core: DecisionCore
    /// `nil`: the rules act.
    private let policy: Policy?
    private let embedding: [Float]
    private let scratch: PolicyScratch?
    private var additional: (any StateExtension)?
    /// Draws actions when the policy explores; `nil` for greedy.
    private var sampling: RandomGenerator?
    private var recorder: EpisodeRecorder?

    /// The rules in charge.
    ///
    /// - Parameters:
    ///   - options: `nil` takes the profile's `fallback`.
    ///   - fixedCpu: the CPU limit that the owner configured; the rules do not size CPU.
    ///   - recordsAfter: decisions after which an episode is recorded for learning; `nil` records nothing.
    public init(
        rulesOf profile: Profile, options: Rules.Options? = nil, fixedCpu: Int? = nil, recordsAfter: Int? = nil
    ) {
        self.init(rules: DecisionCore(profile, options: options, fixedCpu: fixedCpu), recordsAfter: recordsAfter)
    }

    /// The rules in charge, with what `core` knows of the application.
    public init(rules core: DecisionCore, recordsAfter: Int? = nil) {
        self.core = core
        policy = nil
        embedding = []
        scratch = nil
        recorder = recordsAfter.map { EpisodeRecorder(skipping: $0) }
    }

    /// A policy in charge.
    ///
    /// - Parameters:
    ///   - embedding: the workload's, for a policy that reads one; empty stands for zeros.
    ///   - sampling: draws actions from the policy's probabilities, as PPO needs it; `nil` takes the most probable.
    ///   - core: what is known of the application; `nil` begins with nothing.
    ///   - additional: for a policy whose observations are longer than the state vector.
    public init(
        policy: Policy, profile: Profile, space: ActionSpace = .standard, embedding: [Float] = [],
        sampling: RandomGenerator? = nil, additional: (any StateExtension)? = nil,
        knowing core: DecisionCore? = nil, recordsAfter: Int? = nil
    ) {
        let size = StateEncoder.count + (additional.map { type(of: $0).count } ?? 0)
        precondition(
            policy.shape.heads == space.headSizes && policy.shape.observationSize == size,
            "the policy was made for another action space or state")
        self.core = core ?? DecisionCore(profile, space: space)
        self.policy = policy
        self.embedding = embedding
        self.sampling = sampling
        self.additional = additional
        scratch = policy.makeScratch()
        recorder = recordsAfter.map { EpisodeRecorder(skipping: $0) }
    }

    /// What was recorded; complete after `finish`.
    public var episode: Episode? { recorder?.episode }

    /// Sets rules and thrift from the next decision on.
    public mutating func calibrate(_ calibration: Calibration?) { core.calibrate(calibration) }

    /// What should run from now on.
    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        let perception = perceive(observation, current: current)
        var experience = core.experience(perception)
        extend(&experience, perception)
        let (memory, embedding) = (core.memory, embedding)
        if recorder?.isBeginning == true { recorder?.begin(memory: memory, embedding: embedding) }
        var proposal: Proposal?
        if let policy, let scratch {
            proposal = core.propose(
                perception, by: policy, embedding: embedding, scratch: scratch,
                sampling: &sampling, into: &experience)
        }
        let settled = core.settle(perception, proposed: proposal?.allocation)
        if proposal == nil {
            experience.action = core.nearestAction(to: settled, from: perception, legal: experience.mask)
        }
        recorder?.decided(experience, choices: core.space.choiceCount)
        return settled.guarded.allocation
    }

    /// What was measured in the last step, after which nothing is decided.
    public mutating func finish(_ observation: Observation, current: Allocation) {
        guard recorder != nil else { return }
        let perception = perceive(observation, current: current)
        var experience = core.experience(perception)
        extend(&experience, perception)
        var value: Float = 0
        if let policy, let scratch {
            var copy = core
            var greedy: RandomGenerator?
            _ = copy.propose(
                perception, by: policy, embedding: embedding, scratch: scratch, sampling: &greedy,
                into: &experience)
            value = experience.value
        }
        recorder?.end(reward: Float(perception.penalized ?? 0), value: value)
    }

    private mutating func perceive(_ observation: Observation, current: Allocation) -> Perception {
        var observation = observation
        observation.replicas = current.replicas
        observation.cpuMillicores = observation.cpuMillicores ?? current.cpuMillicores
        observation.memoryBytes = observation.memoryBytes ?? current.memoryBytes
        let perception = core.perceive(observation, at: observation.time ?? 0)
        additional?.observe(perception)
        recorder?.rewarded(Float(perception.penalized ?? 0))
        return perception
    }

    private func extend(_ experience: inout Experience, _ perception: Perception) {
        guard let additional else { return }
        let count = type(of: additional).count
        experience.state += [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            buffer.initialize(repeating: 0)
            additional.write(into: buffer, perception)
            filled = count
        }
    }
}

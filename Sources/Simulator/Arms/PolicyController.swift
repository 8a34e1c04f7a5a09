// A learned policy as the service runs it: masked, behind the guards, greedy or learning while it acts.

import Learning
import Neural
import Scaling

/// The serving path of one application without its server: checker, rules, state, policy, guards.
public struct PolicyController: Controller {
    public let policy: Policy
    private let embedding: [Float]
    private let bias: [Float]
    private var view: ApplicationView
    private var checker = ObservationChecker()
    private var guardState = GuardState()
    private var memory: [Float]
    private var answered: Allocation?
    private var state: [Float]
    private var mask: [UInt8]
    private let scratch: PolicyScratch
    private let isGuarded: Bool
    /// Draws actions when the policy explores; `nil` for greedy.
    private var sampling: RandomGenerator?
    private var recorder: EpisodeRecorder?

    /// - Parameters:
    ///   - embedding: the workload's, for a policy that reads one; empty stands for zeros.
    ///   - noOpBias: added to the logit of every head's no-op: a mild dislike of change (LEARNING's lighter guard is
    ///     1 on the replicas alone).
    ///   - isGuarded: false lets the policy act unrestrained, to see what the guards cost.
    ///   - sampling: draws actions from the policy's probabilities, as PPO needs it; `nil` takes the most probable.
    ///   - recordsAfter: decisions after which an episode is recorded for learning; `nil` records nothing.
    public init(
        policy: Policy, profile: Profile, initial: Allocation, space: ActionSpace = .standard, embedding: [Float] = [],
        noOpBias: [Float] = [], isGuarded: Bool = true, sampling: RandomGenerator? = nil, recordsAfter: Int? = nil
    ) {
        precondition(
            policy.shape.heads == space.headSizes
                && [false, true].map(ApplicationView.stateSize).contains(policy.shape.observationSize),
            "the policy was made for another action space or state")
        self.policy = policy
        self.isGuarded = isGuarded
        self.sampling = sampling
        recorder = recordsAfter.map { EpisodeRecorder(skipping: $0) }
        self.embedding =
            embedding.isEmpty ? [Float](repeating: 0, count: policy.shape.embeddingSize) : embedding
        view = ApplicationView(
            space: space, profile: profile, allocation: initial,
            isExtended: policy.shape.observationSize > StateEncoder.count)
        memory = policy.shape.emptyMemory()
        state = [Float](repeating: 0, count: policy.shape.observationSize)
        mask = [UInt8](repeating: 1, count: space.choiceCount)
        scratch = policy.makeScratch()
        var bias: [Float] = []
        if !noOpBias.isEmpty {
            for (head, value) in zip(space.heads, noOpBias) {
                bias += head.choices.indices.map { $0 == head.noop ? value : 0 }
            }
        }
        self.bias = bias
    }

    /// What was recorded; complete after `finish`.
    public var episode: Episode? { recorder?.episode }

    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        let time = observation.time ?? 0
        let profile = view.profile
        let quality = checker.check(observation, answered: answered, profile: profile, now: time)
        observe(observation, current: current, time: time)
        recorder?.rewarded(view.reward)
        if recorder?.isBeginning == true { recorder?.begin(memory: memory, embedding: embedding) }
        choose()
        let proposed = view.apply(scratch.actions)
        guard isGuarded else { return proposed }
        let guarded = Guards.apply(
            proposed, current: current, rules: view.rulesWant, quality: quality, profile: profile,
            controls: Controls(), memory: view.memoryNeed, state: &guardState, time: time)
        answered = guarded.allocation
        return guarded.allocation
    }

    public mutating func finish(_ observation: Observation, current: Allocation) {
        guard recorder != nil else { return }
        observe(observation, current: current, time: observation.time ?? 0)
        let value = state.withUnsafeBufferPointer { state in
            embedding.withUnsafeBufferPointer { embedding in
                memory.withUnsafeBufferPointer {
                    policy.value(observation: state, embedding: embedding, memory: $0, scratch: scratch)
                }
            }
        }
        recorder?.end(reward: view.reward, value: value)
    }

    /// Brings everything that a policy reads up to date.
    private mutating func observe(_ observation: Observation, current: Allocation, time: Double) {
        view.observe(observation, current: current, time: time)
        if view.isFresh { memory = policy.shape.emptyMemory() }
        policy.shape.record(reward: view.reward, memory: &memory)
        state.withUnsafeMutableBufferPointer { view.write(state: $0) }
        mask.withUnsafeMutableBufferPointer { view.write(mask: $0) }
    }

    /// The policy's choice into `scratch`, and into the recording.
    private mutating func choose() {
        state.withUnsafeBufferPointer { state in
            mask.withUnsafeBufferPointer { mask in
                bias.withUnsafeBufferPointer { bias in
                    embedding.withUnsafeBufferPointer { embedding in
                        memory.withUnsafeMutableBufferPointer { memory in
                            if sampling != nil {
                                policy.decide(
                                    observation: state, embedding: embedding, mask: mask, memory: memory, bias: bias,
                                    scratch: scratch, sampling: &sampling!)
                            } else {
                                policy.decide(
                                    observation: state, embedding: embedding, mask: mask, memory: memory, bias: bias,
                                    scratch: scratch)
                            }
                        }
                    }
                }
                recorder?.decided(observation: state, mask: mask, scratch)
            }
        }
    }
}

extension Arm {
    /// A trained policy without adaptation, as served.
    public static func policy(
        _ policy: Policy, name: String = "policy", summary: String = "learned across applications, no adaptation",
        noOpBias: [Float] = []
    ) -> Arm {
        Arm(name: name, summary: summary) {
            PolicyController(policy: policy, profile: $0.profile, initial: $0.initial, noOpBias: noOpBias)
        }
    }
}

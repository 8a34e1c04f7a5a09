// A learned policy as the service runs it: greedy, masked, behind the guards.

import Learning
import Scaling

/// The serving path of one application without its server: checker, rules, state, policy, guards.
public struct PolicyController: Controller {
    public let policy: Policy
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

    /// - Parameters:
    ///   - noOpBias: added to the logit of every head's no-op: a mild dislike of change (LEARNING's lighter guard is
    ///     1 on the replicas alone).
    ///   - isGuarded: false lets the policy act unrestrained, to see what the guards cost.
    public init(
        policy: Policy, profile: Profile, initial: Allocation, space: ActionSpace = .standard, noOpBias: [Float] = [],
        isGuarded: Bool = true
    ) {
        precondition(
            policy.shape.heads == space.headSizes
                && [false, true].map(ApplicationView.stateSize).contains(policy.shape.observationSize),
            "the policy was made for another action space or state")
        self.policy = policy
        self.isGuarded = isGuarded
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

    public mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
        let time = observation.time ?? 0
        let profile = view.profile
        let quality = checker.check(observation, answered: answered, profile: profile, now: time)
        view.observe(observation, current: current, time: time)
        if view.isFresh { memory = policy.shape.emptyMemory() }
        policy.shape.record(reward: view.reward, memory: &memory)
        state.withUnsafeMutableBufferPointer { view.write(state: $0) }
        mask.withUnsafeMutableBufferPointer { view.write(mask: $0) }
        state.withUnsafeBufferPointer { state in
            mask.withUnsafeBufferPointer { mask in
                bias.withUnsafeBufferPointer { bias in
                    memory.withUnsafeMutableBufferPointer { memory in
                        policy.decide(
                            observation: state, mask: mask, memory: memory, bias: bias, scratch: scratch)
                    }
                }
            }
        }
        let proposed = view.apply(scratch.actions)
        guard isGuarded else { return proposed }
        let guarded = Guards.apply(
            proposed, current: current, rules: view.rulesWant, quality: quality, profile: profile,
            controls: Controls(), state: &guardState, time: time)
        answered = guarded.allocation
        return guarded.allocation
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

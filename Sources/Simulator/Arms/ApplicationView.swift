// What is computed from an application's observations before a policy is asked: the same for training and for serving.

import Learning
import Scaling

/// Rules, state vector, mask and reward of one application, kept up to date observation by observation.
struct ApplicationView: Sendable {
    let space: ActionSpace
    let profile: Profile
    private var rules: Rules
    private var encoder: StateEncoder
    private(set) var allocation: Allocation
    /// The allocation before the decision that is rewarded next.
    private var previous: Allocation
    /// The priced reward of the previous decision as it was measured (0 when it could not be). Training maximises it
    /// and a recurrent policy reads it, in training and in service alike.
    private(set) var reward: Float = 0
    private(set) var rulesWant: Allocation
    /// The additional state of TL+; `nil` for everything that the service runs.
    private var transfer: TransferFeatures?

    private let margins: MemoryNeed.Margins

    /// - Parameters:
    ///   - isExtended: the state ends with `TransferFeatures.count` more values.
    ///   - margins: of the memory that is kept and raised to.
    init(
        space: ActionSpace, profile: Profile, allocation: Allocation, isExtended: Bool = false,
        margins: MemoryNeed.Margins = .serving
    ) {
        self.margins = margins
        self.space = space
        self.profile = profile
        self.allocation = allocation
        previous = allocation
        rulesWant = allocation
        rules = Rules(profile)
        transfer = isExtended ? TransferFeatures() : nil
        encoder = StateEncoder(profile)
    }

    /// Whether a recurrent policy's memory begins anew with the last observation.
    var isFresh: Bool { encoder.isFresh }

    /// Takes in what was measured after a decision.
    mutating func observe(_ observation: Observation, current: Allocation, time: Double) {
        let parts = Reward.step(observation, profile)
        reward = Float(
            Reward.penalized(
                parts, observation: observation, previous: previous, decided: current, profile: profile) ?? 0)
        previous = current
        allocation = current
        rulesWant = rules.recommend(observation, current: current, time: time)
        encoder.observe(
            observation, allocation: current, parts: parts, memoryTarget: rules.memoryTarget, time: time)
        let cores = cores(current)
        transfer?.observe(rate: observation.requestRate, cores: cores, reward: parts.value)
    }

    private func cores(_ allocation: Allocation) -> Double {
        Double(allocation.replicas * allocation.cpuMillicores) / 1000
    }

    static func stateSize(isExtended: Bool) -> Int {
        StateEncoder.count + (isExtended ? TransferFeatures.count : 0)
    }

    func write(state: UnsafeMutableBufferPointer<Float>) {
        encoder.write(into: state)
        guard let transfer else { return }
        transfer.write(into: .init(rebasing: state[StateEncoder.count...]), cores: cores(allocation))
    }

    func write(mask: UnsafeMutableBufferPointer<UInt8>) {
        space.writeMask(for: allocation, profile, memoryFloor: memoryNeed.keep, into: mask)
    }

    var memoryNeed: MemoryNeed { encoder.memoryNeed(margins) }

    /// What the chosen index of each head makes of the present allocation.
    func apply(_ choices: UnsafeMutableBufferPointer<Int32>) -> Allocation {
        var action = space.noop
        for head in choices.indices { action[head] = Int(choices[head]) }
        var next = space.apply(action, to: allocation, profile)
        next.memoryBytes = max(next.memoryBytes, memoryNeed.raise)
        return profile.clamp(next)
    }
}

extension PolicyShape {
    /// The network for clusters: the state vector, three heads, a GRU of 32 and two layers of 64.
    public static func cluster(
        space: ActionSpace = .standard, recurrentSize: Int = 32, embeddingSize: Int = 0, hidden: [Int] = [64, 64],
        isExtended: Bool = false
    ) -> PolicyShape {
        PolicyShape(
            observationSize: ApplicationView.stateSize(isExtended: isExtended), embeddingSize: embeddingSize,
            recurrentSize: recurrentSize,
            hidden: hidden, heads: space.headSizes, noOps: space.heads.map(\.noop))
    }
}

// The environment that AWARE's published code and the university exercise train on, in closed form (AWARE, USENIX ATC 2023).

import Base
import Learning
import Neural

/// n containers behind a load that is constant during an episode. One choice of five a step: nothing, one container
/// more, one less, 128 cpu.shares more, 128 less. The shares change nothing that is observed, as published.
public struct TabularEnvironment: DiscreteEnvironment, Sendable {
    public static let maxContainers = 10
    public static let loads = 1...8
    /// The service-level objective in seconds.
    static let objective = 9.0
    /// cpu.shares of one container: where an episode starts, the step, and the least that is legal.
    static let shares = (start: 1024, step: 128, least: 128)

    public var reward: TabularReward
    /// The load of every episode; nil = drawn from `loads` at each reset.
    public var fixedLoad: Int?
    /// Whether illegal choices are masked. As published they are not, and cost -1.
    public var masksIllegal: Bool
    /// Whether arrivals equal to the service rate count as overload, as in some rewritings of the environment. The
    /// published table has them within the objective.
    public var criticalIsSaturated = false
    /// What was measured, in place of the closed form.
    public var table: TabularTable?

    public private(set) var containers = 0
    public private(set) var load = 1
    public private(set) var sharesPerContainer = Self.shares.start
    /// Horizontal part of the previous executed action: -1, 0, 1.
    private var lastHorizontal = 0

    public init(reward: TabularReward = .published, fixedLoad: Int? = nil, masksIllegal: Bool = false) {
        self.reward = reward
        self.fixedLoad = fixedLoad
        self.masksIllegal = masksIllegal
    }

    public var observationSize: Int { 6 }
    public var heads: [Int] { [5] }

    public mutating func reset(using generator: inout RandomGenerator) {
        let drawn = Self.loads.lowerBound + generator.below(Self.loads.count)
        load = fixedLoad ?? drawn
        containers = 0
        sharesPerContainer = Self.shares.start
        lastHorizontal = 0
    }

    /// What the table holds for the world as it stands.
    public var state: TabularState {
        table?.state(containers: containers, load: load) ?? TabularState(containers: containers, load: load, criticalIsSaturated: criticalIsSaturated)
    }

    /// The six values of the published code: utilisation, SLO preservation, all shares / 20480, others' shares / 92160
    /// (always 0), containers / 20, load / 10.
    public func observe(into observation: UnsafeMutableBufferPointer<Float>) {
        observation[0] = Float(state.utilization)
        observation[1] = Float(state.sloPreservation)
        observation[2] = Float(containers) * 1024 / 20480
        observation[3] = 0
        observation[4] = Float(containers) / 20
        observation[5] = Float(load) / 10
    }

    public func legal(into mask: UnsafeMutableBufferPointer<UInt8>) {
        for action in mask.indices { mask[action] = !masksIllegal || isLegal(action) ? 1 : 0 }
    }

    /// What the five actions add: containers, and shares of each.
    public static let actions = ["nothing", "out", "in", "up", "down"]
    static let effects: [(horizontal: Int, vertical: Int)] = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]

    private func isLegal(_ action: Int) -> Bool {
        let effect = Self.effects[action]
        if containers == 0 && (effect.horizontal < 0 || effect.vertical != 0) { return false }
        if containers + effect.horizontal > Self.maxContainers { return false }
        return sharesPerContainer + effect.vertical * Self.shares.step >= Self.shares.least
    }

    public mutating func step(_ actions: UnsafeBufferPointer<Int32>, using generator: inout RandomGenerator) -> Outcome
    {
        Outcome(reward: Float(step(Int(actions[0]))))
    }

    /// Carries out one of the five actions and returns its reward.
    public mutating func step(_ action: Int) -> Double {
        guard isLegal(action) else { return reward.illegal(state) }
        let effect = Self.effects[action]
        containers += effect.horizontal
        sharesPerContainer += effect.vertical * Self.shares.step
        let isReversal = lastHorizontal * effect.horizontal < 0
        lastHorizontal = effect.horizontal
        return reward.value(state, isReversal: isReversal)
    }

    /// A number for (containers, load), for tables: 0..<`stateCount`.
    public var stateIndex: Int { containers * (Self.loads.upperBound + 1) + load }
    public static let stateCount = (maxContainers + 1) * (loads.upperBound + 1)
}

/// What the published table holds for a number of containers and a load: an M/M/1 queue in front of each container,
/// 1.5 requests/s a container, eight cores shared by all.
public struct TabularState: Sendable, Hashable {
    /// Share of the CPU in use: min(1, load / (1.5 n)).
    public let utilization: Double
    /// min(1, 9 s / latency); 0 where the queue grows without limit.
    public let sloPreservation: Double
    /// Seconds; infinite where the queue grows without limit.
    public let latency: Double

    /// What the published table holds where arrivals equal the service rate exactly. It is within the objective,
    /// so that the best count for loads 3 and 6 is the one that uses every core fully.
    private static let criticalLatency = 8.1

    public init(containers: Int, load: Int, criticalIsSaturated: Bool = false) {
        guard containers > 0 else {
            (utilization, sloPreservation, latency) = (0, 0, load > 0 ? .infinity : 0)
            return
        }
        let n = Double(containers)
        let arrivals = Double(load) / n
        let service = 1.5 * min(1, 8 / n)
        utilization = min(1, Double(load) / (1.5 * n))
        if arrivals < service {
            latency = 1 / (service - arrivals)
        } else {
            latency = arrivals == service && !criticalIsSaturated ? Self.criticalLatency : .infinity
        }
        sloPreservation = min(1, TabularEnvironment.objective / latency)
    }

    /// A measured one.
    public init(utilization: Double, sloPreservation: Double, latency: Double) {
        self.utilization = utilization
        self.sloPreservation = sloPreservation
        self.latency = latency
    }
}

// The cluster as a world to learn in: many applications, many loads, one after the other.

import Base
import ClusterModel
import Deciding
import Learning
import Neural
import Scaling

/// Where an environment takes its applications, loads and constants from.
public struct ClusterCurriculum: Sendable {
    public var applications: [SyntheticApplication]
    /// Recorded loads; windows come from their training part. Empty: generated loads only.
    public var traces: [LoadTrace] = []
    /// Share of stays with generated load when there are traces.
    public var generatedShare = 0.5
    /// Share of the stays with generated load that have surges in any case.
    public var surgeShare = 0.0
    /// Decision steps that an application is stayed with before the next one comes.
    public var staySteps = 300
    /// What training maximises: the weights of `Reward.penalized`.
    public var reward = Profile.RewardWeights()
    /// Share of stays in which vertical changes restart pods instead of resizing in place.
    public var restartShare = 0.0
    /// Whether start-up, noise and lag differ from stay to stay.
    public var randomizesDynamics = true
    public var space = ActionSpace.standard
    /// Whether the state has TL+'s additional values.
    public var isExtended = false

    public init(applications: [SyntheticApplication]) { self.applications = applications }

    /// `count` applications, none of which is among `excluded`.
    public static func applications(
        count: Int, seed: UInt64, excluding excluded: [SyntheticApplication]
    ) -> [SyntheticApplication] {
        let names = Set(excluded.map(\.name))
        let reserve = min(count + names.count, SyntheticApplication.sequenceCount)
        return Array(
            SyntheticApplication.generate(count: reserve, seed: seed).lazy.filter { !names.contains($0.name) }
                .prefix(count))
    }
}

/// One application at a time, observed and rewarded as the service would. `reset` moves on to the next one.
public struct ClusterEnvironment: DiscreteEnvironment, Sendable {
    public let curriculum: ClusterCurriculum
    private var cluster: Cluster
    private var core: DecisionCore
    private var perception: Perception
    private var additional: TransferFeatures?
    private var load: [Double] = []
    private var position = 0
    /// Truth of the last step, for those who watch.
    public private(set) var outcome = StepOutcome()

    /// - Precondition: the curriculum has an application.
    public init(_ curriculum: ClusterCurriculum) {
        precondition(!curriculum.applications.isEmpty, "a curriculum needs applications")
        self.curriculum = curriculum
        cluster = Cluster(application: curriculum.applications[0], seed: 0)
        core = DecisionCore(cluster.profile, space: curriculum.space)
        perception = core.perceive(Observation(replicas: cluster.allocation.replicas), at: 0)
        additional = curriculum.isExtended ? TransferFeatures() : nil
    }

    public var observationSize: Int { StateEncoder.count + (curriculum.isExtended ? TransferFeatures.count : 0) }
    public var heads: [Int] { curriculum.space.headSizes }
    /// Whether the stay with this application is over.
    public var isOver: Bool { position + Self.subSteps > load.count }

    private static let subSteps = 12

    public mutating func reset(using generator: inout RandomGenerator) { reset(using: &generator, stay: nil) }

    /// - Parameter stay: Decision steps until the next application comes; nil = the curriculum's.
    public mutating func reset(using generator: inout RandomGenerator, stay: Int?) {
        let steps = stay ?? curriculum.staySteps
        var random = SimulationRandom(seed: generator.next())
        let application = curriculum.applications[Int(random.next() % UInt64(curriculum.applications.count))]
        var profile = application.profile
        profile.reward = curriculum.reward
        let capacity = application.capacity(profile: profile)
        load = LoadLevel.scale(shape(&random, steps: steps), to: LoadLevel.draw(using: &random), of: capacity)
        position = 0
        let initial = profile.clamp(start(application, random: &random))
        let dynamics = dynamics(&random)
        profile.resize = dynamics.resize
        cluster = Cluster(
            application: application, profile: profile, initial: initial, seed: random.next(),
            dynamics: dynamics)
        core = DecisionCore(profile, space: curriculum.space)
        additional = curriculum.isExtended ? TransferFeatures() : nil
        advance(desired: cluster.allocation)
    }

    /// A load for one stay. A trace that is too short is played forth and back.
    private func shape(_ random: inout SimulationRandom, steps: Int) -> [Double] {
        guard !curriculum.traces.isEmpty, random.uniform() >= curriculum.generatedShare else {
            var options: LoadGenerator.Options?
            if curriculum.surgeShare > 0, random.uniform() < curriculum.surgeShare {
                options = .surging(using: &random)
            }
            return LoadGenerator.window(steps: steps, seed: random.next(), options: options)
        }
        let trace = curriculum.traces[Int(random.next() % UInt64(curriculum.traces.count))]
        let range = Scenario.Part.training.range
        let available = Int(Double(trace.subStepCount) * (range.upperBound - range.lowerBound)) / Self.subSteps
        let windows = trace.windows(
            count: 1, steps: max(1, min(steps, available - 1)), seed: random.next(), part: range)
        guard var window = windows.first else { return LoadGenerator.window(steps: steps, seed: random.next()) }
        while window.count < steps * Self.subSteps { window += window.reversed() }
        return Array(window.prefix(steps * Self.subSteps))
    }

    /// CPU anywhere within the limits, memory around the default, and replicas that are anything from scarce to idle.
    private func start(_ application: SyntheticApplication, random: inout SimulationRandom) -> Allocation {
        var start = application.defaultSize
        start.cpuMillicores = 128 * Int(random.uniform(3...16))
        start.memoryBytes = Int(Double(start.memoryBytes >> 20) * random.uniform(0.8...1.6)) << 20
        let rate = load.prefix(Self.subSteps).reduce(0, +) / Double(Self.subSteps)
        let each = application.service.capacity(cores: Double(start.cpuMillicores) / 1000)
        start.replicas = Int((rate / (random.uniform(0.25...0.9) * each)).rounded(.up))
        return start
    }

    private func dynamics(_ random: inout SimulationRandom) -> ClusterDynamics {
        var dynamics = ClusterDynamics()
        if random.uniform() < curriculum.restartShare { dynamics.resize = .restart }
        guard curriculum.randomizesDynamics else { return dynamics }
        dynamics.startupFactor = random.uniform(0.8...1.5)
        dynamics.metricNoise = random.uniform(0.01...0.05)
        dynamics.workDeviation = random.uniform(0.02...0.08)
        return dynamics
    }

    public func observe(into observation: UnsafeMutableBufferPointer<Float>) {
        core.write(state: observation)
        additional?.write(into: .init(rebasing: observation[StateEncoder.count...]), perception)
    }

    public func legal(into mask: UnsafeMutableBufferPointer<UInt8>) { core.write(mask: mask, perception) }

    /// What the rules would choose: the index of each head that comes nearest to what they want.
    func rulesChoice(into actions: UnsafeMutableBufferPointer<Int32>) {
        let action = curriculum.space.nearest(
            to: perception.rules, from: perception.current, core.profile, legal: core.legalChoices(perception))
        for head in actions.indices { actions[head] = Int32(action[head]) }
    }

    /// Acts, and begins again with another application (drawn from `generator`) when the stay is over.
    public mutating func step(
        _ actions: UnsafeBufferPointer<Int32>, using generator: inout RandomGenerator
    ) -> Outcome {
        if isOver { reset(using: &generator) }
        let proposed = core.outcome(of: Action(actions.map(Int.init)), from: perception)
        advance(desired: core.settle(perception, proposed: proposed).guarded.allocation)
        return Outcome(reward: Float(perception.penalized ?? 0))
    }

    private mutating func advance(desired: Allocation) {
        outcome = cluster.step(desired: desired, load: load[position..<position + Self.subSteps])
        position += Self.subSteps
        perception = core.perceive(outcome.observation, at: outcome.observation.time ?? 0)
        additional?.observe(perception)
    }
}

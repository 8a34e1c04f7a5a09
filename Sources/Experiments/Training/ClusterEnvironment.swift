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
    public var generatedShare = 0.6
    /// Share of the stays with generated load that have surges in any case.
    public var surgeShare = 0.3
    /// Whether generated load has bursts.
    public var bursts = LoadGenerator.Bursts.drawn
    /// Share of those with a day of 24 hours, whose past the policy knows.
    public var seasonShare = 0.4
    /// Decision steps that an application is stayed with before the next one comes.
    public var staySteps = 300...1600
    /// Share of the largest allocation's capacity that the load's peak has, log-uniform.
    public var levels = 0.015...0.75
    /// The largest number of replicas, log-uniform.
    public var replicas = 5.0...100.0
    /// Share of stays that begin with too much, and at the maximum.
    public var excessShare = 0.15
    public var maximumShare = 0.05
    /// Share of stays in which the application is new, so that its owner's memory limit holds for a day.
    public var newShare = 0.3
    /// Share of stays in which vertical changes restart pods instead of resizing in place.
    public var restartShare = 0.2
    /// Share of stays whose metrics fail for minutes now and then.
    public var silentShare = 0.2
    /// Whether start-up, noise, lag and skew differ from stay to stay.
    public var randomizesDynamics = true
    /// Whether profiles and trade-offs differ from stay to stay; otherwise they are the applications' own.
    public var randomizesProfiles = true
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
    private var meanNeed = 1.0
    private var isSilent = false
    /// Steps without metrics that are left.
    private var silence = 0
    private var noise = SimulationRandom(seed: 0)
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

    /// - Parameter stay: Decision steps until the next application comes; nil = drawn from the curriculum's.
    public mutating func reset(using generator: inout RandomGenerator, stay: Int?) {
        var random = SimulationRandom(seed: generator.next())
        let range = curriculum.staySteps
        let steps = stay ?? max(range.lowerBound, Int.random(in: range, using: &random) / 100 * 100)
        let application = curriculum.applications[Int(random.next() % UInt64(curriculum.applications.count))]
        let dynamics = dynamics(&random)
        var profile = application.profile
        if curriculum.randomizesProfiles { vary(&profile, &random) }
        profile.resize = dynamics.resize
        let capacity = application.capacity(profile: profile)
        let shape = TrainingLoad.draw(curriculum, steps: steps, using: &random)
        let peak = max(shape.window.max() ?? 0, 1e-9)
        let scale = random.logUniform(curriculum.levels) * capacity / peak
        load = shape.window.map { $0 * scale }
        position = 0
        let initial = profile.clamp(start(application, profile, random: &random))
        cluster = Cluster(
            application: application, profile: profile, initial: initial, seed: random.next(),
            dynamics: dynamics)
        isSilent = random.uniform() < curriculum.silentShare
        silence = 0
        noise = random
        meanNeed = need(application.service, profile.bill)
        core = DecisionCore(profile, space: curriculum.space)
        let cost = scale * application.service.cpuSeconds
        core.remember(demand: shape.past.map { Float($0 * cost) }, until: 0)
        if random.uniform() >= curriculum.newShare { core.remember(use: use(application, &random), at: -100_000) }
        additional = curriculum.isExtended ? TransferFeatures() : nil
        advance(desired: cluster.allocation)
    }

    private func vary(_ profile: inout Profile, _ random: inout SimulationRandom) {
        profile.maxReplicas = Int(random.logUniform(curriculum.replicas).rounded())
        profile.cpu.max = [1024, 2048, 2048, 4096][Int(random.next() % 4)]
        if random.uniform() < 0.3 { profile.minReplicas = min(Int(random.uniform(1...4)), profile.maxReplicas) }
        profile.bill.savings = random.uniform()
        if random.uniform() < 0.3 { profile.bill.gibHourPrice = random.logUniform(0.05...0.3) }
    }

    /// What an application that is not new has shown to use: between idle and sixteen requests in flight.
    private func use(_ application: SyntheticApplication, _ random: inout SimulationRandom) -> Observation {
        let requests = ServiceModel.requestsInFlightMax * random.uniform(0...1)
        let bytes = application.service.baseBytes + requests * application.service.bytesPerRequest
        var observation = Observation(replicas: 1)
        observation.memoryBytes = application.defaultSize.memoryBytes
        observation.memoryUtilization = bytes / Double(application.defaultSize.memoryBytes)
        observation.memoryPeakUtilization = observation.memoryUtilization
        observation.oomKills = 0
        return observation
    }

    /// Money an hour that the load of the whole stay needs on average.
    private func need(_ service: ServiceModel, _ bill: BillObjective) -> Double {
        var sum = 0.0
        for rate in load { sum += Self.need(rate, service, bill) }
        return sum / Double(max(load.count, 1))
    }

    /// Money an hour that so many requests a second need: CPU at the needed utilisation, in replicas of a core each with
    /// a few requests in flight.
    static func need(_ rate: Double, _ service: ServiceModel, _ bill: BillObjective) -> Double {
        let cores = rate * service.cpuSeconds
        let each = (service.baseBytes + 4 * service.bytesPerRequest) / 1_073_741_824
        return bill.hourlyNeed(cores: cores, gibibytes: max(1, cores) * each)
    }

    /// CPU anywhere within the limits, memory around the default, and replicas that are anything from scarce to idle.
    private func start(
        _ application: SyntheticApplication, _ profile: Profile, random: inout SimulationRandom
    ) -> Allocation {
        var start = application.defaultSize
        start.cpuMillicores = min(profile.cpu.max, 128 * Int(random.uniform(2...17)))
        start.memoryBytes = Int(Double(start.memoryBytes >> 20) * random.uniform(0.9...1.6)) << 20
        let rate = load.prefix(Self.subSteps).reduce(0, +) / Double(Self.subSteps)
        let each = application.service.capacity(cores: Double(start.cpuMillicores) / 1000)
        start.replicas = Int((rate / (random.uniform(0.25...0.9) * each)).rounded(.up))
        let draw = random.uniform()
        if draw < curriculum.maximumShare {
            start.replicas = profile.maxReplicas
        } else if draw < curriculum.maximumShare + curriculum.excessShare {
            start.replicas = Int(Double(start.replicas) * random.uniform(1.5...6))
        }
        return start
    }

    private func dynamics(_ random: inout SimulationRandom) -> ClusterDynamics {
        var dynamics = ClusterDynamics()
        if random.uniform() < curriculum.restartShare { dynamics.resize = .restart }
        guard curriculum.randomizesDynamics else { return dynamics }
        dynamics.startupFactor = random.uniform(0.8...1.8)
        dynamics.metricNoise = random.uniform(0.01...0.06)
        dynamics.workDeviation = random.uniform(0.02...0.1)
        if random.uniform() < 0.1 { dynamics.metricsLagSteps = 2 }
        dynamics.skew = random.uniform(0...0.3)
        dynamics.reportsPeaks = random.uniform() < 0.5
        return dynamics
    }

    /// Values that only a critic may see: the load to come, and the application's true constants.
    public static let hiddenCount = 12

    private func writeHidden(into values: UnsafeMutableBufferPointer<Float>) {
        let service = cluster.service
        let allocation = cluster.allocation
        let each = Double(allocation.cpuMillicores) / 1000
        let cores = max(Double(allocation.replicas) * each, 0.001)
        func demand(_ ahead: Int) -> Double {
            let index = position + ahead * Self.subSteps + Self.subSteps / 2
            return load[min(index, load.count - 1)] * service.cpuSeconds / cores
        }
        var (highest, mean) = (0.0, 0.0)
        for ahead in 0..<15 {
            highest = max(highest, demand(ahead))
            mean += demand(ahead * 2) / 15
        }
        var seconds = 0.5
        if case .latency(let objective, _) = cluster.profile.objective { seconds = objective }
        let within = service.capacity(cores: each, within: seconds, percentile: SyntheticApplication.percentile)
        let facts = [
            demand(0), demand(1), demand(2), demand(4), demand(7), demand(11), highest, mean,
            within / max(service.capacity(cores: each), 1e-9), service.startupSeconds * cluster.dynamics.startupFactor / 60,
            cluster.workFactor - 1, cluster.profile.bill.hourlyBill(allocation) / meanNeed / 8,
        ]
        for (index, value) in facts.enumerated() { values[index] = Float(min(max(value, -1), 4)) }
    }

    public func observe(into observation: UnsafeMutableBufferPointer<Float>) {
        core.write(state: observation)
        additional?.write(into: .init(rebasing: observation[StateEncoder.count...]), perception)
        // A critic's view is longer by the values that no policy has.
        if observation.count == observationSize + Self.hiddenCount {
            writeHidden(into: .init(rebasing: observation[observationSize...]))
        }
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
        return Outcome(reward: Float(-cost))
    }

    /// Of the last step, by the truth.
    private var cost: Double { cluster.profile.bill.cost(outcome.objective(cluster.profile, need: meanNeed)) }

    private mutating func advance(desired: Allocation) {
        if isSilent {
            if silence == 0, noise.uniform() < 0.01 { silence = Int(noise.uniform(1...6)) }
            cluster.metricsAvailable = silence == 0
            silence = max(0, silence - 1)
        }
        outcome = cluster.step(desired: desired, load: load[position..<position + Self.subSteps])
        position += Self.subSteps
        perception = core.perceive(outcome.observation, at: outcome.observation.time ?? 0)
        additional?.observe(perception)
    }
}

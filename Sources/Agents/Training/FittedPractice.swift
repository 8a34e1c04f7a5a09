// Practice: a policy learns one application in the simulator that was fitted to it, where nobody is hurt.

import Base
import ClusterModel
import Deciding
import Learning
import Neural
import Scaling

/// The fitted application under its recorded load, from anywhere in it and from any state.
///
/// On-policy learning cannot use what the rules recorded; a simulator built from the record is the way round it that
/// the paper's authors suggest (AWARE, USENIX ATC 2023). The constants are disturbed from episode to episode by as much as they may
/// be wrong, so that nothing is learned which hangs on their being right.
struct FittedEnvironment: DiscreteEnvironment {
    private let replay: FittedReplay
    private let steps: Int
    private var cluster: Cluster
    private var core: DecisionCore
    private var perception: Perception
    private var position = 0

    /// - Parameter steps: of an episode.
    init(_ replay: FittedReplay, steps: Int) {
        self.replay = replay
        self.steps = steps
        cluster = Cluster(
            service: replay.application.service, profile: replay.profile, initial: replay.initial, seed: 0)
        core = DecisionCore(replay.profile)
        perception = core.perceive(Observation(replicas: cluster.allocation.replicas), at: 0)
    }

    var observationSize: Int { StateEncoder.count }
    var heads: [Int] { ActionSpace.standard.headSizes }

    mutating func reset(using generator: inout RandomGenerator) {
        var random = SimulationRandom(seed: generator.next())
        var service = replay.application.service
        service.work *= random.uniform(0.87...1.15)
        service.ioSeconds *= random.uniform(0.77...1.3)
        let memory = random.uniform(0.93...1.07)
        service.baseBytes *= memory
        service.bytesPerRequest *= memory * random.uniform(0.8...1.25)
        service.startupSeconds *= random.uniform(0.7...1.4)
        service.parallelism[0] = max(1, service.parallelism[0] * random.uniform(0.8...1.4))
        var dynamics = ClusterDynamics()
        dynamics.resize = replay.profile.resize
        let last = max(1, replay.load.count / replay.subSteps - steps - 1)
        position = Int(random.next() % UInt64(last)) * replay.subSteps
        cluster = Cluster(
            service: service, profile: replay.profile, initial: start(service, &random), seed: random.next(),
            dynamics: dynamics)
        core = DecisionCore(replay.profile)
        advance(desired: cluster.allocation)
    }

    /// The size that was recorded first or another one, and replicas that are anything from scarce to idle.
    private func start(_ service: ServiceModel, _ random: inout SimulationRandom) -> Allocation {
        var start = replay.initial
        if random.uniform() < 0.5 {
            start.cpuMillicores = Int(Double(start.cpuMillicores) * random.uniform(0.5...2))
            start.memoryBytes = Int(Double(start.memoryBytes >> 20) * random.uniform(0.8...1.5)) << 20
        }
        start = replay.profile.clamp(start)
        let each = service.capacity(cores: Double(start.cpuMillicores) / 1000)
        start.replicas = Int((replay.load[position] / max(random.uniform(0.25...0.9) * each, 1e-6)).rounded(.up))
        return replay.profile.clamp(start)
    }

    func observe(into observation: UnsafeMutableBufferPointer<Float>) { core.write(state: observation) }

    func legal(into mask: UnsafeMutableBufferPointer<UInt8>) { core.write(mask: mask, perception) }

    mutating func step(_ actions: UnsafeBufferPointer<Int32>, using generator: inout RandomGenerator) -> Outcome {
        let proposed = core.outcome(of: Action(actions.map(Int.init)), from: perception)
        advance(desired: core.settle(perception, proposed: proposed).guarded.allocation)
        return Outcome(reward: Float(perception.penalized ?? 0))
    }

    private mutating func advance(desired: Allocation) {
        let end = min(position + replay.subSteps, replay.load.count)
        let outcome = cluster.step(desired: desired, load: replay.load[end - replay.subSteps..<end])
        position = end
        perception = core.perceive(outcome.observation, at: outcome.observation.time ?? 0)
    }
}

extension FittedReplay {
    static let practiceEpisodesPerUpdate = 16
    /// Steps of an episode of practice.
    private static let practiceSteps = 100

    /// Goes on training `policy` on the fitted application.
    /// - Parameters:
    ///   - algorithm: what learns; where it cannot go on from `policy` it begins anew.
    ///   - episodes: of 100 steps; 400 of them take about a second of one core.
    ///   - isStopping: asked between two updates; then what has been learned so far is returned, of use to nobody.
    public func practise(
        _ policy: Policy, by algorithm: Profile.Algorithm = .ppo, episodes: Int, seed: UInt64, isStopping: () -> Bool = { false }
    ) -> Policy {
        let steps = min(Self.practiceSteps, load.count / subSteps - 2)
        guard steps > 1, policy.shape.observationSize == StateEncoder.count else {
            return policy
        }
        let updates = max(1, episodes / Self.practiceEpisodesPerUpdate)
        var learner = algorithm.learner(from: policy, updates: updates, practises: true, seed: seed)
        var world = FittedEnvironment(self, steps: steps)
        var generator = RandomGenerator(seed: seed ^ 0x9AC7_1CE5)
        for _ in 0..<updates where !isStopping() {
            let policy = learner.policy
            let scratch = policy.makeScratch()
            let played = (0..<Self.practiceEpisodesPerUpdate).map { _ in
                policy.play(
                    &world, steps: steps, exploration: learner.exploration, scratch: scratch, using: &generator)
            }
            _ = learner.update(played)
        }
        return learner.policy
    }
}

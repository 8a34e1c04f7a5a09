// The demo's simulated world: applications in their clusters, a recommender that asks aware over REST, and a twin of
// each application that the calibrated rules alone control, under the same load.

import ClusterModel
import Deciding
import Experiments
import Foundation
import Recommender
import Scaling

/// Measurements of one episode of one application.
struct EpisodeFigures {
    var reward = 0.0
    var violations = 0
    var cpu = 0.0
    var oomKills = 0
    /// Money an hour, at the objective's default prices, summed over steps.
    var bill = 0.0
    var steps = 0

    mutating func add(_ outcome: StepOutcome) {
        reward += outcome.reward
        violations += outcome.violated ? 1 : 0
        cpu += outcome.cpuUtilization
        oomKills += outcome.oomKills
        bill += BillObjective().bill(
            cores: outcome.coreSeconds / Double(Profile().stepSeconds),
            gibibytes: outcome.byteSeconds / Double(Profile().stepSeconds) / 1_073_741_824)
        steps += 1
    }

    static func sum(_ figures: some Sequence<EpisodeFigures>) -> EpisodeFigures {
        figures.reduce(into: EpisodeFigures()) { total, one in
            total.reward += one.reward
            total.violations += one.violations
            total.cpu += one.cpu
            total.oomKills += one.oomKills
            total.bill += one.bill
            total.steps += one.steps
        }
    }
}

/// One simulated application under aware, and its twin under the rules, which are set as aware has calibrated them.
final class DemoApplication {
    let name: String
    private let application: SyntheticApplication
    private var cluster: Cluster
    private var twin: TwinUnderRules
    private let load: DemoLoad
    private var loadFactor = 1.0
    private var observation: Observation
    private(set) var step = 0
    private(set) var last: DecisionClient.Recommendation?
    /// One entry an episode; the last one is running.
    private(set) var learned = [EpisodeFigures()]
    private(set) var rules = [EpisodeFigures()]

    static let episodeSteps = 100

    init(index: Int, application: SyntheticApplication, load: DemoLoad, seed: UInt64, startTime: Double) {
        name = "demo-\(index + 1)"
        self.application = application
        self.load = load
        cluster = Cluster(application: application, seed: seed, startTime: startTime)
        twin = TwinUnderRules(Cluster(application: application, seed: seed, startTime: startTime))
        // The first look at the application: one step as it is.
        let first = load.step(0)
        observation = cluster.step(desired: cluster.allocation, load: first).observation
        twin.start(load: first)
    }

    func register(with client: DecisionClient, usesBasePolicy: Bool, savings: Double) throws {
        try client.put(
            name,
            profile: """
                {"slo": {"latencySeconds": \(application.sloSeconds), "percentile": 99}, "episodeSteps": \(Self.episodeSteps),
                 "objective": {"savings": \(savings)}, "meta": \(usesBasePolicy)}
                """)
    }

    /// Changes the workload from the next step on, for the agent and for the twin.
    func apply(_ update: WorkloadUpdate) {
        cluster.service = cluster.service.applying(update)
        twin.apply(update)
        loadFactor *= update.load
    }

    /// Asks, carries out, and lives through one step.
    func advance(with client: DecisionClient) throws {
        let answer = try client.decide(name, observation)
        step += 1
        let load = load.step(step).map { $0 * loadFactor }
        let outcome = cluster.step(desired: answer.desired, load: load)
        observation = outcome.observation
        last = answer
        if learned[learned.count - 1].steps == Self.episodeSteps {
            learned.append(EpisodeFigures())
            rules.append(EpisodeFigures())
        }
        learned[learned.count - 1].add(outcome)
        rules[rules.count - 1].add(twin.advance(load: load))
    }

    /// Sets the twin's rules as the service has set its own.
    func followCalibration(_ client: DecisionClient) throws {
        twin.calibrate(try client.calibration(of: name, configuredCpu: twin.configuredCpu))
    }

    /// Whether the decision just made closed an episode.
    var hasJustClosedAnEpisode: Bool { step > 1 && (step - 1) % Self.episodeSteps == 0 }

    var allocation: Allocation { cluster.allocation }
    var latest: Observation { observation }
}

/// A cluster that the rules alone control, behind the same guards as the server's.
private struct TwinUnderRules {
    private var cluster: Cluster
    private var rules: DecisionController
    private var observation = Observation(replicas: 0)
    let configuredCpu: Int

    init(_ cluster: Cluster) {
        self.cluster = cluster
        configuredCpu = cluster.allocation.cpuMillicores
        rules = DecisionController(rulesOf: cluster.profile, fixedCpu: configuredCpu)
    }

    mutating func calibrate(_ calibration: Calibration?) { rules.calibrate(calibration) }

    mutating func apply(_ update: WorkloadUpdate) { cluster.service = cluster.service.applying(update) }

    mutating func start(load: [Double]) {
        observation = cluster.step(desired: cluster.allocation, load: load).observation
    }

    mutating func advance(load: [Double]) -> StepOutcome {
        let desired = rules.decide(observation, current: cluster.allocation)
        let outcome = cluster.step(desired: desired, load: load)
        observation = outcome.observation
        return outcome
    }
}

/// The load of one application: a recorded trace from a place of its own, or a generated stream.
final class DemoLoad {
    private static let subSteps = 12

    private let series: [Double]
    private let capacity: Double

    /// - Parameter trace: holes are left out; the rest is played from `offset` (0..<1 of it) and around.
    init(trace: LoadTrace, offset: Double, level: Double, capacity: Double) throws {
        var played: [Double] = []
        for start in stride(from: 0, to: trace.subStepCount - Self.subSteps, by: Self.subSteps) {
            if let step = trace.shape(start..<start + Self.subSteps) { played += step }
        }
        guard played.contains(where: { $0 > 0 }) else { throw Failure.idleTrace(trace.name) }
        let begin = Int(offset * Double(played.count / Self.subSteps)) * Self.subSteps
        series = LoadLevel.scale(Array(played[begin...] + played[..<begin]), to: level, of: capacity)
        self.capacity = capacity
    }

    init(steps: Int, seed: UInt64, level: Double, capacity: Double) {
        series = LoadLevel.scale(
            LoadGenerator.window(steps: steps, seed: seed, options: LoadGenerator.Options()), to: level, of: capacity)
        self.capacity = capacity
    }

    /// Requests per second in each sub-step of decision step `index`; begins anew behind the end.
    func step(_ index: Int) -> [Double] {
        let start = index * Self.subSteps % (series.count - series.count % Self.subSteps)
        return Array(series[start..<start + Self.subSteps])
    }

    enum Failure: Error, CustomStringConvertible {
        case idleTrace(String)
        var description: String {
            switch self {
            case .idleTrace(let name): "The trace \(name) has no step with requests in it."
            }
        }
    }
}

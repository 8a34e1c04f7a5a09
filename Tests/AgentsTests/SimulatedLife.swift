// One agent's life in the cluster simulator, as fast as it can be computed: the real agent, trainer and lifecycle, a
// store in memory, and beside it a twin of the application that the same calibrated rules alone control under the same load.

@testable import Deciding
import Foundation
import Learning
import Scaling
@testable import ClusterModel
@testable import Experiments
import Synchronization

@testable import Agents

final class SimulatedLife {
    struct EpisodeRewards: Equatable {
        var served: Double
        /// What the rules earned under the same load.
        var rules: Double
        /// The same by the objective: mean cost of a step, negative.
        var servedValue: Double
        var rulesValue: Double
        var stage: Stage
        var controller: EpisodeSummary.Controller
    }

    let agent: Agent
    let store = MemoryStore()
    let table = ServingTable()
    let trainer: Trainer
    private(set) var rewards: [EpisodeRewards] = []
    private(set) var cluster: Cluster
    private var twin: Cluster
    private var rules: DecisionController
    private var generator: LoadGenerator
    private var scale: Double
    private var context: DecisionContext
    private var observation: Observation
    private var twinObservation: Observation
    private var step: Int64 = 0
    /// Since the last episode ended.
    private var sums = (served: 0.0, rules: 0.0, servedValue: 0.0, rulesValue: 0.0)

    /// - Parameter level: the load's usual peak over what the largest allocation serves.
    init(
        _ application: SyntheticApplication, profile: Profile, level: Double = 0.4, base: Policy?,
        loads: LoadGenerator.Options = .init(), seed: UInt64
    ) throws {
        scale = level * application.capacity(profile: profile)
        generator = LoadGenerator(options: loads, seed: seed)
        cluster = Cluster(application: application, profile: profile, seed: seed, startTime: 1_780_000_000)
        twin = cluster
        rules = DecisionController(rulesOf: profile, fixedCpu: application.defaultSize.cpuMillicores)
        trainer = Trainer(store: store, table: table, base: base, threads: 1, seed: seed)
        agent = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: seed)
        try agent.restore(state: nil, decisions: [], policy: nil)
        context = DecisionContext(table: table)
        let load = Self.load(&generator, scale)
        observation = cluster.step(desired: cluster.allocation, load: load).observation
        twinObservation = twin.step(desired: twin.allocation, load: load).observation
    }

    private static func load(_ generator: inout LoadGenerator, _ scale: Double) -> [Double] {
        (0..<12).map { _ in generator.next() * scale }
    }

    /// Changes the workload from the next step on.
    func apply(_ update: WorkloadUpdate) {
        cluster.service = cluster.service.applying(update)
        twin.service = twin.service.applying(update)
        scale *= update.load
    }

    /// Gives the trainer an order and has it carried out.
    func order(_ order: TrainingCommand) throws {
        let failure = Mutex<(any Error)?>(nil)
        trainer.carryOut(order, for: agent, at: observation.time ?? 0) { result in
            if case .failure(let error) = result { failure.withLock { $0 = error } }
        }
        try trainer.train(agent)
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Lives through one episode and lets the trainer learn from it.
    @discardableResult
    func episode() throws -> EpisodeRewards {
        while true {
            step += 1
            let seq = step
            let time = observation.time ?? 0
            let result = agent.decide(
                observation, at: time, clientID: nil, warnings: [], isDryRun: false, context: &context,
                sequence: { seq })
            guard case .decided(let decision, let closed) = result else { throw Unanswered() }
            store.record(decision, closed)
            if let closed {
                let steps = Double(closed.summary.steps)
                rewards.append(
                    EpisodeRewards(
                        served: sums.served / steps, rules: sums.rules / steps,
                        servedValue: sums.servedValue / steps, rulesValue: sums.rulesValue / steps,
                        stage: closed.summary.stage, controller: closed.summary.controller))
                sums = (0, 0, 0, 0)
            }
            let load = Self.load(&generator, scale)
            let outcome = cluster.step(desired: decision.desired, load: load)
            rules.calibrate(agent.calibration)
            let twinDesired = rules.decide(twinObservation, current: twin.allocation)
            let twinOutcome = twin.step(desired: twinDesired, load: load)
            observation = outcome.observation
            twinObservation = twinOutcome.observation
            sums.served += outcome.reward
            sums.rules += twinOutcome.reward
            sums.servedValue -= outcome.cost(agent.profile)
            sums.rulesValue -= twinOutcome.cost(agent.profile)
            if closed != nil {
                try trainer.train(agent)
                return rewards[rewards.count - 1]
            }
        }
    }

    /// Lives on until `condition` holds after an episode, at most so many; returns how many it took, `nil` for never.
    func live(atMost episodes: Int, until condition: (SimulatedLife) -> Bool) throws -> Int? {
        for count in 1...episodes {
            try episode()
            if condition(self) { return count }
        }
        return nil
    }

    var stage: Stage { table.activePolicy(of: agent.id)?.stage ?? .initialized }
    var events: [Event] { store.contents.withLock { $0.events } }

    /// An event in a line, for reports.
    static func line(_ event: Event) -> String {
        let figures = event.figures.sorted { $0.key < $1.key }.map { "\($0.key) \(String(format: "%.4f", $0.value))" }
        return "episode \(event.episode ?? 0): \(event.kind) \(event.from) > \(event.to) \(event.reason) "
            + figures.joined(separator: ", ")
    }

    struct Unanswered: Error {}
}

extension StepOutcome {
    /// What the step cost by the objective.
    func cost(_ profile: Profile) -> Double {
        let (seconds, bill) = (Double(profile.stepSeconds), profile.bill)
        let (cores, gibibytes) = (coreSeconds / seconds, byteSeconds / seconds / 1_073_741_824)
        var step = BillObjective.Step()
        step.violated = violated
        step.preservation = sloPreservation
        step.oomKills = oomKills
        step.replicasChanged = replicasChanged
        step.resized = resized
        step.relativeBill =
            bill.bill(cores: cores, gibibytes: gibibytes)
            / bill.hourlyNeed(
                cores: cpuUtilization * cores, gibibytes: memoryUtilization * gibibytes)
        return bill.cost(step)
    }
}

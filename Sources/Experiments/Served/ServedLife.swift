// One agent's life in the cluster simulator, as fast as it can be computed: the real agent, trainer and lifecycle, a store in
// memory, and beside it twins of the application under the same load, which the rules or a policy that never learns control.

import Agents
import ClusterModel
import Deciding
import Learning
import Scaling
import Synchronization

/// Everything is played on the caller's thread; a life follows from its parameters and its seed.
final class ServedLife {
    /// What an episode's steps cost and earned on average, for one of those who played it.
    struct Means: Sendable, Equatable {
        var reward = 0.0
        /// By the objective: the cost of a step, negative.
        var value = 0.0
        /// Share of steps over the objective.
        var violations = 0.0
        /// Money for a step.
        var bill = 0.0
        /// OOM kills a step.
        var kills = 0.0
    }

    struct Episode: Sendable {
        /// Of the agent, of the rules as this agent's are calibrated, and of the policy that never learns where there is one.
        var played: [Means]
        var stage: Stage
        var controller: EpisodeSummary.Controller

        var agent: Means { played[0] }
        var rules: Means { played[1] }
        /// What the agent's steps cost less than the rules', by the objective.
        var gain: Double { agent.value - rules.value }
    }

    let agent: Agent
    let store = MemoryStore()
    let table = ServingTable()
    private(set) var trainer: Trainer
    private let seed: UInt64
    private(set) var episodes: [Episode] = []
    private var loads: () -> [Double]
    private var scale = 1.0
    private var context: DecisionContext
    private var played: Seat
    private var rules: (seat: Seat, controller: DecisionController)
    private var held: (seat: Seat, controller: DecisionController)?
    private var step: Int64 = 0

    /// An application in somebody's hands.
    private struct Seat {
        var cluster: Cluster
        var observation: Observation
        /// Since the last episode ended.
        var sum = Means()

        init(_ cluster: Cluster, load: [Double]) {
            self.cluster = cluster
            observation = self.cluster.step(desired: cluster.allocation, load: load).observation
        }

        mutating func step(_ desired: Allocation, load: [Double], _ profile: Profile) {
            let outcome = cluster.step(desired: desired, load: load)
            observation = outcome.observation
            sum.reward += outcome.reward
            sum.value -= profile.bill.cost(outcome.objective(profile))
            sum.violations += outcome.violated ? 1 : 0
            sum.bill += outcome.hourlyBill(profile) * Double(profile.stepSeconds) / 3600
            sum.kills += Double(outcome.oomKills)
        }

        mutating func close(steps: Double) -> Means {
            defer { sum = Means() }
            return Means(
                reward: sum.reward / steps, value: sum.value / steps, violations: sum.violations / steps, bill: sum.bill / steps,
                kills: sum.kills / steps)
        }
    }

    /// - Parameters:
    ///   - base: the agent's first candidate.
    ///   - held: a policy that acts in a twin from the first step on and never learns.
    ///   - loads: the load of one step after the other, requests per second in each of its sub-steps.
    init(
        _ application: SyntheticApplication, profile: Profile, base: Policy?, held: Policy? = nil, seed: UInt64,
        loads: @escaping () -> [Double]
    ) throws {
        self.loads = loads
        self.seed = seed
        trainer = Trainer(store: store, table: table, base: base, threads: 1, seed: seed)
        agent = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: seed)
        try agent.restore(state: nil, decisions: [], policy: nil)
        context = DecisionContext(table: table)
        let load = loads()
        played = Seat(Cluster(application: application, profile: profile, seed: seed, startTime: 1_780_000_000), load: load)
        rules = (played, DecisionController(rulesOf: profile, fixedCpu: application.defaultSize.cpuMillicores))
        self.held = held.map { (played, DecisionController(policy: $0, profile: profile)) }
    }

    /// Under generated loads.
    /// - Parameter level: the load's usual peak over what the largest allocation serves.
    convenience init(
        _ application: SyntheticApplication, profile: Profile, level: Double = 0.4, base: Policy?, held: Policy? = nil,
        loads: LoadGenerator.Options = .init(), seed: UInt64
    ) throws {
        let scale = level * application.capacity(profile: profile)
        var generator = LoadGenerator(options: loads, seed: seed)
        try self.init(application, profile: profile, base: base, held: held, seed: seed) {
            (0..<12).map { _ in generator.next() * scale }
        }
    }

    /// The agent's own cluster.
    var cluster: Cluster { played.cluster }

    /// Changes the workload from the next step on.
    func apply(_ update: WorkloadUpdate) {
        played.cluster.service = played.cluster.service.applying(update)
        rules.seat.cluster.service = rules.seat.cluster.service.applying(update)
        if let service = held?.seat.cluster.service { held?.seat.cluster.service = service.applying(update) }
        scale *= update.load
    }

    /// The server is started again, by a version of aware that ships another base policy.
    func restart(base: Policy?) throws {
        trainer = Trainer(store: store, table: table, base: base, threads: 1, seed: seed)
        _ = try trainer.restore(agent)
    }

    /// Gives the trainer an order and has it carried out.
    func order(_ order: TrainingCommand) throws {
        try trainer.obey(order, for: agent, at: played.observation.time ?? 0)
    }

    /// Lives through one episode and lets the trainer learn from it.
    @discardableResult
    func episode() throws -> Episode {
        while true {
            step += 1
            let seq = step
            let result = agent.decide(
                played.observation, at: played.observation.time ?? 0, clientID: nil, warnings: [], isDryRun: false,
                context: &context, sequence: { seq })
            guard case .decided(let decision, let closed) = result else { throw Unanswered() }
            store.record(decision, closed)
            if let closed {
                let steps = Double(closed.summary.steps)
                var means = [played.close(steps: steps), rules.seat.close(steps: steps)]
                if let held = held?.seat.close(steps: steps) { means.append(held) }
                episodes.append(Episode(played: means, stage: closed.summary.stage, controller: closed.summary.controller))
            }
            let load = loads().map { $0 * scale }
            played.step(decision.desired, load: load, agent.profile)
            rules.controller.calibrate(agent.calibration)
            rules.seat.step(rules.controller.decide(rules.seat.observation, current: rules.seat.cluster.allocation), load: load, agent.profile)
            if var twin = held.take() {
                twin.seat.step(twin.controller.decide(twin.seat.observation, current: twin.seat.cluster.allocation), load: load, agent.profile)
                held = twin
            }
            if closed != nil {
                try trainer.train(agent)
                return episodes[episodes.count - 1]
            }
        }
    }

    /// Lives on until `condition` holds after an episode, at most so many; returns how many it took, `nil` for never.
    func live(atMost episodes: Int, until condition: (ServedLife) -> Bool) throws -> Int? {
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
        let figures = event.figures.sorted { $0.key < $1.key }.map { "\($0.key) \((($0.value * 10_000).rounded()) / 10_000)" }
        return "episode \(event.episode ?? 0): \(event.kind) \(event.from) > \(event.to) \(event.reason) " + figures.joined(separator: ", ")
    }

    /// The agent had no answer: a fault of the simulation.
    struct Unanswered: Error {}
}

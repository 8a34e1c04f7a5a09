// What the tests of this module share: observations good and bad, policies, and agents that decide into a database.

import Foundation
import Learning
import Scaling
import Store

@testable import Agents

/// SplitMix64 as whole numbers.
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }
    mutating func uniform() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    /// A value as a broken client might measure it.
    mutating func wild(upTo highest: Double) -> Double? {
        switch below(14) {
        case 0: nil
        case 1: .nan
        case 2: .infinity
        case 3: -uniform()
        case 4: 0
        case 5: 1e300
        default: uniform() * highest
        }
    }

    mutating func wildInteger() -> Int {
        switch below(6) {
        case 0: 0
        case 1: -below(10)
        case 2: .max
        case 3: .min
        default: below(5000)
        }
    }

    mutating func wildObservation(time: Double) -> Observation {
        var observation = Observation(replicas: below(10) == 0 ? wildInteger() : 1 + below(25))
        observation.cpuUtilization = wild(upTo: 1.4)
        observation.memoryUtilization = wild(upTo: 1.2)
        observation.latencySeconds = wild(upTo: 2)
        observation.requestRate = wild(upTo: 500)
        if below(4) == 0 { observation.sloPreservation = wild(upTo: 1) }
        if below(4) == 0 { observation.cpuMillicores = wildInteger() }
        if below(4) == 0 { observation.memoryBytes = wildInteger() }
        if below(5) == 0 { observation.oomKills = wildInteger() }
        if below(5) == 0 { observation.readyReplicas = wildInteger() }
        if below(8) == 0 { observation.reward = wild(upTo: 1) }
        observation.applied = below(8) != 0
        observation.done = below(20) == 0
        if below(2) == 0 { observation.time = below(10) == 0 ? wild(upTo: 2e9) : time }
        return observation
    }
}

extension Dice {
    /// Anything that the API lets through: within its ranges, but not within reason.
    mutating func acceptedObservation(time: Double) -> Observation {
        func maybe(_ highest: Double) -> Double? {
            switch below(8) {
            case 0: nil
            case 1: 0
            case 2: highest
            default: uniform() * Swift.min(highest, 2)
            }
        }
        var observation = Observation(replicas: below(10) == 0 ? below(1_000_001) : 1 + below(25))
        observation.cpuUtilization = maybe(1000)
        observation.memoryUtilization = maybe(1000)
        observation.latencySeconds = maybe(86_400)
        observation.requestRate = maybe(1e12).map { $0 * 100 }
        if below(4) == 0 { observation.sloPreservation = maybe(1) }
        if below(4) == 0 { observation.cpuMillicores = below(8) == 0 ? Int(Int32.max) : 1 + below(5000) }
        if below(4) == 0 { observation.memoryBytes = below(8) == 0 ? .max : 1 + below(1 << 33) }
        if below(5) == 0 { observation.oomKills = below(1_000_001) }
        if below(5) == 0 { observation.readyReplicas = below(30) }
        if below(8) == 0 { observation.reward = maybe(1000) }
        observation.applied = below(8) != 0
        observation.done = below(20) == 0
        if below(2) == 0 { observation.time = below(10) == 0 ? uniform() * 2e9 : time }
        return observation
    }
}

extension Observation {
    static func make(replicas: Int = 3, cpu: Double? = 0.7, latency: Double? = 0.3, rate: Double? = 50) -> Observation {
        var observation = Observation(replicas: replicas)
        observation.cpuUtilization = cpu
        observation.memoryUtilization = cpu == nil ? nil : 0.5
        observation.latencySeconds = latency
        observation.requestRate = rate
        return observation
    }
}

extension Policy {
    /// Weights between -`scale` and `scale`, a few of them replaced by `poison`.
    static func random(seed: UInt64, scale: Float, poison: Float? = nil) -> Policy {
        var dice = Dice(seed: seed)
        let count = Policy(shape: ApplicationLearner.shape, seed: 1).parameters.count
        var weights = (0..<count).map { _ in Float(dice.uniform() * 2 - 1) * scale }
        if let poison { for _ in 0..<3 { weights[dice.below(count)] = poison } }
        return Policy(shape: ApplicationLearner.shape, parameters: weights)
    }
}

/// An agent whose decisions go to a database, under a load that follows from the number of the step.
struct Subject {
    let agent: Agent
    let database: Store.Database
    private var context: DecisionContext
    private(set) var step = 0
    private(set) var replicas = 3

    init(_ database: Store.Database, table: ServingTable, profile: Profile) throws {
        self.database = database
        let id = try database.insert(application: "shop-web", profile: "{}", created: 0)
        agent = Agent(id: id, name: "shop-web", created: 0, profile: profile, revision: 1, seed: 7)
        try agent.restore(state: nil, decisions: [], policy: nil)
        context = DecisionContext(table: table)
    }

    /// Reads its policies from `table` from now on, as after a restart.
    mutating func moved(to table: ServingTable) { context = DecisionContext(table: table) }

    /// Makes and stores one decision; returns it, and whether it closed an episode.
    @discardableResult
    mutating func decide() async throws -> (decision: Decision, closed: Bool) {
        let load = 100 + 60 * sin(Double(step) / 9)
        let cpu = min(1.3, load / 60 / Double(replicas))
        let observation = Observation.make(
            replicas: replicas, cpu: cpu, latency: 0.2 + max(0, cpu - 0.7), rate: load)
        let seq = Int64(step + 1)
        let result = agent.decide(
            observation, at: 1_780_000_000 + 60 * Double(step), clientID: nil, warnings: [], isDryRun: false,
            context: &context, sequence: { seq })
        guard case .decided(let decision, let closed) = result else { throw Unanswered() }
        let pending = PendingDecision(decision, closed: closed)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            database.enqueue { write in continuation.resume(with: Result { try write([pending]) }) }
        }
        step += 1
        replicas = decision.desired.replicas
        return (decision, closed != nil)
    }

    struct Unanswered: Error {}
}

/// Runs `body` on a database in a folder that is gone afterwards.
func withDatabase<T>(_ body: (Store.Database) async throws -> T) async throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-agents-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let database = try await onThread { try Store.Database(folder: folder) }
    let result: Result<T, any Error>
    do {
        result = .success(try await body(database))
    } catch {
        result = .failure(error)
    }
    try await onThread { try database.shutDown() }
    return try result.get()
}

func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// Waits until `condition` holds, for at most `seconds`; returns whether it does.
func eventually(seconds: Double = 20, _ condition: () -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        guard ContinuousClock.now < deadline else { return false }
        try await Task.sleep(for: .milliseconds(1))
    }
    return true
}

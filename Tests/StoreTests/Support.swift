// What the tests of this module share: a database of their own and decisions as agents make them.

import Agents
import Foundation
import Scaling

@testable import Store

/// Runs `body` off the cooperative pool, on a database in a folder that is gone afterwards.
func withDatabase<T: Sendable>(_ body: @escaping @Sendable (Store.Database) throws -> T) async throws -> T {
    try await withFolder { folder in
        try await onThread {
            let database = try Store.Database(folder: folder)
            let result = Result { try body(database) }
            try database.shutDown()
            return try result.get()
        }
    }
}

func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-store-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// An application in the database and the agent that decides for it.
struct Subject {
    let agent: Agent
    private var context = DecisionContext(table: ServingTable())
    private var time = 1_780_000_000.0

    /// - Parameter episodeSteps: decisions of an episode.
    init(_ database: Store.Database, name: String = "shop-web", episodeSteps: Int = 100) throws {
        var profile = Profile()
        profile.episodeSteps = episodeSteps
        let id = try database.insert(application: name, profile: "{}", created: 0)
        agent = Agent(id: id, name: name, created: 0, profile: profile, revision: 1, seed: 1)
        try agent.restore(state: nil, decisions: [], policy: nil)
    }

    mutating func decide(seq: Int64) -> PendingDecision {
        time += 60
        var observation = Observation(replicas: 3)
        observation.cpuUtilization = 0.6 + Double(seq % 5) / 10
        observation.latencySeconds = 0.3
        let result = agent.decide(
            observation, at: time, clientID: nil, warnings: [], isDryRun: false, context: &context, sequence: { seq })
        guard case .decided(let decision, let closed) = result else { fatalError("the agent does not decide") }
        return PendingDecision(decision, closed: closed)
    }
}

extension Store.Database {
    /// Commits as the recorder does, and waits.
    func commit(_ batch: [PendingDecision]) throws {
        let done = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var result: Result<Void, any Error> = .success(())
        enqueue { write in
            result = Result { try write(batch) }
            done.signal()
        }
        done.wait()
        try result.get()
    }
}

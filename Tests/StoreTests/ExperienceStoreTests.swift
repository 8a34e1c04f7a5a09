// Steps of other controllers and embeddings, as they come back from the file.

import Agents
import Foundation
import Scaling
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct ExperienceStoreTests {
    private static func transition(at time: Double) -> ExternalTransition {
        var observation = Observation(replicas: 3)
        observation.cpuUtilization = 0.7
        observation.time = time
        var next = Observation(replicas: 4)
        next.cpuUtilization = 0.5
        next.oomKills = 1
        next.time = time + 60
        return ExternalTransition(
            time: time, controller: "keda", observation: observation,
            desired: Allocation(replicas: 4, cpuMillicores: 500, memoryBytes: 1 << 28), reward: time == 60 ? nil : 0.8,
            next: next)
    }

    @Test func stepsOfOtherControllersAreKeptOnceAndComeBackInOrder() async throws {
        try await withFolder { folder in
            try await onThread {
                let database = try Store.Database(folder: folder)
                let id = try database.insert(application: "shop-web", profile: "{}", created: 0)
                let steps = [0, 60, 120].map { Self.transition(at: $0) }
                #expect(try database.insert([steps[1], steps[0]], of: id) == 2)
                #expect(try database.insert(steps, of: id) == 1)
                #expect(try database.externalTransitions(of: id, limit: 10) == steps)
                #expect(try database.externalTransitions(of: id, limit: 2) == Array(steps.suffix(2)))
                try database.delete(application: id)
                #expect(try database.externalTransitions(of: id, limit: 10).isEmpty)
                try database.shutDown()
            }
        }
    }

    @Test func embeddingsSurviveARestart() async throws {
        try await withFolder { folder in
            try await onThread {
                var database = try Store.Database(folder: folder)
                let id = try database.insert(application: "shop-web", profile: "{}", created: 0)
                let embedding = WorkloadEmbedding(
                    encoder: 3, vector: [0.25, -1, 0.5], episodes: 7, episode: 12, created: 60)
                try database.set(embedding, of: id)
                // One that was deleted meanwhile does not come back.
                try database.set(embedding, of: id + 1)
                try database.shutDown()
                database = try Store.Database(folder: folder)
                #expect(try database.embeddings() == [id: embedding])
                try database.shutDown()
            }
        }
    }
}

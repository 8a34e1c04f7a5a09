// What the client of the demo sends: numbers that JSON has, quantities, and nothing that was not measured.

import Foundation
import Scaling
import Testing

@testable import Recommender

@Suite struct DecisionClientTests {
    private func object(_ observation: Observation) throws -> [String: any Sendable] {
        let data = Data(DecisionClient.json(observation).utf8)
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: any Sendable])
    }

    @Test func leavesOutWhatWasNotMeasured() throws {
        var observation = Observation(replicas: 3)
        observation.cpuUtilization = .nan
        observation.latencySeconds = .infinity
        let object = try object(observation)
        #expect(object.keys.sorted() == ["replicas"])
        #expect(object["replicas"] as? Int == 3)
    }

    @Test func writesEveryMember() throws {
        var observation = Observation(replicas: 3)
        observation.cpuMillicores = 1500
        observation.memoryBytes = 512 << 20
        observation.cpuUtilization = 0.5
        observation.requestRate = 1e-9
        observation.oomKills = 2
        observation.time = 1_780_000_000
        observation.applied = false
        observation.done = true
        let object = try object(observation)
        #expect(object["cpuLimit"] as? String == Quantity.text(millicores: 1500))
        #expect(object["memoryLimit"] as? String == "512Mi")
        #expect(object["requestRate"] as? Double == 1e-9)
        #expect(object["oomKills"] as? Int == 2)
        #expect(object["time"] as? String == "2026-05-28T20:26:40Z")
        #expect(object["applied"] as? Bool == false && object["done"] as? Bool == true)
    }
}

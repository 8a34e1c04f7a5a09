// The closed form equals the published table, and its optimum is the one that the paper's figures imply.

import Foundation
import Neural
import Simulator
import Testing

struct TabularTests {
    private static var table: String {
        let root = ProcessInfo.processInfo.environment["AWARE_SHARED"] ?? "../shared"
        return root + "/data/profiles/aware_tabular_data_single_rl.csv"
    }

    /// Saturated rows hold arbitrary latencies (PAPER 1.6) and are compared only in what is not arbitrary.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: TabularTests.table), "the published table is not here"))
    func closedFormEqualsThePublishedTable() throws {
        let rows = try String(contentsOfFile: Self.table, encoding: .utf8).split(separator: "\n").dropFirst()
        var stable = 0
        for row in rows {
            let fields = row.split(separator: ",").compactMap { Double($0) }
            let (n, load) = (Int(fields[4]), Int(fields[5]))
            let state = TabularState(containers: n, load: load)
            #expect(abs(state.utilization - fields[0]) < 1e-9)
            guard n > 0, state.latency.isFinite else { continue }
            stable += 1
            #expect(abs(state.latency - fields[6]) < 1e-6)
            #expect(abs(state.sloPreservation - fields[1]) < 1e-6)
        }
        #expect(rows.count == 189)
        // 159 stable rows and the critical ones, loads 3 and 6 on 2 and 4 containers.
        #expect(stable == 161)
    }

    @Test func optimumIsThePapers() {
        #expect(abs(TabularOptimum.meanTotalReward(steps: 10) - 7.95) < 0.005)
        #expect(abs(TabularOptimum.meanTotalReward(steps: 200) - 188.85) < 0.005)
    }

    /// The exercise's own checks (MP3 main.py): a = (0.5, 0.7), b = (0.8, 0.7), c = (0.5, 0.9).
    @Test func rewardsOrderStatesAsTheExerciseAsks() {
        func value(_ reward: TabularReward, _ utilization: Double, _ slo: Double) -> Double {
            reward.value(utilization: utilization, sloPreservation: slo)
        }
        #expect(value(.overProvisioning, 0.5, 0.7) < value(.overProvisioning, 0.5, 0.9))
        #expect(value(.tightPacking, 0.5, 0.7) < value(.tightPacking, 0.8, 0.7))
        #expect(value(.balanced, 0.5, 0.7) < value(.balanced, 0.8, 0.7))
        #expect(value(.balanced, 0.5, 0.7) < value(.balanced, 0.5, 0.9))
    }

    @Test func punishesWhatIsIllegalOrUndesired() {
        var world = TabularEnvironment(reward: .balanced, fixedLoad: 2)
        var generator = RandomGenerator(seed: 1)
        world.reset(using: &generator)
        #expect(world.load == 2)
        #expect(world.step(2) == -1)
        #expect(world.containers == 0)
        #expect(world.step(3) == -1)
        #expect(world.step(1) > 0)
        #expect(world.step(1) > 0)
        #expect(world.step(2) == -1)
        #expect(world.containers == 1)
        #expect(world.step(0) > 0)
    }
}

// Lives of a server under a seed that drives clock, network, disk and clients: whatever happens, it keeps its promises.
//
// AWARE_TEST_SIMULATIONS sets how many seeds are tried; AWARE_SIMULATION_SEED replays one and prints what happens.

import Base
import CFaultyDisk
import Foundation
import GRDBSQLite
import Testing

@Suite(.serialized, .timeLimit(.minutes(60))) struct SimulationTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let count = environment["AWARE_TEST_SIMULATIONS"].flatMap { Int($0) } ?? 40
    private static let replayed = environment["AWARE_SIMULATION_SEED"].flatMap { UInt64($0) }
    private static let steps = 250

    /// What became of one seed.
    private struct Outcome: Sendable {
        var trace: UInt64
        var restarts: Int
        var requests: Int
        var failure: String?
        var happenings: [String]
    }

    private static func live(_ seed: UInt64) async -> Outcome {
        let root = FileManager.default.temporaryDirectory
            .appendingPathComponent("\(Life.marker)simulation-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        return await withCheckedContinuation { continuation in
            let thread = Thread {
                var outcome = Outcome(trace: 0, restarts: 0, requests: 0, failure: nil, happenings: [])
                do {
                    let life = try Life(seed: seed, root: root)
                    do {
                        try life.live(steps: steps)
                    } catch {
                        outcome.failure = "\(error)"
                    }
                    (outcome.trace, outcome.happenings) = (life.trace.value, life.happenings)
                    (outcome.restarts, outcome.requests) = (life.restarts, life.decisions)
                    life.calm()
                    life.server.settle()
                    life.server.shutDown()
                } catch {
                    outcome.failure = "\(error)"
                }
                faultydisk_begin("")
                continuation.resume(returning: outcome)
            }
            // The learners' stacks.
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    @Test func promisesAreKeptWhateverTheSeed() async {
        #expect(faultydisk_install(Life.marker) == SQLITE_OK)
        let seeds = Self.replayed.map { $0...$0 } ?? 1...UInt64(max(1, Self.count))
        var (failed, restarts, requests): ([UInt64], Int, Int) = ([], 0, 0)
        for seed in seeds {
            let outcome = await Self.live(seed)
            restarts += outcome.restarts
            requests += outcome.requests
            if Self.replayed != nil { print(outcome.happenings.joined(separator: "\n")) }
            guard let failure = outcome.failure else { continue }
            failed.append(seed)
            Issue.record(
                """
                seed \(seed) breaks a promise: \(failure)
                \(outcome.happenings.suffix(12).joined(separator: "\n"))
                Replay it with AWARE_SIMULATION_SEED=\(seed).
                """)
            if failed.count >= 5 { break }
        }
        print("\(seeds.count) seeds, \(restarts) starts, \(requests) requests, broken by \(failed)")
    }

    /// Whatever is found can be found again.
    @Test(arguments: [1, 2, 3] as [UInt64]) func aSeedAlwaysLeavesTheSameTrace(seed: UInt64) async {
        #expect(faultydisk_install(Life.marker) == SQLITE_OK)
        let (first, second) = (await Self.live(seed), await Self.live(seed))
        #expect(first.trace == second.trace)
        #expect(first.happenings == second.happenings)
        let other = await Self.live(seed + 1000)
        #expect(first.trace != other.trace)
    }
}

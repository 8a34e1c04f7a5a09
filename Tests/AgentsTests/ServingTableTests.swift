// Publishing: the next request of every thread sees it, and never anything older than what it saw before.

import Learning
import Scaling
import Synchronization
import Testing

@testable import Agents

@Suite(.timeLimit(.minutes(5))) struct ServingTableTests {
    private static func assignment(_ version: Int) -> ActivePolicy {
        ActivePolicy(stage: .online, policy: nil, version: version, explores: true, rulesReward: nil)
    }

    @Test func aCacheSeesWhatWasPublishedLast() {
        let table = ServingTable()
        var cache = ServingTable.Cache(of: table)
        #expect(cache.activePolicy(of: 5) == nil)
        table.publish(Self.assignment(1), for: 5)
        #expect(cache.activePolicy(of: 5)?.version == 1)
        table.publish(Self.assignment(2), for: 700)
        #expect(cache.activePolicy(of: 700)?.version == 2 && cache.activePolicy(of: 5)?.version == 1)
        #expect(cache.activePolicy(of: 100_000) == nil)
        table.publish(nil, for: 5)
        #expect(cache.activePolicy(of: 5) == nil && table.activePolicy(of: 700)?.version == 2)
    }

    @Test func equalPoliciesAreHeldOnceAndGoWithTheLastThatHasThem() throws {
        let table = ServingTable()
        func publish(_ seed: UInt64, for id: Int64) {
            var active = Self.assignment(1)
            active.policy = Policy(shape: PolicyShape(observationSize: 4, heads: [3]), seed: seed)
            table.publish(active, for: id)
        }
        for id in 1...200 { publish(UInt64(id % 2), for: Int64(id)) }
        let even = try #require(table.activePolicy(of: 2)?.policy)
        let odd = try #require(table.activePolicy(of: 1)?.policy)
        #expect(even !== odd && even.parameters != odd.parameters)
        for id in 1...200 { #expect(table.activePolicy(of: Int64(id))?.policy === (id % 2 == 0 ? even : odd)) }
        publish(7, for: 300)
        weak var gone = table.activePolicy(of: 300)?.policy
        #expect(gone != nil)
        table.publish(nil, for: 300)
        #expect(gone == nil)
        // Many that come and go leave nothing behind that counts.
        for seed in 10..<500 { publish(UInt64(seed), for: 301) }
        #expect(table.activePolicy(of: 301)?.policy?.parameters == Policy(shape: PolicyShape(observationSize: 4, heads: [3]), seed: 499).parameters)
    }

    private final class Watch: Sendable {
        let wentBack = Atomic<Bool>(false)
    }

    @Test func readersOnOtherThreadsNeverGoBack() async throws {
        let table = ServingTable()
        let last = 20_000
        let watch = Watch()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    try await onThread {
                        var cache = ServingTable.Cache(of: table)
                        var seen = 0
                        while seen < last {
                            let version = cache.activePolicy(of: 3)?.version ?? 0
                            if version < seen { watch.wentBack.store(true, ordering: .relaxed) }
                            seen = version
                        }
                    }
                }
            }
            group.addTask {
                try await onThread { for version in 1...last { table.publish(Self.assignment(version), for: 3) } }
            }
            try await group.waitForAll()
        }
        let wentBack = watch.wentBack.load(ordering: .relaxed)
        #expect(!wentBack)
    }
}

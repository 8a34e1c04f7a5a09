// Somebody sets the machine's clock, by years and both ways: episodes, pins and what is known of an application bear it.

import Deciding
import Logging
import Scaling
import Store
import Synchronization
import Testing

@testable import Agents
@testable import Operations

@Suite(.timeLimit(.minutes(5))) struct ClockTests {
    private static let year = 31_557_600.0
    private static let start = 1_780_000_000.0

    /// A machine's clocks.
    private final class Machine: Sendable {
        let wall = Mutex(start)
        let monotonic = Mutex(1000.0)

        func clock() -> Clock {
            Clock(followsObservations: false, wall: { self.wall.withLock { $0 } }, monotonic: { self.monotonic.withLock { $0 } })
        }

        func pass(_ seconds: Double) {
            wall.withLock { $0 += seconds }
            monotonic.withLock { $0 += seconds }
        }
    }

    @Test func noEpisodeEndsBeforeItStarts() throws {
        var profile = Profile()
        profile.episodeSteps = 4
        let table = ServingTable()
        let agent = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: 1)
        try agent.restore(state: nil, decisions: [], policy: nil)
        var context = DecisionContext(table: table)
        var (summaries, since): ([EpisodeSummary], [Decision]) = ([], [])
        for (index, jump) in [0, -10, 10, -1, 1, -30, 0, 30, -10, 10, 0, -1, 1, -10, 0, 0, 10].enumerated() {
            for step in 0..<2 {
                let seq = Int64(1 + 2 * index + step)
                let time = Self.start + Double(jump) * Self.year + Double(60 * step)
                let result = agent.decide(
                    .make(cpu: 0.4 + Double(seq % 7) / 20), at: time, clientID: nil, warnings: [], isDryRun: false,
                    context: &context, sequence: { seq })
                guard case .decided(let decision, let closed) = result else { throw Subject.Unanswered() }
                since.append(decision)
                if let closed {
                    summaries.append(closed.summary)
                    since = []
                    // And after a restart at any point of it.
                    try agent.restore(state: closed.state, decisions: since, policy: nil)
                }
            }
        }
        #expect(summaries.count == 8)
        #expect(summaries.allSatisfy { $0.started <= $0.ended && $0.started > 0 })
        #expect(summaries.map(\.number) == Array(1...8))
    }

    /// What was learned of an application outlives a clock that is set and set right again, and what comes next is learned, too.
    @Test(arguments: [10, -10, 40, -25]) func whatIsKnownOutlivesAJump(years: Int) {
        func live(_ jump: Double) -> (core: DecisionCore, answers: [Allocation]) {
            var (core, answers) = (DecisionCore(Profile()), [Allocation]())
            var current = Allocation(replicas: 4, cpuMillicores: 512, memoryBytes: 1 << 30)
            for minute in 0..<4000 {
                let isAway = (1500..<1600).contains(minute)
                var seen = Observation.make(
                    replicas: current.replicas, cpu: 0.6 + 0.1 * Double((minute * 7) % 11) / 11, rate: 90 + Double(minute % 13))
                // What was needed once, long before the jump, must not be forgotten; what is needed after it must be seen.
                let used = minute == 300 ? 0.9 : minute > 2000 ? 0.7 : 0.4 + Double(minute % 5) / 100
                seen.memoryUtilization = used * Double(1 << 30) / Double(current.memoryBytes)
                (seen.cpuMillicores, seen.memoryBytes, seen.oomKills) = (current.cpuMillicores, current.memoryBytes, 0)
                let perception = core.perceive(seen, at: Self.start + Double(60 * minute) + (isAway ? jump * Self.year : 0))
                let settled = core.settle(perception, proposed: nil)
                current = settled.guarded.allocation
                if minute > 2500 { answers.append(current) }
            }
            return (core, answers)
        }
        let (calm, jumped) = (live(0), live(Double(years)))
        let needs = (calm.core.knowledge(at: 0).memoryFloor ?? 0, jumped.core.knowledge(at: 0).memoryFloor ?? 0)
        #expect(needs.0 > 900 << 20)
        // A peak counts a little less with each day of its age, and a jump may pass for a week.
        #expect(abs(needs.0 - needs.1) <= needs.0 / 20, "\(needs)")
        let same = zip(calm.answers, jumped.answers).filter { $0.replicas == $1.replicas && abs($0.memoryBytes - $1.memoryBytes) <= 128 << 20 }
        #expect(same.count >= calm.answers.count * 95 / 100, "\(same.count) of \(calm.answers.count) answers are the same")
    }

    /// A pin lasts as long as it was meant to; after a restart nothing is known but the machine's clock.
    @Test(arguments: [10, -10]) func pinsGoByAClockThatNobodySets(years: Int) async throws {
        try await withDatabase { database in
            try await onThread {
                let (machine, table, registry) = (Machine(), ServingTable(), AgentRegistry())
                let id = try database.insert(application: "shop-web", profile: "{}", created: 0)
                let agent = Agent(id: id, name: "shop-web", created: 0, profile: Profile(), revision: 1, seed: 1)
                try agent.restore(state: nil, decisions: [], policy: nil)
                registry.add(agent)
                let clock = machine.clock()
                let controls = try OperatorControls(store: database, registry: registry, clock: clock, log: .silent)
                var context = DecisionContext(table: table)
                var seq: Int64 = 0
                func decide() -> Source? {
                    seq += 1
                    let next = seq
                    let result = agent.decide(
                        .make(cpu: 0.4 + Double(seq % 7) / 20), at: clock.now, steady: clock.steady, clientID: nil, warnings: [],
                        isDryRun: false, context: &context, sequence: { next })
                    guard case .decided(let decision, _) = result else { return nil }
                    return decision.source
                }
                let action = OperatorAction(operatorName: "somebody", action: "pin", time: clock.now, reason: "a test", application: "shop-web")
                let request = PinRequest(replicas: 7, cpuMillicores: 512, memoryBytes: 512 << 20, until: nil, seconds: 600)
                try controls.pin(request, agent, by: action)
                machine.wall.withLock { $0 += Double(years) * Self.year }
                #expect(decide() == .pin && controls.pin(of: agent) != nil)
                // Whatever else an operator does meanwhile.
                try controls.change(agent, audit: action.entry()) { $0.modeReason = "another" }
                machine.pass(590)
                #expect(decide() == .pin && controls.pin(of: agent) != nil)
                machine.pass(20)
                #expect(decide() != .pin && controls.pin(of: agent) == nil)
                // What is stored is the date that was said.
                let again = try OperatorControls(store: database, registry: registry, clock: machine.clock(), log: .silent)
                #expect((again.pin(of: agent) != nil) == (years < 0))
            }
        }
    }
}

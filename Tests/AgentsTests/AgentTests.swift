// An answer is always safe: whatever is observed, and whatever a policy's numbers are.

@testable import Deciding
import Learning
import Scaling
import Testing

@testable import Agents

@Suite(.timeLimit(.minutes(5))) struct AgentTests {
    private static func decide(
        _ agent: Agent, _ observation: Observation, at time: Double, seq: Int64, _ context: inout DecisionContext,
        id: String? = nil, isDryRun: Bool = false
    ) throws -> Decision {
        let result = agent.decide(
            observation, at: time, clientID: id, warnings: [], isDryRun: isDryRun, context: &context, sequence: { seq })
        guard case .decided(let decision, _) = result else { throw Subject.Unanswered() }
        return decision
    }

    private static func agent(_ profile: Profile = Profile(), table: ServingTable, _ assignment: ActivePolicy? = nil)
        throws -> Agent
    {
        if let assignment { table.publish(assignment, for: 1) }
        let agent = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: 3)
        try agent.restore(state: nil, decisions: [], policy: nil)
        return agent
    }

    struct Weights: Sendable, CustomTestStringConvertible {
        var scale: Float
        var poison: Float?
        var testDescription: String { "weights up to \(scale), some \(poison.map { "\($0)" } ?? "no worse")" }
    }
    static let weights = [
        Weights(scale: 0.1), Weights(scale: 10), Weights(scale: 1e30), Weights(scale: 0.3, poison: .nan),
        Weights(scale: 0.3, poison: .infinity), Weights(scale: 0.3, poison: -.infinity),
    ]

    @Test(arguments: weights, [Stage.offline, .online, .serving])
    func noAnswerIsOutsideTheLimits(weights: Weights, stage: Stage) throws {
        var dice = Dice(seed: UInt64(weights.scale.bitPattern) ^ UInt64(stage.rawValue.count))
        for round in 0..<4 {
            var profile = Profile()
            profile.minReplicas = 1 + dice.below(5)
            profile.maxReplicas = profile.minReplicas + dice.below(20)
            profile.cpu.max = profile.cpu.min + dice.below(4000)
            profile.episodeSteps = 5
            profile.objective = [.latency(seconds: 0.5, percentile: 99), .throughput(perSecond: 50), .none][round % 3]
            let table = ServingTable()
            let policy = Policy.random(seed: dice.next(), scale: weights.scale, poison: weights.poison)
            let agent = try Self.agent(
                profile, table: table,
                ActivePolicy(stage: stage, policy: policy, version: 1, explores: stage == .online, rulesReward: 0.5))
            var context = DecisionContext(table: table)
            var time = 1_780_000_000.0
            for seq in Int64(1)...250 {
                time += [60, 60, 60, 1, 0, -30, 4000][dice.below(7)]
                let observation = dice.wildObservation(time: time)
                let decision = try Self.decide(agent, observation, at: time, seq: seq, &context)
                // An application that somebody switched off stays off; everything else is within the limits.
                var answer = decision.desired
                if decision.reason == .autoscalingOff { answer.replicas = profile.minReplicas }
                #expect(profile.clamp(answer) == answer, "\(decision.desired) for \(observation)")
                #expect(decision.experience.state.allSatisfy { $0.isFinite })
                #expect(decision.reward.map { $0.isFinite } ?? true)
                if weights.poison != nil { #expect(decision.source != .policy, "numbers that are none must not act") }
                // And it can be stored and read back.
                let copy = try DecisionRecord.decode(
                    DecisionRecord.encode(decision), seq: decision.seq, application: 1, previous: decision.previous,
                    time: decision.time, episode: decision.episode, step: decision.step, reward: decision.reward)
                #expect(copy.desired == decision.desired && copy.guards == decision.guards)
            }
        }
    }

    @Test(arguments: [UInt64](1...8)) func nothingIsTakenAwayOnBadData(seed: UInt64) throws {
        let table = ServingTable()
        let policy = Policy.random(seed: seed, scale: 3)
        let agent = try Self.agent(
            table: table, ActivePolicy(stage: .serving, policy: policy, version: 1, explores: false, rulesReward: 0.5))
        var context = DecisionContext(table: table)
        var dice = Dice(seed: seed)
        var time = 1_780_000_000.0
        for seq in Int64(1)...300 {
            time += 60
            let replicas = 1 + dice.below(18)
            var observation = Observation.make(
                replicas: replicas, cpu: dice.uniform(), latency: 0.1, rate: 100 * dice.uniform())
            observation.cpuMillicores = 512
            observation.memoryBytes = 512 << 20
            let isBad = dice.below(3) == 0
            if isBad {
                switch dice.below(5) {
                case 0: observation = Observation(replicas: replicas)
                case 1: observation.cpuUtilization = .nan
                case 2: observation.latencySeconds = -1
                case 3: observation.time = time - 600
                default: observation.cpuUtilization = nil
                }
            }
            let before = agent.status(nil).allocation
            let decision = try Self.decide(agent, observation, at: time, seq: seq, &context)
            guard isBad else { continue }
            if observation.time != nil {
                #expect(before == nil || decision.desired == before, "an old observation says nothing of what runs")
            } else {
                #expect(decision.desired.replicas >= decision.current.replicas, "\(observation)")
                #expect(decision.source != .hold || decision.desired.replicas >= before?.replicas ?? 0)
            }
            // More replicas than were answered may be a rolling update's: what that carries out is not turned back.
            let isUpdating = before.map { replicas > $0.replicas } ?? false
            #expect(decision.desired.cpuMillicores >= decision.current.cpuMillicores || isUpdating && decision.desired.cpuMillicores == before?.cpuMillicores)
            #expect(decision.desired.memoryBytes >= decision.current.memoryBytes || isUpdating && decision.desired.memoryBytes == before?.memoryBytes)
            #expect(!decision.warnings.isEmpty, "it says so")
        }
    }

    @Test func oneEpisodeInTenIsTheRulesForComparison() throws {
        var profile = Profile()
        profile.episodeSteps = 3
        let table = ServingTable()
        let agent = try Self.agent(
            profile, table: table,
            ActivePolicy(
                stage: .serving, policy: .random(seed: 1, scale: 0.1), version: 4, explores: false, rulesReward: 0.5))
        var context = DecisionContext(table: table)
        var controllers: [EpisodeSummary.Controller] = []
        for seq in Int64(1)...120 {
            let decision = try Self.decide(agent, .make(), at: 1_780_000_000 + 60 * Double(seq), seq: seq, &context)
            #expect(decision.exploring == false)
            if decision.step == 0 { controllers.append(decision.controller) }
            if decision.controller == .control { #expect(decision.source != .policy) }
        }
        #expect(controllers.count == 40)
        #expect(controllers.filter { $0 == .control }.count == 4 && !controllers.contains(.rules))
    }

    @Test func aDryRunLeavesTheAgentAsItWas() throws {
        let table = ServingTable()
        let agent = try Self.agent(table: table)
        var context = DecisionContext(table: table)
        let first = try Self.decide(agent, .make(), at: 60, seq: 1, &context, id: "a")
        let dry = try Self.decide(agent, .make(cpu: 1.2), at: 120, seq: 9, &context, id: "b", isDryRun: true)
        #expect(dry.seq == 0 && dry.step == 1)
        #expect(agent.status(nil).decisions == 1 && agent.seq(ofClientID: "b") == nil)
        let second = try Self.decide(agent, .make(cpu: 1.2), at: 120, seq: 2, &context)
        #expect(second.desired == dry.desired && second.previous == first.seq && second.step == 1)
        let again = agent.decide(
            .make(), at: 180, clientID: "a", warnings: [], isDryRun: false, context: &context, sequence: { 3 })
        guard case .repeated(seq: 1) = again else {
            Issue.record("a known id must be recognised")
            return
        }
    }

    @Test func afterAFailureItDecidesNothingUntilItIsLoadedAgain() throws {
        let table = ServingTable()
        let agent = try Self.agent(table: table)
        var context = DecisionContext(table: table)
        let first = try Self.decide(agent, .make(), at: 60, seq: 1, &context)
        _ = try Self.decide(agent, .make(cpu: 1.3), at: 120, seq: 2, &context)
        agent.invalidate()
        #expect(throws: Subject.Unanswered.self) { try Self.decide(agent, .make(), at: 180, seq: 3, &context) }
        try agent.restore(state: nil, decisions: [first], policy: nil)
        let next = try Self.decide(agent, .make(), at: 180, seq: 4, &context)
        #expect(next.previous == 1 && next.step == 1)
    }

    /// Two loops decided, and the process died between their commits: the decision that closed an episode is missing, and nobody
    /// was answered with it. Episodes and steps go on from the one that is there.
    @Test func aMissingLinkRepeatsNoEpisodeAndNoStep() throws {
        var profile = Profile()
        profile.episodeSteps = 3
        let table = ServingTable()
        let agent = try Self.agent(profile, table: table)
        var context = DecisionContext(table: table)
        let decisions = try (1...5).map { seq in
            try Self.decide(agent, .make(cpu: 0.4 + Double(seq) / 20), at: Double(60 * seq), seq: Int64(seq), &context)
        }
        #expect(decisions.map(\.episode) == [1, 1, 1, 2, 2] && decisions.map(\.step) == [0, 1, 2, 0, 1])
        try agent.restore(state: nil, decisions: Array(decisions[..<3]) + [decisions[4]], policy: nil)
        let next = try Self.decide(agent, .make(cpu: 0.7), at: 360, seq: 6, &context)
        #expect(next.episode == 2 && next.step == 2 && next.previous == 5)
    }

    /// State saved in the middle and decisions replayed on top give the same answers as never having stopped.
    @Test(arguments: [UInt64](1...4)) func replayingGivesTheSameState(seed: UInt64) throws {
        var profile = Profile()
        profile.episodeSteps = 7
        let table = ServingTable()
        let whole = try Self.agent(
            profile, table: table,
            ActivePolicy(
                stage: .online, policy: .random(seed: seed, scale: 0.5), version: 1, explores: true, rulesReward: 0.5))
        var context = DecisionContext(table: table)
        var dice = Dice(seed: seed)
        var time = 1_780_000_000.0
        var saved: [UInt8]?
        var since: [Decision] = []
        for seq in Int64(1)...150 {
            time += 60
            let observation = dice.acceptedObservation(time: time)
            let resumed = Agent(id: 1, name: "shop-web", created: 0, profile: profile, revision: 1, seed: 3)
            try resumed.restore(state: saved, decisions: since, policy: table.activePolicy(of: 1)?.policy)
            let copy = try Self.decide(resumed, observation, at: time, seq: seq, &context)
            let result = whole.decide(
                observation, at: time, clientID: nil, warnings: [], isDryRun: false, context: &context,
                sequence: { seq })
            guard case .decided(let decision, let closed) = result else { throw Subject.Unanswered() }
            try #require(copy == decision, "decision \(seq)")
            if let closed {
                saved = closed.state
                since = []
            } else {
                since.append(decision)
            }
        }
    }
}

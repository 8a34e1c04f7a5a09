// A decision's stored form, its id, and what training makes of a chain of decisions.

@testable import Deciding
import Learning
import Scaling
import Testing

@testable import Agents

extension Decision {
    /// An ordinary decision; tests change what they are about.
    static var sample: Decision {
        let three = Allocation(replicas: 3, cpuMillicores: 512, memoryBytes: 512 << 20)
        return Decision(
            seq: 2, clientID: nil, application: 1, previous: 1, time: 1_780_000_000, episode: 1, step: 1,
            observation: .make(), stage: .offline, source: .rules, modelVersion: 0, controller: .rules, exploring: false,
            current: three, proposed: three, desired: three, reason: .allCases[0], reward: 0.8, policy: nil,
            rules: three,
            guards: [], warnings: [],
            experience: Experience(
                state: [Float](repeating: 0.1, count: StateEncoder.count), mask: .max,
                action: ActionSpace.standard.noop, logProbability: 0, value: 0, memory: []))
    }

    /// Everything that a record holds drawn at random, as far as it can be stored.
    static func random(_ dice: inout Dice) -> Decision {
        func allocation() -> Allocation {
            Allocation(
                replicas: dice.below(1000), cpuMillicores: dice.below(100_000), memoryBytes: dice.below(1 << 40))
        }
        func word(_ letters: Int) -> String {
            String((0..<letters).map { _ in "aé1-\u{1F600}".randomElement(using: &dice)! })
        }
        func maybe() -> Double? { dice.below(2) == 0 ? nil : dice.uniform() * 1e6 - 100 }
        var decision = Decision.sample
        decision.clientID = dice.below(2) == 0 ? nil : word(1 + dice.below(20))
        decision.observation = Observation(replicas: dice.below(100_000))
        decision.observation.cpuUtilization = maybe()
        decision.observation.memoryUtilization = maybe()
        decision.observation.latencySeconds = maybe()
        decision.observation.sloPreservation = maybe()
        decision.observation.requestRate = maybe()
        decision.observation.throughput = maybe()
        decision.observation.networkUtilization = maybe()
        decision.observation.ioUtilization = maybe()
        decision.observation.throttledRatio = maybe()
        decision.observation.time = maybe()
        decision.observation.reward = maybe()
        decision.observation.cpuMillicores = maybe().map { Int($0) }
        decision.observation.memoryBytes = maybe().map { Int($0) }
        decision.observation.readyReplicas = maybe().map { Int($0) }
        decision.observation.oomKills = maybe().map { Int($0) }
        decision.observation.applied = dice.below(2) == 0
        decision.observation.done = dice.below(2) == 0
        decision.stage = .allCases.randomElement(using: &dice)!
        decision.source = .allCases.randomElement(using: &dice)!
        decision.controller = .allCases.randomElement(using: &dice)!
        decision.modelVersion = dice.below(1 << 30)
        decision.exploring = dice.below(2) == 0
        decision.current = allocation()
        decision.proposed = allocation()
        decision.desired = allocation()
        decision.rules = allocation()
        decision.reason = .allCases.randomElement(using: &dice)!
        decision.reward = maybe()
        if dice.below(2) == 0 {
            decision.policy = .init(allocation: allocation(), probability: dice.uniform(), value: -3.5)
        }
        decision.warnings = (0..<dice.below(5)).map { _ in word(dice.below(40)) }
        decision.experience = Experience(
            state: (0..<dice.below(80)).map { _ in Float(dice.uniform()) },
            mask: UInt32(truncatingIfNeeded: dice.next()),
            action: Action((0..<1 + dice.below(3)).map { _ in dice.below(256) }),
            logProbability: -Float(dice.uniform()),
            value: Float(dice.uniform()), memory: (0..<dice.below(40)).map { _ in Float(dice.uniform()) })
        return decision
    }
}

@Suite struct DecisionTests {
    private static func decode(_ bytes: [UInt8], _ decision: Decision) throws -> Decision {
        try DecisionRecord.decode(
            bytes, seq: decision.seq, application: decision.application, previous: decision.previous,
            time: decision.time, episode: decision.episode, step: decision.step, reward: decision.reward)
    }

    @Test func everyFieldSurvivesItsRecord() throws {
        var dice = Dice(seed: 5)
        for _ in 0..<500 {
            let decision = Decision.random(&dice)
            #expect(try Self.decode(DecisionRecord.encode(decision), decision) == decision)
        }
    }

    @Test func noRecordThatWasTamperedWithIsReadOrTraps() throws {
        var dice = Dice(seed: 6)
        for _ in 0..<200 {
            let decision = Decision.random(&dice)
            let bytes = DecisionRecord.encode(decision)
            #expect(throws: (any Error).self) {
                try Self.decode(Array(bytes.prefix(dice.below(bytes.count))), decision)
            }
            var flipped = bytes
            flipped[dice.below(bytes.count)] ^= UInt8(1 << dice.below(8))
            #expect(throws: DecisionRecord.Failure.checksum) { try Self.decode(flipped, decision) }
        }
        #expect(throws: (any Error).self) { try Self.decode([], .sample) }
    }

    @Test func idsAreSortedByTimeAndLeadBack() {
        var dice = Dice(seed: 7)
        for _ in 0..<1000 {
            let seq = Int64(dice.next() >> UInt64(1 + dice.below(60)))
            let time = dice.uniform() * 4e9
            let id = DecisionID.text(time: time, seq: seq)
            #expect(id.utf8.count == DecisionID.length && DecisionID.seq(of: id) == seq)
            #expect(DecisionID.text(time: time + 1, seq: 0) > id)
        }
        #expect(DecisionID.text(time: 100, seq: 31) < DecisionID.text(time: 100, seq: 32))
        for wrong in [
            "", "01J", String(repeating: "U", count: 26), String(repeating: "Z", count: 26),
            DecisionID.text(time: 1, seq: 1) + "0",
        ] {
            #expect(DecisionID.seq(of: wrong) == nil, "\(wrong)")
        }
        #expect(DecisionID.text(time: .nan, seq: 1).utf8.count == 26)
        #expect(DecisionID.text(time: -.infinity, seq: .max).utf8.count == 26)
    }
}

@Suite struct EpisodeAssemblyTests {
    /// Decisions of one episode and the one that closes it; step i is observed at utilisation i/10 one decision later.
    private static func chain(_ count: Int) -> [Decision] {
        (0..<count).map { index in
            var decision = Decision.sample
            decision.seq = Int64(index + 1)
            decision.step = index
            decision.observation = .make(cpu: Double(index) / 10, latency: 0.1)
            decision.observation.memoryUtilization = Double(index) / 10
            decision.experience.value = Float(index)
            decision.experience.action = Action([index % 8, index % 5, index % 5])
            return decision
        }
    }

    private static var plain: Profile {
        var profile = Profile()
        profile.reward.violation = 0
        profile.reward.replicaChange = 0
        profile.reward.resize = 0
        profile.reward.unusedCpu = 0
        return profile
    }

    @Test func aStepEarnsWhatTheNextObservationTells() throws {
        let episode = try #require(EpisodeAssembly.episode(from: Self.chain(5), profile: Self.plain))
        #expect(episode.count == 4)
        // The objective is met: what is left is the bill over what the load needs, and the price of changes.
        let (chain, objective) = (Self.chain(5), BillObjective())
        for (index, reward) in episode.rewards.enumerated() {
            var step = BillObjective.Step()
            let (made, next) = (chain[index], chain[index + 1].observation)
            step.replicasChanged = made.desired.replicas != made.current.replicas
            step.resized =
                made.desired.cpuMillicores != made.current.cpuMillicores
                || made.desired.memoryBytes != made.current.memoryBytes
            let need = try #require(objective.hourlyNeed(next, made.desired))
            step.relativeBill = objective.hourlyBill(made.desired) / need
            #expect(abs(Double(reward) + objective.cost(step)) < 1e-4)
        }
        #expect(episode.actions == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
        #expect(episode.values == [0, 1, 2, 3] && episode.bootstrapValue == 4 && !episode.terminated)
        #expect(episode.observations.count == 4 * StateEncoder.count)
        #expect(episode.isValid(for: ApplicationLearner.shape))
    }

    @Test func whatCannotBeMeasuredCountsAsTheMean() throws {
        var chain = Self.chain(5)
        chain[2].observation.applied = false
        chain[4].observation.done = true
        let episode = try #require(EpisodeAssembly.episode(from: chain, profile: Self.plain))
        let known = [0, 2, 3].map { episode.rewards[$0] }
        #expect(abs(episode.rewards[1] - known.reduce(0, +) / 3) < 1e-6)
        #expect(episode.terminated)
    }

    @Test func anEpisodeThatTaughtNothingIsLeftOut() {
        #expect(EpisodeAssembly.episode(from: [], profile: Profile()) == nil)
        #expect(EpisodeAssembly.episode(from: Self.chain(1), profile: Profile()) == nil)
        let unknown = Self.chain(4).map { decision in
            var decision = decision
            decision.observation.applied = false
            return decision
        }
        #expect(EpisodeAssembly.episode(from: unknown, profile: Profile()) == nil)
    }
}

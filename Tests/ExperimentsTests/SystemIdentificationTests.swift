// What is fitted to the record of a simulated application is near to what the application is.

@testable import Deciding
@testable import Agents
import Scaling
import Testing

@testable import ClusterModel
@testable import Experiments

@Suite struct SystemIdentificationTests {
    /// The rules on one application for `count` steps.
    private static func record(_ application: SyntheticApplication, steps count: Int, seed: UInt64) -> [RecordedStep] {
        let profile = application.profile
        let load = LoadLevel.scale(
            LoadGenerator.window(steps: count, seed: seed), to: 0.4, of: application.capacity(profile: profile))
        var cluster = Cluster(application: application, profile: profile, seed: seed)
        var rules = DecisionController(rulesOf: profile, fixedCpu: application.defaultSize.cpuMillicores)
        var steps: [RecordedStep] = []
        for step in 0..<count {
            let current = cluster.allocation
            let desired = steps.last.map { rules.decide($0.observation, current: current) } ?? current
            let outcome = cluster.step(desired: desired, load: load[step * 12..<(step + 1) * 12])
            steps.append(RecordedStep(allocation: cluster.allocation, observation: outcome.observation))
        }
        return steps
    }

    @Test func findsCostsOfGeneratedApplications() throws {
        for application in SyntheticApplication.split(seed: 1).test.prefix(8) {
            let steps = Self.record(application, steps: 600, seed: 3)
            let fitted = try #require(SystemIdentification.fit(steps, profile: application.profile)).service
            let truth = application.service
            #expect(abs(fitted.cpuSeconds / truth.cpuSeconds - 1) < 0.1, "\(application.name): work")
            // Memory at eight requests in flight; the two constants trade off against each other.
            let (modelled, real) = (
                fitted.baseBytes + 8 * fitted.bytesPerRequest, truth.baseBytes + 8 * truth.bytesPerRequest
            )
            #expect(abs(modelled / real - 1) < 0.3, "\(application.name): memory")
            // Idle time at the recorded size: I/O and parallelism trade off as well.
            let (idle, trueIdle) = (fitted.meanLatency(cores: 1, load: 0.3), truth.meanLatency(cores: 1, load: 0.3))
            #expect(abs(idle / trueIdle - 1) < 0.35, "\(application.name): latency")
        }
    }

    @Test func whatWasNotMeasuredIsNotInvented() {
        let application = SyntheticApplication.split(seed: 1).test[0]
        let steps = Self.record(application, steps: 200, seed: 3)
        func without(_ forget: (inout Observation) -> Void) -> [RecordedStep] {
            steps.map { step in
                var step = step
                forget(&step.observation)
                return step
            }
        }
        func replay(_ steps: [RecordedStep]) -> FittedReplay? {
            FittedReplay(
                steps, profile: application.profile, fixedCpu: nil, warmUpSteps: 20, windowSteps: 20, seed: 1)
        }
        #expect(replay(steps)?.windows == 9)
        #expect(replay(Array(steps.prefix(20))) == nil)
        #expect(replay(without { ($0.requestRate, $0.throughput) = (nil, nil) }) == nil)
        #expect(replay(without { $0.cpuUtilization = nil }) == nil)
        #expect(replay(without { $0.memoryUtilization = .nan }) == nil)
        #expect(replay(without { $0.latencySeconds = nil }) != nil, "an objective without latency can be replayed")
    }

    /// Latencies that say nothing was missed where the load says that much was: whoever believed the fit would pay for the cure of
    /// misses that never were.
    @Test func aFitThatMissesWhereNothingWasMissedIsRefused() throws {
        let application = SyntheticApplication.split(seed: 1).test[0]
        var steps = Self.record(application, steps: 400, seed: 3)
        let latencies = steps.compactMap(\.observation.latencySeconds).sorted()
        // Missed in every second step, clearly in every tenth.
        let objective = latencies[latencies.count / 2]
        try #require(latencies[latencies.count * 9 / 10] > 1.25 * objective)
        var profile = application.profile
        profile.objective = .latency(seconds: objective, percentile: 99)
        func replay() -> FittedReplay? {
            FittedReplay(steps, profile: profile, fixedCpu: nil, warmUpSteps: 20, windowSteps: 20, seed: 1)
        }
        #expect(replay() != nil, "what was missed was measured")
        for index in steps.indices { steps[index].observation.latencySeconds.map { steps[index].observation.latencySeconds = min($0, 0.9 * objective) } }
        #expect(replay() == nil, "and now it was not")
    }

    /// A controller that gives 1.05 times what a minute's mean needs is killed for the peaks within the minute.
    @Test func whatKilledReplicasIsPartOfTheModel() throws {
        var killed = 0
        for application in SyntheticApplication.split(seed: 1).test.prefix(4) {
            let profile = application.profile
            var loads = LoadGenerator.Options()
            loads.burstsPerHour = 30
            let load = LoadLevel.scale(
                LoadGenerator.window(steps: 400, seed: 4, options: loads), to: 0.4,
                of: application.capacity(profile: profile))
            var cluster = Cluster(application: application, profile: profile, seed: 5)
            var rules = DecisionController(rulesOf: profile, fixedCpu: application.defaultSize.cpuMillicores)
            var steps: [RecordedStep] = []
            for step in 0..<400 {
                var desired = steps.last.map { rules.decide($0.observation, current: cluster.allocation) }
                if let last = steps.last, let used = last.observation.memoryUtilization {
                    desired?.memoryBytes = Int(1.05 * used * Double(last.allocation.memoryBytes))
                }
                let outcome = cluster.step(
                    desired: desired ?? cluster.allocation, load: load[step * 12..<(step + 1) * 12])
                steps.append(RecordedStep(allocation: cluster.allocation, observation: outcome.observation))
            }
            let replay = try #require(
                FittedReplay(steps, profile: profile, fixedCpu: 1024, warmUpSteps: 50, windowSteps: 25, seed: 1))
            // The same allocations under the replayed load: about as many steps with kills as there were.
            var again = Cluster(service: replay.application.service, profile: profile, initial: replay.initial, seed: 1)
            var (recorded, replayed) = (0, 0)
            for (index, step) in steps.enumerated() {
                let outcome = again.step(desired: step.allocation, load: replay.load[index * 12..<(index + 1) * 12])
                recorded += (step.observation.oomKills ?? 0) > 0 ? 1 : 0
                replayed += outcome.oomKills > 0 ? 1 : 0
            }
            killed += recorded
            if recorded > 5 { #expect(replayed * 2 > recorded && replayed < 2 * recorded, "\(application.name)") }
        }
        #expect(killed > 20)
    }

    @Test func theReplayOfTheRulesEarnsWhatTheyEarned() throws {
        for application in SyntheticApplication.split(seed: 1).test.prefix(6) {
            let steps = Self.record(application, steps: 600, seed: 8)
            let replay = try #require(
                FittedReplay(
                    steps, profile: application.profile, fixedCpu: application.defaultSize.cpuMillicores,
                    warmUpSteps: 50, windowSteps: 25, seed: 1))
            let recorded = steps.dropFirst(50).compactMap { Reward.step($0.observation, application.profile).value }
            let mean = recorded.reduce(0, +) / Double(recorded.count)
            let rules = replay.rules().windows
            let replayed = rules.reduce(0) { $0 + $1.reward } / Double(rules.count)
            #expect(abs(replayed - mean) < 0.03, "\(application.name)")
            #expect(replay.rules().windows == rules, "the same replay twice")
        }
    }
}

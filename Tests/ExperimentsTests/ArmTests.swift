// Arms: what each does, that calibration is honest, and that the ceiling is one.

@testable import Base
@testable import Deciding
import Learning
import Neural
import Scaling
import Testing

@testable import ClusterModel
@testable import Experiments

private func scenario(applications: Int = 2, seed: UInt64 = 5) -> Scenario {
    let rows = (0..<600).map { minute -> Double? in
        let wave = 60 * sine(Double(minute) / 15)
        return 100 + wave + Double(minute * 7919 % 13)
    }
    let rising = LoadTrace(name: "waves", intervalSeconds: 60, requests: rows)
    var scenario = Scenario(
        applications: Array(SyntheticApplication.split(seed: 1).test.prefix(applications)),
        sources: [.trace(rising), .generated(.drawn)], seed: seed)
    scenario.windows = 2
    scenario.steps = 60
    return scenario
}

private func observation(replicas: Int, cpu: Double, latency: Double) -> Observation {
    var observation = Observation(replicas: replicas)
    observation.cpuUtilization = cpu
    observation.memoryUtilization = 0.5
    observation.latencySeconds = latency
    observation.requestRate = 10
    return observation
}

@Suite struct ControllerTests {
    private let size = Allocation(replicas: 4, cpuMillicores: 1024, memoryBytes: 512 << 20)

    @Test func greedyGoesOutWhenTheObjectiveIsMissedAndInWhenOneFewerWouldDo() {
        var greedy = GreedyController(profile: Profile())
        #expect(greedy.decide(observation(replicas: 4, cpu: 0.5, latency: 0.9), current: size).replicas == 5)
        #expect(greedy.decide(observation(replicas: 4, cpu: 0.95, latency: 0.1), current: size).replicas == 5)
        #expect(greedy.decide(observation(replicas: 4, cpu: 0.3, latency: 0.1), current: size).replicas == 3)
        #expect(greedy.decide(observation(replicas: 4, cpu: 0.65, latency: 0.1), current: size) == size)
        #expect(greedy.decide(Observation(replicas: 4), current: size) == size)
    }

    @Test func randomStaysWithinTheLimits() {
        let profile = Profile()
        var random = RandomController(profile: profile, seed: 1)
        var current = size
        var seen = Set<Allocation>()
        for _ in 0..<500 {
            current = random.decide(Observation(replicas: current.replicas), current: current)
            #expect(profile.clamp(current) == current)
            seen.insert(current)
        }
        #expect(seen.count > 100)
    }

    @Test func anUntrainedPolicyStaysWithinTheLimitsAndRepeatsItself() {
        let trial = scenario().trials(application: 0, part: .test)[0]
        let policy = Policy(shape: .cluster(), seed: 1)
        func run() -> TrialResult {
            var controller = DecisionController(policy: policy, profile: trial.profile)
            return trial.run(&controller)
        }
        #expect(run() == run())
        #expect(run().steps == 60)
    }

    @Test func whatAPolicyLivesThroughIsRecordedForLearning() throws {
        let trial = scenario().trials(application: 0, part: .test)[0]
        let policy = Policy(shape: .cluster(), seed: 1)
        var controller = DecisionController(
            policy: policy, profile: trial.profile, sampling: RandomGenerator(seed: 3),
            recordsAfter: trial.warmUpSteps - 1)
        var rewards: [Double] = []
        _ = trial.run(&controller) { rewards.append($0.reward) }
        let episode = try #require(controller.episode)
        #expect(episode.count == 60 && episode.isValid(for: policy.shape))
        #expect(episode.initialMemory.contains { $0 != 0 } && episode.bootstrapValue.isFinite)
        // Priced rewards of noisy observations: below the truth, and moving with it.
        #expect(zip(episode.rewards, rewards).allSatisfy { Double($0) < $1 + 0.1 })
        var ppo = PPO(policy: policy, seed: 1)
        ppo.options.minibatch = .episodes(1)
        #expect(ppo.update([episode]).skippedEpisodes == 0)
    }

    @Test func restraintHoldsAPolicyBackAfterAChange() throws {
        let trial = scenario().trials(application: 0, part: .test)[0]
        func changes(_ policy: Policy) -> Double {
            var controller = DecisionController(policy: policy, profile: trial.profile)
            let result = trial.run(&controller)
            return result.changes + result.resizes
        }
        let policies = (1...8).map { Policy(shape: .cluster(), seed: $0) }
        let free = policies.reduce(0) { $0 + changes($1) }
        let held = policies.reduce(0) { $0 + changes($1.restrained(by: 100)) }
        #expect(held < 0.8 * free, "\(held) changes with restraint, \(free) without")
        let policy = policies[0]
        // It is stored with the weights, and forms of before it are read.
        let restrained = try Policy(decoding: policy.restrained(by: 12).encode())
        #expect(restrained.shape.restraint == 12 && restrained.parameters == policy.parameters)
        #expect(try Policy(decoding: policy.encode()).shape.restraint == 0)
    }
}

@Suite struct TrialTests {
    @Test func trainingAndTestWindowsDoNotOverlap() {
        // The load of each row is its own number, so the windows show where they come from.
        let counting = LoadTrace(name: "counting", intervalSeconds: 60, requests: (1...1000).map(Double.init))
        let training = counting.windows(count: 20, steps: 60, seed: 1, part: Scenario.Part.training.range)
        let test = counting.windows(count: 20, steps: 60, seed: 1, part: Scenario.Part.test.range)
        #expect(training.flatMap(\.self).max()! < test.flatMap(\.self).min()!)
    }

    @Test func everyControllerMeetsTheSameWorld() {
        let plan = scenario()
        #expect(
            plan.trials(application: 1, part: .test).map(\.load) == plan.trials(application: 1, part: .test).map(\.load)
        )
        #expect(plan.trials(application: 0, part: .test).count == 4)
        let other = scenario(seed: 6)
        #expect(
            plan.trials(application: 1, part: .test).map(\.load)
                != other.trials(application: 1, part: .test).map(\.load))
    }

    @Test func aChangeOfTheWorkloadHappensInTheMiddle() throws {
        var plan = scenario()
        let quiet = plan.trials(application: 0, part: .test)[0]
        plan.update = WorkloadUpdate("double", cpu: 1.5, load: 2)
        let changed = plan.trials(application: 0, part: .test)[0]
        let step = try #require(changed.update?.step)
        #expect(step == 50 && changed.load[step * 12 - 1] == quiet.load[step * 12 - 1])
        #expect(changed.load[step * 12] == 2 * quiet.load[step * 12])
        // What is done is the same until then, and needs more cores afterwards.
        func run(_ trial: Trial) -> [StepOutcome] {
            var outcomes: [StepOutcome] = []
            var rules = RulesController(profile: trial.profile, options: .kubernetesDefault)
            _ = trial.run(&rules) { outcomes.append($0) }
            return outcomes
        }
        let (before, after) = (run(quiet), run(changed))
        #expect(before[19].coreSeconds == after[19].coreSeconds)
        #expect(
            after.suffix(30).reduce(0) { $0 + $1.coreSeconds } > 1.5
                * before.suffix(30).reduce(0) { $0 + $1.coreSeconds })
        #expect(plan.trials(application: 0, part: .training).allSatisfy { $0.update == nil })
    }

    @Test func outagesOfMetricsAreSeenByControllersOnly() {
        var plan = scenario()
        plan.outagesPerHour = 6
        let trial = plan.trials(application: 0, part: .test)[0]
        #expect((5...60).contains(trial.silentSteps.count))
        struct Watcher: Controller {
            var blind = 0
            mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
                blind += observation.cpuUtilization == nil ? 1 : 0
                return current
            }
        }
        var watcher = Watcher()
        let result = trial.run(&watcher)
        #expect(watcher.blind == trial.silentSteps.filter { $0 < trial.steps - 1 }.count)
        plan.outagesPerHour = 0
        var other = Watcher()
        #expect(plan.trials(application: 0, part: .test)[0].run(&other) == result)
    }

    @Test(arguments: MissingFields.allCases) func whatNobodySendsNobodySees(_ missing: MissingFields) {
        var plan = scenario()
        plan.missing = missing
        struct Watcher: Controller {
            var seen: [Observation] = []
            mutating func decide(_ observation: Observation, current: Allocation) -> Allocation {
                seen.append(observation)
                return current
            }
        }
        for part in [Scenario.Part.training, .test] {
            var watcher = Watcher()
            _ = plan.trials(application: 0, part: part)[0].run(&watcher)
            #expect(watcher.seen.count > 50)
            #expect(watcher.seen.allSatisfy { ($0.latencySeconds == nil) == (missing != .kills) })
            #expect(watcher.seen.allSatisfy { ($0.oomKills == nil) == (missing == .kills) })
            #expect(watcher.seen.allSatisfy { ($0.requestRate == nil) == (missing == .requests) && $0.cpuUtilization != nil })
        }
    }

    @Test func warmUpIsNotCounted() {
        let trial = scenario().trials(application: 0, part: .test)[0]
        var controller = StaticController(trial.initial)
        var seen = 0
        let result = trial.run(&controller) { _ in seen += 1 }
        #expect(trial.steps == 90 && seen == 60 && result.steps == 60 && abs(result.hours - 1) < 1e-9)
    }
}

@Suite struct CalibrationTests {
    @Test func noOtherSettingOfTheGridDoesBetterOnTheTrainingWindows() {
        let plan = scenario(applications: 1)
        let trials = plan.trials(application: 0, part: .training)
        for arm in [Arm.hpaTarget, .bothCalibrated, .reference] {
            let (_, chosen, results) = arm.calibrated(for: plan.applications[0], on: trials)
            #expect(results.count >= CalibrationGrid.targets.count)
            #expect(results.allSatisfy { $0.r <= results[chosen].r })
        }
    }

    @Test func whatIsTestedOnDoesNotChangeWhatIsChosen() {
        // Two traces with the same first 55 %, where training windows come from, and nothing else in common.
        func plan(_ factor: Double) -> Scenario {
            let rows = (0..<600).map { minute -> Double? in
                let base = 100 + 60 * sine(Double(minute) / 15)
                return minute < 330 ? base : 100 + factor * Double(minute * 7919 % 97)
            }
            var plan = scenario(applications: 1)
            plan.sources = [.trace(LoadTrace(name: "waves", intervalSeconds: 60, requests: rows))]
            return plan
        }
        let (calm, wild) = (plan(0.1), plan(20))
        #expect(
            calm.trials(application: 0, part: .training).map(\.load)
                == wild.trials(application: 0, part: .training).map(\.load))
        for arm in [Arm.hpaTarget, .reference] {
            let (one, other) = (calm.play(arm, application: 0), wild.play(arm, application: 0))
            #expect(one.setting == other.setting && one.windows != other.windows)
        }
    }

    @Test func thePaperTakesTheHighestTargetThatMeetsTheObjective() {
        func result(_ violations: Double) -> TrialResult {
            var result = TrialResult()
            result.steps = 1000
            result.violations = violations
            return result
        }
        #expect(Arm.paperRules.choose([result(0), result(9), result(10), result(11)]) == 2)
        #expect(Arm.paperRules.choose([result(30), result(20), result(40)]) == 1)
    }

    @Test func everyArmHasANameOfItsOwn() {
        #expect(Set(Arm.withoutLearning.map(\.name)).count == Arm.withoutLearning.count)
        for name in EvaluationReport.calibratedRules + [EvaluationReport.ceiling] {
            #expect(Arm.withoutLearning.contains { $0.name == name })
        }
    }
}

@Suite struct PlannerTests {
    @Test func theCeilingIsAboveTheRules() throws {
        let plan = scenario()
        let arms = [Arm.fallbackDefault, .bothDefault, .greedy, .planner]
        let cells = arms.flatMap { arm in plan.applications.indices.map { plan.play(arm, application: $0) } }
        let report = try #require(EvaluationReport(cells: cells, arms: arms.map(\.name), seed: 1))
        let ceiling = try #require(report.arms.last)
        #expect(report.arms.dropLast().allSatisfy { $0.reward.mean < ceiling.reward.mean })
    }

    @Test func theFutureIsNotShownToControllers() {
        // A controller sees observations only; what `run` hands to others comes through `Clairvoyant`.
        #expect(!(RulesController(profile: Profile(), options: .kubernetesDefault) as Any is any Clairvoyant))
        #expect(PlannerController() as Any is any Clairvoyant)
    }
}

// The closed form equals the published table, and its optimum is the one that the paper's figures imply.

@testable import ClusterModel
@testable import Experiments
import Foundation
import Learning
import Neural
import Testing
@testable import Base

#if canImport(FoundationXML)
    import FoundationXML
#endif

struct TabularTests {
    private static var table: String {
        let root = ProcessInfo.processInfo.environment["AWARE_SHARED"] ?? "../shared"
        return root + "/data/profiles/aware_tabular_data_single_rl.csv"
    }

    /// Saturated rows hold arbitrary latencies (AWARE, USENIX ATC 2023) and are compared only in what is not arbitrary.
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

    private func train<Run: TabularRun>(_ run: Run, iterations: Int) -> Double {
        var run = run
        for _ in 0..<iterations { _ = run.advance() }
        return run.evaluate()
    }

    @Test(arguments: 1...5) func ppoFindsTheOptimum(seed: Int) {
        let learner = PPO(shape: TabularPresets.shape(), options: TabularPresets.ppo(steps: 10), seed: UInt64(seed))
        let run = TabularTraining(
            learner, masksIllegal: true, episodeSteps: 10, episodesPerIteration: 20, seed: UInt64(seed))
        #expect(train(run, iterations: 300) >= 7.9)
    }

    @Test func ppoFindsTheLongOptimum() {
        let learner = PPO(shape: TabularPresets.shape(), options: TabularPresets.ppo(steps: 200), seed: 1)
        let run = TabularTraining(learner, episodeSteps: 200, episodesPerIteration: 5, seed: 1)
        #expect(train(run, iterations: 200) >= 186)
    }

    @Test(arguments: 1...5) func qLearningFindsTheOptimum(seed: Int) {
        #expect(train(TabularQLearning(episodeSteps: 10, seed: UInt64(seed)), iterations: 500) >= 7.9)
    }

    @Test func rulesAreGoodAndChanceIsNot() {
        let rules = train(TabularBaseline(.rules, episodeSteps: 10, seed: 1), iterations: 1)
        let chance = train(TabularBaseline(.random, episodeSteps: 10, seed: 1), iterations: 1)
        #expect(rules > 7.5 && chance < 0)
    }

    @Test func aResumedRunGivesTheSameBytes() throws {
        func make() -> TabularTraining<PPO> {
            let learner = PPO(shape: TabularPresets.shape(), options: TabularPresets.ppo(steps: 10), seed: 2)
            return TabularTraining(learner, episodeSteps: 10, episodesPerIteration: 5, seed: 2)
        }
        var (whole, half) = (make(), make())
        for _ in 0..<10 { _ = whole.advance() }
        for _ in 0..<5 { _ = half.advance() }
        var resumed = try TabularTraining<PPO>(decoding: half.encode())
        for _ in 0..<5 { _ = resumed.advance() }
        #expect(whole.encode() == resumed.encode())
    }

    @Test func plotsAreWellFormedAndEscaped() throws {
        let plot = Plot(
            title: "a < b & c", xLabel: "x", yLabel: "y",
            lines: [.init(name: "line", points: [(0, 1), (1, .nan), (2, 3), (3, 5)])], levels: [("best", 6)])
        let parser = XMLParser(data: Data(plot.svg.utf8))
        #expect(parser.parse())
        #expect(plot.svg.contains("a &lt; b &amp; c"))
        #expect(Plot(title: "", xLabel: "", yLabel: "", lines: []).svg.contains("</svg>"))
    }
}

@Suite struct TabularTableTests {
    private static func text(_ change: (Int, Int, TabularState) -> TabularState? = { $2 }) -> String {
        var lines = ["arrival_rate,num_containers,avg_cpu_util,latency,slo_preservation"]
        for containers in 0...TabularEnvironment.maxContainers {
            for load in 0...TabularEnvironment.loads.upperBound {
                guard let state = change(containers, load, TabularState(containers: containers, load: load)) else { continue }
                let latency = state.latency.isFinite ? state.latency : 1e6
                lines.append("\(load),\(containers),\(state.utilization),\(latency),\(state.sloPreservation)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test func aTableTakesThePlaceOfTheClosedForm() throws {
        let same = try TabularTable(parsing: Self.text())
        #expect(
            abs(TabularOptimum.meanTotalReward(steps: 10, table: same) - TabularOptimum.meanTotalReward(steps: 10)) < 1e-9)
        // A world in which every state uses half of its CPU earns something else.
        let half = try TabularTable(
            parsing: Self.text { _, _, state in
                TabularState(utilization: 0.5, sloPreservation: state.sloPreservation, latency: state.latency)
            })
        #expect(TabularOptimum.meanTotalReward(steps: 10, table: half) != TabularOptimum.meanTotalReward(steps: 10))
        let rules = TabularBaseline(.rules, table: half, episodeSteps: 10, seed: 1)
        #expect(rules.episode(load: 3, steps: 10).dropFirst().allSatisfy { $0.state.utilization == 0.5 })
    }

    @Test func whatIsWrongIsSaid() {
        func problem(_ text: String) -> String {
            do {
                _ = try TabularTable(parsing: text)
                return "none"
            } catch {
                return "\(error)"
            }
        }
        #expect(problem("a,b\n").contains("no column avg_cpu_util"))
        #expect(problem(Self.text { $0 == 4 && $1 == 5 ? nil : $2 }) == "there is no row for 4 containers and arrival rate 5")
        #expect(problem(Self.text() + "x,1,1,1,1\n").contains("line 101"))
    }

    @Test func anEpisodeShowsStatesAndActions() {
        let rules = TabularBaseline(.rules, episodeSteps: 10, seed: 1)
        let episode = rules.episode(load: 4, steps: 10)
        // One container more at a time, until HPA's target of 0.7 is kept: 4 / (1.5 x 4) = 0.67.
        #expect(episode.map(\.containers) == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4])
        #expect(episode.last?.action == 0 && episode[0].action == 1)
    }
}

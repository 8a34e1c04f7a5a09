// The work behind `aware evaluate`: units spread over threads, stopped by Ctrl-C, kept in a file to go on later.

import Base
import ClusterModel
import Deciding
import Experiments
import Foundation
import Learning
import Scaling
import Synchronization

/// How one training run went: episodes, and the mean reported reward of each stretch.
struct LearningCurve: Codable, Sendable {
    var arm: String
    var episodes: [Int] = []
    var reward: [Double] = []
}

/// Plays arms on a scenario. All results so far are in `cells` at any time.
final class EvaluationRun: Sendable {
    private let scenario: Scenario
    private let jobs: Int
    private let resultsFile: String?
    private let progress: ProgressLine
    private let state = Mutex(State())
    private let stopped = Atomic(false)

    private struct State {
        var cells: [CellResult] = []
        var curves: [LearningCurve] = []
        var policies: [Int: Policy] = [:]
    }

    /// A line of the results file. Lines of other settings are left alone.
    private struct Line: Codable {
        var settings: String
        var cell: CellResult
    }

    init(scenario: Scenario, jobs: Int, resultsFile: String?, progress: ProgressLine) {
        self.scenario = scenario
        self.jobs = jobs
        self.resultsFile = resultsFile
        self.progress = progress
    }

    var cells: [CellResult] { state.withLock { $0.cells } }
    var isStopped: Bool { stopped.load(ordering: .relaxed) }

    /// Lets the units that run finish and begins no other.
    func stop() { stopped.store(true, ordering: .relaxed) }

    /// Trains one policy for each seed, across 2,000 applications that are not among the tested ones.
    func train(
        _ algorithm: TrainedAlgorithm, episodes: Int, seeds: Int, seed: UInt64, traces: [LoadTrace]
    ) async -> (arms: [Arm], curves: [LearningCurve]) {
        progress.begin("training", total: seeds * episodes)
        await inParallel(seeds) { [self] index in
            let own = seed &+ UInt64(index)
            var curriculum = ClusterCurriculum(
                applications: ClusterCurriculum.applications(
                    count: 2000, seed: 1000 &+ own, excluding: SyntheticApplication.split(seed: 1).test))
            curriculum.traces = traces
            curriculum.restartShare = scenario.dynamics.resize == .restart ? 1 : 0
            var curve = LearningCurve(arm: "\(algorithm.rawValue)-\(index + 1)")
            var stretch: [Double] = []
            var seen = 0
            /// One point of the curve for each percent.
            func report(_ done: Int, _ reward: Double) -> Bool {
                stretch.append(reward)
                if done * 100 / episodes > curve.episodes.count || done >= episodes {
                    curve.episodes.append(done)
                    curve.reward.append(stretch.reduce(0, +) / Double(stretch.count))
                    stretch = []
                }
                progress.advance(by: done - seen)
                seen = done
                return !isStopped
            }
            let policy: Policy
            switch algorithm {
            case .ppo:
                var options = ClusterTrainer.Options()
                options.episodes = episodes
                var trainer = ClusterTrainer(curriculum: curriculum, options: options, seed: own)
                trainer.run { report($0.episodes, $0.r / 100) }
                policy = trainer.policy
            case .dqn:
                let learner = DQN(shape: .cluster(recurrentSize: 0), options: ClusterPresets.dqn, seed: own)
                policy = train(learner, curriculum, episodes: episodes, seed: own, report: report)
            case .reinforce:
                let learner = REINFORCE(
                    shape: .cluster(recurrentSize: 0), options: ClusterPresets.reinforce(episodes: episodes), seed: own)
                policy = train(learner, curriculum, episodes: episodes, seed: own, report: report)
            }
            guard !isStopped else { return }
            state.withLock {
                $0.curves.append(curve)
                $0.policies[index] = policy
            }
        }
        return state.withLock { state in
            let arms = state.policies.sorted { $0.key < $1.key }.map { index, policy in
                Arm.policy(
                    policy, name: "\(algorithm.rawValue)-\(index + 1)",
                    summary:
                        "\(algorithm.rawValue) across 2,000 applications, \(episodes) episodes, seed "
                        + "\(seed &+ UInt64(index))")
            }
            return (arms, state.curves.sorted { $0.arm < $1.arm })
        }
    }

    private func train<Algorithm: Learner>(
        _ learner: Algorithm, _ curriculum: ClusterCurriculum, episodes: Int, seed: UInt64,
        report: (Int, Double) -> Bool
    ) -> Policy {
        var training = LearnerTraining(
            learner, curriculum: curriculum, episodes: episodes, episodesPerUpdate: ClusterPresets.episodesPerUpdate,
            seed: seed)
        training.run(report: report)
        return training.learner.policy
    }

    /// Plays every arm on every application, application by application, so that what is done when it is stopped is
    /// a complete comparison of fewer applications.
    func play(_ arms: [Arm]) async throws {
        let settings = settingsKey()
        try resume(arms, settings: settings)
        let done = Set(cells.map { "\($0.arm)\n\($0.application)" })
        var units: [(arm: Arm, application: Int)] = []
        for application in scenario.applications.indices {
            for arm in arms where !done.contains("\(arm.name)\n\(scenario.applications[application].name)") {
                units.append((arm, application))
            }
        }
        progress.begin("playing", total: units.count)
        let work = units
        await inParallel(work.count) { [self] index in
            let cell = scenario.play(work[index].arm, application: work[index].application)
            state.withLock { state in
                state.cells.append(cell)
                // What a policy does depends on more than the settings; it is played again.
                if Arm.withoutLearning.contains(where: { $0.name == cell.arm }) { keep(cell, settings: settings) }
            }
            progress.advance(by: 1)
        }
    }

    /// Plays policies with every trade-off, and the rules calibrated to every violation budget; `nil` when stopped.
    func study(_ policies: [Policy]) async -> BillStudy.Result? {
        let study = BillStudy(scenario)
        let cells = Mutex([Int: BillStudy.Cell]())
        progress.begin("frontier", total: scenario.applications.count)
        await inParallel(scenario.applications.count) { [progress] index in
            let cell = study.cell(index, policies: policies, part: .test)
            cells.withLock { $0[index] = cell }
            progress.advance(by: 1)
        }
        let done = cells.withLock { $0.sorted { $0.key < $1.key }.map(\.value) }
        return done.isEmpty ? nil : BillStudy.Result(cells: done, seed: scenario.seed)
    }

    /// Runs `count` units on `jobs` threads, in order, until all are done or `stop` was called.
    private func inParallel(_ count: Int, _ unit: @escaping @Sendable (Int) -> Void) async {
        await withCheckedContinuation { continuation in
            // Not on the cooperative pool: a unit computes for seconds.
            Thread.detachNewThread { [self] in
                let next = Atomic(0)
                DispatchQueue.concurrentPerform(iterations: min(jobs, max(1, count))) { _ in
                    while !isStopped {
                        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                        guard index < count else { return }
                        unit(index)
                    }
                }
                continuation.resume()
            }
        }
    }

    // MARK: Going on later

    /// Everything that decides what a result is, as text.
    private func settingsKey() -> String {
        [
            "seed \(scenario.seed)", "windows \(scenario.windows)", "steps \(scenario.steps)",
            "level \(scenario.fixedLevel.map { "\($0)" } ?? "drawn")", "resize \(scenario.dynamics.resize.rawValue)",
            "sources \(scenario.sources.map(\.name).joined(separator: "+"))",
            "lag \(scenario.dynamics.metricsLagSteps)", "update \(scenario.update?.name ?? "none")",
            "outages \(scenario.outagesPerHour)", "missing \(scenario.missing?.rawValue ?? "nothing")", "model 3",
        ].joined(separator: ", ")
    }

    private func resume(_ arms: [Arm], settings: String) throws {
        guard let resultsFile, let bytes = FileManager.default.contents(atPath: resultsFile) else { return }
        let names = Set(arms.map(\.name)).intersection(Arm.withoutLearning.map(\.name))
        let applications = Set(scenario.applications.map(\.name))
        let decoder = JSONDecoder()
        // A last line that was cut off is played again.
        let known = bytes.split(separator: UInt8(ascii: "\n")).compactMap { try? decoder.decode(Line.self, from: $0) }
            .filter {
                $0.settings == settings && names.contains($0.cell.arm) && applications.contains($0.cell.application)
            }
        state.withLock { $0.cells += known.map(\.cell) }
    }

    private func keep(_ cell: CellResult, settings: String) {
        guard let resultsFile, var line = try? JSONEncoder().encode(Line(settings: settings, cell: cell)) else {
            return
        }
        line.append(UInt8(ascii: "\n"))
        if !FileManager.default.fileExists(atPath: resultsFile) {
            FileManager.default.createFile(atPath: resultsFile, contents: nil)
        }
        guard let file = FileHandle(forWritingAtPath: resultsFile) else {
            return progress.say("cannot write \(resultsFile)")
        }
        defer { try? file.close() }
        do {
            try file.seekToEnd()
            try file.write(contentsOf: line)
        } catch {
            progress.say("cannot write \(resultsFile): \(error)")
        }
    }
}

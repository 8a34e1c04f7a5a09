// `aware train`: one run of the learning core, with the report of the published code.

import ArgumentParser
import Foundation
import Learning
import Simulator

struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train one policy in the tabular environment of the published code.",
        discussion: """
            Every iteration reports the mean return of its episodes as they were played, its moving average over ten \
            iterations, utilisation, SLO preservation and steps a second. The mean return of the result comes from a \
            greedy evaluation over loads 1 to 8; the optimum beside it from dynamic programming. With --checkpoint a run \
            that was stopped goes on where it stood, with the same bytes as one that never stopped.
            """)

    enum Environment: String, ExpressibleByArgument, CaseIterable { case tabular }
    enum Algorithm: String, ExpressibleByArgument, CaseIterable {
        case ppo, ddpg, dqn, reinforce, random, rules
        case qLearning = "q-learning"
    }
    enum Buffer: String, ExpressibleByArgument, CaseIterable { case best, latest }

    @Option(help: "Environment to train in.")
    var environment = Environment.tabular

    @Option(help: "Algorithm.")
    var algorithm = Algorithm.ppo

    @Flag(help: "Put a meta-learned embedding of the run's own trajectories into the state (ppo).")
    var meta = false

    @Option(help: "Trajectories that the embedding is made of.")
    var metaBuffer = Buffer.best

    @Option(help: "Reward: published, overProvisioning, tightPacking or balanced.")
    var reward = TabularReward.published

    @Flag(inversion: .prefixedNo, help: "Mask illegal choices. The published code punishes them instead: --no-mask.")
    var mask = true

    @Option(help: "Steps of an episode.")
    var episodeSteps = 10

    @Option(help: "Episodes of an iteration. (default: 200 steps and at least 5; 1 for dqn and ddpg)")
    var episodes: Int?

    @Option(help: "Iterations. (default: as many as the algorithm needs)")
    var iterations: Int?

    @Option(help: "Seed of everything random.")
    var seed: UInt64 = 1

    @Option(help: "Folder for plots of return, utilisation and SLO preservation (SVG).")
    var plot: String?

    @Option(help: "File that the run is kept in, every 100 iterations and at its end; it goes on from there.")
    var checkpoint: String?

    @Flag(help: "One JSON document on standard output.")
    var json = false

    func validate() throws {
        guard (1...100_000).contains(episodeSteps) else {
            throw ValidationError("--episode-steps \(episodeSteps) is outside 1 to 100000.")
        }
        if let episodes, !(1...100_000).contains(episodes) {
            throw ValidationError("--episodes \(episodes) is outside 1 to 100000.")
        }
        if let iterations, !(1...10_000_000).contains(iterations) {
            throw ValidationError("--iterations \(iterations) is outside 1 to 10000000.")
        }
        guard !meta || algorithm == .ppo else {
            throw ValidationError("--meta works with --algorithm ppo.")
        }
    }

    func run() async throws {
        var report: TrainReport
        switch algorithm {
        case .ppo where meta:
            let buffer = EpisodeBuffer(capacity: 20, selection: metaBuffer == .best ? .best : .latest)
            report = try train {
                training(
                    MetaPPO(
                        shape: TabularPresets.shape(embeddingSize: 32),
                        options: TabularPresets.ppo(steps: episodeSteps),
                        buffer: buffer, seed: seed))
            }
        case .ppo:
            report = try train {
                training(
                    PPO(shape: TabularPresets.shape(), options: TabularPresets.ppo(steps: episodeSteps), seed: seed))
            }
        case .reinforce:
            report = try train {
                training(
                    REINFORCE(
                        shape: TabularPresets.shape(), options: TabularPresets.reinforce(steps: episodeSteps),
                        seed: seed))
            }
        case .dqn:
            report = try train {
                training(
                    DQN(shape: TabularPresets.reluShape, options: TabularPresets.dqn, seed: seed),
                    episodes: 1)
            }
        case .ddpg:
            report = try train {
                training(DDPG(shape: TabularPresets.shape(), options: TabularPresets.ddpg, seed: seed), episodes: 1)
            }
        case .qLearning:
            report = try train { TabularQLearning(reward: reward, episodeSteps: episodeSteps, seed: seed) }
        case .random:
            report = try train { TabularBaseline(.random, reward: reward, episodeSteps: episodeSteps, seed: seed) }
        case .rules:
            report = try train { TabularBaseline(.rules, reward: reward, episodeSteps: episodeSteps, seed: seed) }
        }
        report.environment = environment.rawValue
        report.algorithm = algorithm.rawValue + (meta ? "+meta" : "")
        report.seed = seed
        report.optimum = TabularOptimum.meanTotalReward(steps: episodeSteps, reward: reward)
        if let plot { try report.writePlots(to: plot) }
        print(json ? try report.json() : report.text())
    }

    private func training<L: Learner>(_ learner: L, episodes preset: Int? = nil) -> TabularTraining<L> {
        TabularTraining(
            learner, reward: reward, masksIllegal: mask, episodeSteps: episodeSteps,
            episodesPerIteration: episodes ?? preset ?? TabularPresets.episodesPerIteration(steps: episodeSteps),
            seed: seed)
    }

    /// Carries out the run, from its checkpoint if there is one.
    private func train<Run: TabularRun>(_ make: () -> Run) throws -> TrainReport {
        let total = iterations ?? TabularPresets.iterations(algorithm.rawValue, steps: episodeSteps)
        let file = checkpoint.map { TrainCheckpoint(path: $0, settings: settings) }
        var (run, curve) = try file?.read(Run.self) ?? (make(), [])
        let progress = TrainProgress(total: total)
        let start = ContinuousClock.now
        let first = run.iterations
        while run.iterations < total {
            curve.append(run.advance())
            let elapsed = start.duration(to: .now) / .seconds(1)
            progress.report(
                curve, stepsPerSecond: Double((run.iterations - first) * run.stepsPerIteration) / max(elapsed, 1e-9))
            if run.iterations % 100 == 0 && run.iterations < total { try file?.write(run, curve) }
        }
        let elapsed = start.duration(to: .now) / .seconds(1)
        progress.finish()
        try file?.write(run, curve)
        return TrainReport(
            curve: curve, meanReturn: run.evaluate(), seconds: elapsed, iterationsRun: run.iterations - first,
            stepsPerIteration: run.stepsPerIteration)
    }

    /// What a checkpoint must have been made with to be gone on from.
    private var settings: String {
        "\(environment) \(algorithm) meta \(meta) \(metaBuffer) \(reward) mask \(mask) steps \(episodeSteps) "
            + "episodes \(episodes ?? 0) seed \(seed)"
    }
}

extension TabularReward: ExpressibleByArgument {}

// `aware train`: one run of the learning core, with the report of the published code.

import ArgumentParser
import Foundation
import Learning
import ClusterModel
import Experiments

struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a policy: in the tabular environment of the published code, or across simulated clusters.",
        discussion: """
            Environment cluster with --meta trains one policy for all trade-offs across 2,000 generated applications, once for \
            each of --seeds, judges each on applications that none was trained on against rules calibrated for them, and keeps \
            the one with the lowest bill at equal violations. This is how the base policy is made. \
            Without --meta it trains on one application. The result does not depend on the number of threads.

            Environment tabular:

            Every iteration reports the mean return of its episodes as they were played, its moving average over ten \
            iterations, utilisation, SLO preservation, steps a second, and this process' memory and CPU. The mean return of the result comes from a \
            greedy evaluation over loads 1 to 8; the optimum beside it from dynamic programming. With --checkpoint a run \
            that was stopped goes on where it stood, with the same bytes as one that never stopped.
            """)

    enum Environment: String, ExpressibleByArgument, CaseIterable { case tabular, cluster }
    enum Algorithm: String, ExpressibleByArgument, CaseIterable {
        case ppo, ddpg, dqn, reinforce, random, rules
        case qLearning = "q-learning"
    }
    enum Buffer: String, ExpressibleByArgument, CaseIterable { case best, latest }

    @Option(help: "Environment to train in.")
    var environment = Environment.tabular

    @Option(help: "Algorithm.")
    var algorithm = Algorithm.ppo

    @Flag(
        help:
            "tabular: put a meta-learned embedding of the run's own trajectories into the state (ppo). cluster: train one policy across applications."
    )
    var meta = false

    @Option(help: "Trajectories that the embedding is made of.")
    var metaBuffer = Buffer.best

    @Option(help: "Reward: published, overProvisioning, tightPacking or balanced.")
    var reward = TabularReward.published

    @Flag(inversion: .prefixedNo, help: "Mask illegal choices. The published code punishes them instead: --no-mask.")
    var mask = true

    @Option(help: "tabular: the table of states as a CSV file, in place of its closed form.")
    var data: String?

    @Flag(help: "tabular: show an episode for each load in the end: state, utilisation, SLO preservation, action and reward.")
    var printSteps = false

    @Option(help: "Steps of an episode. (default: 10; 100 for cluster)")
    var episodeSteps: Int?

    @Option(
        help: "Episodes of an iteration. (default: 200 steps and at least 5; 1 for dqn and ddpg; 32 for cluster)")
    var episodes: Int?

    @Option(help: "Iterations. (default: as many as the algorithm needs)")
    var iterations: Int?

    @Option(help: "Seed of everything random.")
    var seed: UInt64 = 1

    @Option(help: "Folder for plots of return, utilisation and SLO preservation (SVG).")
    var plot: String?

    @Option(
        help:
            "File that the run is kept in. tabular: it goes on from there. (default for cluster: the output's name with .checkpoint)"
    )
    var checkpoint: String?

    @Flag(help: "cluster: go on from the checkpoint.")
    var resume = false

    @Option(help: "cluster: policies to train, with seeds from --seed on; the best one is kept.")
    var seeds = 1

    @Option(help: "cluster: folder of traces to train with beside generated load; the first 55 % of each are used.")
    var traces: String?

    @Option(help: "cluster: bursts of seconds in generated load: drawn (in half of it), none or always.")
    var bursts = LoadGenerator.Bursts.drawn

    @Option(
        help:
            "cluster: file for the policy; an encoder of workloads and a description go beside it, as .encoder and .json."
    )
    var output: String?

    @Option(help: "cluster: threads. The result is the same. (default: all cores)")
    var threads: Int?

    @Flag(help: "One JSON document on standard output.")
    var json = false

    func validate() throws {
        if let episodeSteps, !(1...100_000).contains(episodeSteps) {
            throw ValidationError("--episode-steps \(episodeSteps) is outside 1 to 100000.")
        }
        guard (1...100).contains(seeds) else { throw ValidationError("--seeds \(seeds) is outside 1 to 100.") }
        if let threads, !(1...256).contains(threads) {
            throw ValidationError("--threads \(threads) is outside 1 to 256.")
        }
        guard environment == .cluster || (!resume && seeds == 1 && traces == nil && output == nil && bursts == .drawn) else {
            throw ValidationError("--resume, --seeds, --traces, --bursts and --output are for --environment cluster.")
        }
        guard environment == .tabular || algorithm == .ppo else {
            throw ValidationError("--environment cluster works with --algorithm ppo.")
        }
        guard environment == .tabular || output != nil || (!resume && checkpoint == nil) else {
            throw ValidationError("--environment cluster keeps a checkpoint only with --output.")
        }
        guard environment == .tabular || (data == nil && !printSteps) else {
            throw ValidationError("--data and --print-steps are for --environment tabular.")
        }
        guard data == nil || checkpoint == nil else {
            throw ValidationError("--checkpoint keeps no table: it does not go with --data.")
        }
        guard !printSteps || !json else { throw ValidationError("--print-steps is for people: it does not go with --json.") }
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

    private var steps: Int { episodeSteps ?? 10 }

    func run() async throws {
        try PlotFolder.prepare(plot)
        if environment == .cluster { return try await ClusterTraining(self).run() }
        let table = try data.map(Self.table)
        var report: TrainReport
        switch algorithm {
        case .ppo where meta:
            let buffer = EpisodeBuffer(capacity: 20, selection: metaBuffer == .best ? .best : .latest)
            report = try train {
                training(
                    MetaPPO(
                        shape: TabularPresets.shape(embeddingSize: 32),
                        options: TabularPresets.ppo(steps: steps),
                        buffer: buffer, seed: seed), table)
            }
        case .ppo:
            report = try train {
                training(
                    PPO(shape: TabularPresets.shape(), options: TabularPresets.ppo(steps: steps), seed: seed), table)
            }
        case .reinforce:
            report = try train {
                training(
                    REINFORCE(
                        shape: TabularPresets.shape(), options: TabularPresets.reinforce(steps: steps),
                        seed: seed), table)
            }
        case .dqn:
            report = try train {
                training(
                    DQN(shape: TabularPresets.reluShape, options: TabularPresets.dqn, seed: seed), table,
                    episodes: 1)
            }
        case .ddpg:
            report = try train {
                training(DDPG(shape: TabularPresets.shape(), options: TabularPresets.ddpg, seed: seed), table, episodes: 1)
            }
        case .qLearning:
            report = try train { TabularQLearning(reward: reward, table: table, episodeSteps: steps, seed: seed) }
        case .random:
            report = try train { TabularBaseline(.random, reward: reward, table: table, episodeSteps: steps, seed: seed) }
        case .rules:
            report = try train { TabularBaseline(.rules, reward: reward, table: table, episodeSteps: steps, seed: seed) }
        }
        report.environment = environment.rawValue
        report.algorithm = algorithm.rawValue + (meta ? "+meta" : "")
        report.seed = seed
        report.optimum = TabularOptimum.meanTotalReward(steps: steps, reward: reward, table: table)
        if let plot { try report.writePlots(to: plot) }
        print(json ? try report.json() : report.text())
    }

    private static func table(_ path: String) throws -> TabularTable {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw CommandFailure("--data \(path): the file cannot be read.")
        }
        do {
            return try TabularTable(parsing: text)
        } catch {
            throw CommandFailure("--data \(path): \(error).")
        }
    }

    private func training<L: Learner>(_ learner: L, _ table: TabularTable?, episodes preset: Int? = nil) -> TabularTraining<L> {
        TabularTraining(
            learner, reward: reward, masksIllegal: mask, table: table, episodeSteps: steps,
            episodesPerIteration: episodes ?? preset ?? TabularPresets.episodesPerIteration(steps: steps),
            seed: seed)
    }

    /// Carries out the run, from its checkpoint if there is one.
    private func train<Run: TabularRun>(_ make: () -> Run) throws -> TrainReport {
        let total = iterations ?? TabularPresets.iterations(algorithm.rawValue, steps: steps)
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
        if printSteps { Self.printSteps(run, steps: steps) }
        return TrainReport(
            curve: curve, meanReturn: run.evaluate(), seconds: elapsed, iterationsRun: run.iterations - first,
            stepsPerIteration: run.stepsPerIteration)
    }

    /// One episode for each load.
    private static func printSteps(_ run: some TabularRun, steps: Int) {
        var rows = [["load", "step", "containers", "shares", "utilisation", "SLO preservation", "action", "reward"]]
        for load in TabularEnvironment.loads {
            for (index, step) in run.episode(load: load, steps: steps).enumerated() {
                rows.append([
                    "\(load)", "\(index + 1)", "\(step.containers)", "\(step.shares)", String(format: "%.3f", step.state.utilization),
                    String(format: "%.3f", step.state.sloPreservation), TabularEnvironment.actions[step.action],
                    String(format: "%.3f", step.reward),
                ])
            }
        }
        print(TextTable.text(rows) + "\n")
    }

    /// What a checkpoint must have been made with to be gone on from.
    private var settings: String {
        "\(environment) \(algorithm) meta \(meta) \(metaBuffer) \(reward) mask \(mask) steps \(steps) "
            + "episodes \(episodes ?? 0) seed \(seed)"
    }
}

extension TabularReward: ExpressibleByArgument {}

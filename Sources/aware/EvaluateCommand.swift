// `aware evaluate`: rules against policies over applications, real traces and generated loads, with a ceiling.

import ArgumentParser
import BasePolicy
import ClusterModel
import Deciding
import Experiments
import Foundation
import Learning
import Scaling

struct EvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compare rules and policies on simulated applications under recorded and generated load.",
        discussion: """
            Every arm plays the same test windows of applications that no policy was trained on. Calibrated arms are \
            swept on training windows of the same application, which come from another part of each trace. The \
            reference of every claim is the best calibrated rule-based arm; 'planner' knows the future and is the \
            ceiling. Intervals are 95 % bootstrap intervals over applications. Rates are per hour of simulated time.

            Arms: \(Self.armNames.joined(separator: ", ")); 'base' is the shipped base policy. More policies come from \
            --policy and --train-episodes.

            Changes for --update: \(WorkloadUpdate.all.map(\.name).joined(separator: ", ")).
            """)

    /// Arms that can be named.
    private static var armNames: [String] { Arm.withoutLearning.map(\.name) + [Arm.baseName] }

    @Option(help: "Applications to test on, from the 200 that are kept for it.")
    var applications = 20

    @Option(help: "Test applications to leave out before those.")
    var skip = 0

    @Option(help: "Folder of traces: every .csv file with minute,requests or second,requests.")
    var traces: String?

    @Flag(inversion: .prefixedNo, help: "Add generated load as one more source.")
    var generated = true

    @Option(help: "Bursts of seconds in generated load: drawn (in half of it), none or always.")
    var bursts = LoadGenerator.Bursts.drawn

    @Option(help: "Test windows of each application and source.")
    var windows = 3

    @Option(help: "Counted decision steps of a window; 30 more come before them.")
    var steps = 100

    @Option(help: "Arms to play, separated by commas. (default: all)")
    var arms: String?

    @Option(help: "A policy to play as an arm of its file's name. May be repeated.")
    var policy: [String] = []

    @Option(help: "Train a policy across generated applications for so many episodes, once for each of --seeds.")
    var trainEpisodes = 0

    @Option(help: "What to train: ppo (recurrent, as the base policy), dqn or reinforce (both without a memory).")
    var algorithm = TrainedAlgorithm.ppo

    @Option(
        help:
            "Also play tl and tl-plus: trained on one application for --train-episodes, then on the tested one for so many."
    )
    var adaptEpisodes = 0

    @Option(help: "Policies to train.")
    var seeds = 3

    @Option(help: "Seed of applications, windows and noise.")
    var seed: UInt64 = 1

    @Option(help: "Load level as a share of capacity. (default: drawn for every window, log-uniform from 0.15 to 0.9)")
    var level: Double?

    @Flag(
        inversion: .prefixedNo,
        help: "Play policies with savings of 0 to 1 against rules calibrated to ten violation budgets.")
    var frontier = true

    @Option(help: "How limits are changed: inPlace or restart.")
    var resize = Profile.Resize.inPlace

    @Option(help: "Steps that metrics are behind: 1 (a decision sees the step that just ended) or 2.")
    var lag = 1

    @Option(
        help: "A change of the workload after a third of every test window, after the paper's instability scenarios.")
    var update: String?

    @Option(help: "Outages of metrics an hour in test windows, five minutes long on average.")
    var outages = 0.0

    @Option(help: "What nobody is told: latency, kills, or requests (latency, rate, throughput and preservation).")
    var missing: MissingFields?

    @Option(help: "File that results are kept in; a run with the same settings goes on where another stopped.")
    var results: String?

    @Option(help: "Units of work at the same time. (default: all cores)")
    var jobs: Int?

    @Option(help: "Folder for learning curves and a scatter over workloads, as SVG.")
    var plot: String?

    @Flag(help: "One JSON document on standard output.")
    var json = false

    @Flag(help: "Print the generated applications and stop; with --json everything that the model knows of them.")
    var listApplications = false

    func validate() throws {
        guard (1...200).contains(applications) else {
            throw ValidationError("--applications \(applications) is outside 1 to 200.")
        }
        guard (0...200 - applications).contains(skip) else {
            throw ValidationError("--skip \(skip) leaves fewer than \(applications) of 200 applications.")
        }
        guard (1...100).contains(windows) else { throw ValidationError("--windows \(windows) is outside 1 to 100.") }
        guard (10...10_080).contains(steps) else {
            throw ValidationError("--steps \(steps) is outside 10 to 10080, a week.")
        }
        guard (0...10_000_000).contains(trainEpisodes) else {
            throw ValidationError("--train-episodes \(trainEpisodes) is outside 0 to 10000000.")
        }
        guard (0...1_000_000).contains(adaptEpisodes) else {
            throw ValidationError("--adapt-episodes \(adaptEpisodes) is outside 0 to 1000000.")
        }
        guard adaptEpisodes == 0 || trainEpisodes > 0 else {
            throw ValidationError("--adapt-episodes needs --train-episodes.")
        }
        guard (1...100).contains(seeds) else { throw ValidationError("--seeds \(seeds) is outside 1 to 100.") }
        if let level, !(0.01...1).contains(level) { throw ValidationError("--level \(level) is outside 0.01 to 1.") }
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs \(jobs) is outside 1 to 256.") }
        guard (1...2).contains(lag) else { throw ValidationError("--lag \(lag) is not 1 or 2.") }
        guard (0...12).contains(outages) else { throw ValidationError("--outages \(outages) is outside 0 to 12.") }
        if let update, !WorkloadUpdate.all.contains(where: { $0.name == update }) {
            let known = WorkloadUpdate.all.map(\.name).joined(separator: ", ")
            throw ValidationError("--update: there is no change \(update). Known: \(known).")
        }
        guard generated || traces != nil else {
            throw ValidationError("There is no load: give --traces DIR or leave out --no-generated.")
        }
    }

    func run() async throws {
        if listApplications { return print(try ApplicationList().text(json: json)) }
        try PlotFolder.prepare(plot)
        let signals = await TerminationSignals()
        let scenario = try makeScenario()
        let progress = ProgressLine()
        for trace in scenario.unplayableTraces {
            progress.say("\(trace.name) has no window of \(scenario.steps + scenario.warmUpSteps) steps without holes in both of its parts: it is left out")
        }
        let run = EvaluationRun(
            scenario: scenario, jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount, resultsFile: results,
            progress: progress)
        let interruption = Task {
            await signals.wait()
            run.stop()
        }
        defer { interruption.cancel() }
        var arms = try chosenArms()
        var curves: [LearningCurve] = []
        if trainEpisodes > 0 {
            let trained = await run.train(
                algorithm, episodes: trainEpisodes, seeds: seeds, seed: seed, traces: scenario.traces)
            curves = trained.curves
            arms += trained.arms
            if adaptEpisodes > 0 {
                arms += [false, true].map {
                    Arm.transfer(
                        isExtended: $0, episodes: trainEpisodes, adaptation: adaptEpisodes, traces: scenario.traces,
                        seed: seed)
                }
            }
        }
        try await run.play(arms)
        var frontiers: [BillTable.Entry] = []
        let played = try playedPolicies(arms)
        if frontier, !played.isEmpty, !run.isStopped, let result = await run.study(played.map(\.policy)) {
            frontiers = BillTable.entries(result, names: played.map(\.name))
        }
        progress.finish()
        guard let report = EvaluationReport(cells: run.cells, arms: arms.map(\.name), seed: seed) else {
            throw CommandFailure("Nothing was finished: no application was played by every arm.")
        }
        if let plot { try EvaluationPlots(report: report, curves: curves).write(to: plot) }
        if json {
            print(try EvaluationJSON(report, scenario: scenario, cells: run.cells, curves: curves, frontier: frontiers).text())
        } else {
            print(EvaluationTable(report, scenario: scenario, arms: arms, isComplete: !run.isStopped).text())
            if !frontiers.isEmpty { print(BillTable.text(frontiers)) }
        }
    }

    /// The policies among the arms that come from files, by name.
    private func playedPolicies(_ arms: [Arm]) throws -> [(name: String, policy: Policy)] {
        var result: [(name: String, policy: Policy)] = []
        if arms.contains(where: { $0.name == Arm.baseName }) {
            result.append((Arm.baseName, try Policy(decoding: BasePolicy.bytes)))
        }
        for path in policy {
            let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
            guard let bytes = FileManager.default.contents(atPath: path) else { continue }
            result.append((name, try Policy(decoding: Array(bytes))))
        }
        return result
    }

    private func makeScenario() throws -> Scenario {
        var sources: [LoadSource] = []
        if let traces { sources = try TraceFolder.read(traces).map(LoadSource.trace) }
        if generated { sources.append(.generated(bursts)) }
        let test = SyntheticApplication.split(seed: 1).test
        var scenario = Scenario(
            applications: Array(test.dropFirst(skip).prefix(applications)), sources: sources, seed: seed)
        scenario.windows = windows
        scenario.steps = steps
        scenario.fixedLevel = level
        scenario.dynamics.resize = resize
        scenario.dynamics.metricsLagSteps = lag
        scenario.update = WorkloadUpdate.all.first { $0.name == update }
        scenario.outagesPerHour = outages
        scenario.missing = missing
        return scenario
    }

    private func chosenArms() throws -> [Arm] {
        let all = Arm.withoutLearning + [try .shippedBase()]
        var result = all
        if let arms {
            result = try arms.split(separator: ",").map { name in
                guard let arm = all.first(where: { $0.name == name }) else {
                    let known = Self.armNames.joined(separator: ", ")
                    throw CommandFailure("--arms: there is no arm \(name). Known: \(known).")
                }
                return arm
            }
        }
        for path in policy {
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw CommandFailure("--policy \(path): the file cannot be read.")
            }
            do {
                let policy = try Policy(decoding: Array(bytes))
                guard policy.shape.observationSize == StateEncoder.count,
                    policy.shape.heads == ActionSpace.standard.headSizes, policy.shape.embeddingSize == 0
                else {
                    throw CommandFailure("--policy \(path): made for another state or action space.")
                }
                result.append(
                    .policy(policy, name: ((path as NSString).lastPathComponent as NSString).deletingPathExtension))
            } catch let failure as CodingFailure {
                throw CommandFailure("--policy \(path): not a policy of this version (\(failure)).")
            }
        }
        return result
    }
}

extension Profile.Resize: ExpressibleByArgument {}
extension LoadGenerator.Bursts: ExpressibleByArgument {}
extension MissingFields: ExpressibleByArgument {}

extension Scenario {
    /// The recorded loads among the sources.
    var traces: [LoadTrace] {
        sources.compactMap { if case .trace(let trace) = $0 { trace } else { nil } }
    }
}

extension Arm {
    static let baseName = "base"

    /// The policy that ships with the product, as served and without adaptation.
    static func shippedBase() throws -> Arm {
        .policy(
            try Policy(decoding: BasePolicy.bytes), name: baseName,
            summary: "the shipped base policy, learned across other applications, no adaptation")
    }
}

/// What `--train-episodes` trains.
enum TrainedAlgorithm: String, ExpressibleByArgument, CaseIterable { case ppo, dqn, reinforce }

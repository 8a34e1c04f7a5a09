// `aware reproduce`: the paper's experiments in the simulator, its numbers beside ours.

import ArgumentParser
import Base
import BasePolicy
import ClusterModel
import Experiments
import Foundation
import Learning
import Synchronization

struct ReproduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reproduce",
        abstract: "Repeat the paper's experiments on simulated applications.",
        discussion: """
            rq1: adaptation to unseen applications. rq2: serving through changes of the workload. rq3: the first \
            episodes, with and without bootstrapping. figure1: from the first episode to another application. \
            instability: what changes do to a specialist. embedding: whether alike applications lie close together. \
            lives: what learning in service is worth over days, and what changes cost. \
            Every figure stands beside the paper's, with a 95 % bootstrap interval over applications; what the paper \
            leaves open is defined below each table. Results depend on seed, sizes, traces and base policy, not on \
            the number of threads; only CPU times are measured.
            """)

    enum Selection: String, ExpressibleByArgument, CaseIterable {
        case rq1, rq2, rq3, figure1, instability, embedding, lives, all
    }

    @Argument(help: "The experiment.")
    var experiment: Selection

    @Option(help: "Folder of traces as `aware evaluate` reads them. Without it, loads are generated.")
    var traces: String?

    @Option(help: "A base policy to use instead of the shipped one.")
    var policy: String?

    @Option(help: "The paper's Figure 1 (columns series,episode,reward), drawn into the plot.")
    var curves: String?

    @Option(help: "Seed of everything random.")
    var seed: UInt64 = 1

    @Flag(help: "A minute's worth, to see that it works; the figures mean little.")
    var quick = false

    @Option(help: "Threads. (default: all cores)")
    var jobs: Int?

    @Option(help: "Folder for plots, as SVG.")
    var plot: String?

    @Flag(help: "One JSON document on standard output.")
    var json = false

    func validate() throws {
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs \(jobs) is outside 1 to 256.") }
    }

    func run() async throws {
        try PlotFolder.prepare(plot)
        let loads = try traces.map(TraceFolder.read) ?? []
        let progress = ProgressLine()
        let started = ContinuousClock.now
        let threads = jobs ?? Threads.count
        let encoder = try BasePolicy.encoder()
        let context = ExperimentContext(
            base: try basePolicy(),
            encoder: BaseEncoder(size: encoder.encoder.embeddingSize) { encoder.embedding(of: $0) }, traces: loads,
            sizes: quick ? .quick : ExperimentContext.Sizes(), seed: seed,
            publishedCurves: publishedCurves(progress),
            parallelFor: Threads.parallelFor(over: threads)
        ) { title, done, total in
            if done == 0 { progress.begin(title, total: total) } else { progress.advance(by: 1) }
        }
        let chosen = Experiments.all.filter { experiment == .all || $0.id == experiment.rawValue }
        let reports = try await Threads.run { Result { try chosen.map { try $0.run(in: context) } } }.get()
        progress.finish()
        if let plot { try ReproductionOutput(reports: reports).writePlots(to: plot) }
        if json {
            print(try ReproductionOutput(reports: reports).json())
        } else {
            print(ReproductionOutput(reports: reports).text())
            let seconds = started.duration(to: .now) / .seconds(1)
            let source = loads.isEmpty ? "generated loads" : "\(loads.count) traces and generated loads"
            print("\(source), seed \(seed), \(threads) threads, \(Int(seconds.rounded())) s.")
        }
    }

    private func basePolicy() throws -> Policy {
        guard let policy else { return try Policy(decoding: BasePolicy.bytes) }
        guard let bytes = FileManager.default.contents(atPath: policy) else {
            throw CommandFailure("--policy \(policy): the file cannot be read.")
        }
        do {
            return try Policy(decoding: Array(bytes))
        } catch {
            throw CommandFailure("--policy \(policy): not a policy of this version (\(error)).")
        }
    }

    /// The paper's curves by series; none, and a word about it, where the file is not there.
    private func publishedCurves(_ progress: ProgressLine) -> [String: [(x: Double, y: Double)]] {
        guard let curves else { return [:] }
        guard let text = try? String(contentsOfFile: curves, encoding: .utf8) else {
            progress.say("\(curves) cannot be read: the paper's curves are left out.")
            return [:]
        }
        var series: [String: [(x: Double, y: Double)]] = [:]
        for line in text.split(whereSeparator: \.isNewline).dropFirst() {
            let fields = line.split(separator: ",")
            guard fields.count == 3, let x = Double(fields[1]), let y = Double(fields[2]) else { continue }
            series[String(fields[0]), default: []].append((x, y))
        }
        return series
    }
}

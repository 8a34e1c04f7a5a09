// `aware replay`: what aware and the rules would have done with a team's own past. Nothing is installed or written.

import ArgumentParser
import BasePolicy
import Experiments
import Foundation
import Learning
import Scaling

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Play your own history: what aware, HPA and VPA would each have cost and done.",
        discussion: """
            Reads requests, and what else there is, from a CSV file, an access log, saved answers of Prometheus or a Prometheus \
            itself; fits a model of the application to them; calibrates the rules on the first 55 %; and plays everybody on the \
            rest, minute by minute. aware is the policy that ships with it, before it has learned anything of your application.

              aware replay access.log
              aware replay history.csv --slo 0.25 --plot plots
              aware replay requests.json --cpu cpu.json --memory memory.json --replicas replicas.json
              aware replay http://prometheus:9090 --workload shop/web --last 14d

            Columns of a CSV file: time (or timestamp, minute, second), requests or requestRate, and any of cpuCores, \
            cpuUtilization, memoryBytes, memoryUtilization, latencySeconds, replicas, cpuLimit, memoryLimit, oomKills.
            """)

    @OptionGroup var history: HistoryOptions
    @Option(help: "The latency objective in seconds at the 99th percentile. (default: what your history kept)") var slo: Double?
    @Option(help: "Most replicas that anybody may have. (default: twice what you had, at least 20)") var maxReplicas: Int?
    @Option(help: "Share of minutes that may miss the objective; the rules are calibrated to it.") var maxViolations = 0.01
    @Option(help: "Price of a core for an hour.") var cpuPrice = 1.0
    @Option(help: "Price of a GiB of memory for an hour.") var memoryPrice = 0.125
    @Option(help: "Trade-offs that aware is played at, with commas: 0 keeps the most headroom, 1 saves the most.")
    var savings = "0,0.25,0.5,0.75,1"
    @Option(help: "Seed of the model's noise.") var seed: UInt64 = 1
    @Option(help: "Threads. (default: all)") var jobs: Int?
    @Flag(help: "One JSON document on standard output.") var json = false
    @Option(help: "Folder for replay-cores.svg and replay-bill.svg.") var plot: String?

    func validate() throws {
        if let slo, !(slo > 0 && slo <= 3600) { throw ValidationError("--slo \(slo) is outside 0 to 3600 s.") }
        if let most = maxReplicas, !(1...100_000).contains(most) {
            throw ValidationError("--max-replicas \(most) is outside 1 to 100000.")
        }
        guard maxViolations > 0, maxViolations <= 1 else { throw ValidationError("--max-violations \(maxViolations) is outside 0 to 1.") }
        guard cpuPrice >= 0, memoryPrice >= 0, cpuPrice + memoryPrice > 0, cpuPrice.isFinite, memoryPrice.isFinite else {
            throw ValidationError("--cpu-price \(cpuPrice) and --memory-price \(memoryPrice): prices are not negative, and one is above 0.")
        }
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs \(jobs) is outside 1 to 256.") }
        _ = try tradeOffs()
    }

    private func tradeOffs() throws -> [Double] {
        let values = savings.split(separator: ",").map { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard !values.isEmpty, values.count <= 20, values.allSatisfy({ $0.map { (0...1).contains($0) } ?? false }) else {
            throw ValidationError("--savings \(savings) is no list of numbers from 0 to 1, such as 0,0.5,1.")
        }
        return values.compactMap { $0 }
    }

    func run() async throws {
        let progress = ProgressLine()
        try PlotFolder.prepare(plot)
        let past = try await Threads.run { [history] in Result { try history.read { progress.say($0) } } }.get()
        var options = ReplayOptions()
        options.sloSeconds = slo
        options.maxReplicas = maxReplicas
        options.bill.maxViolations = maxViolations
        options.bill.cpuHourPrice = cpuPrice
        options.bill.gibHourPrice = memoryPrice
        options.savings = try tradeOffs()
        options.seed = seed
        let model = HistoryModel(past, options)
        let study = HistoryStudy(model, minutes: past.minuteCount, policy: try Policy(decoding: BasePolicy.bytes), options: options)
        let threads = jobs ?? Threads.count
        progress.begin("replaying", total: study.trials)
        let result = await Threads.run {
            study.run(past, parallelFor: Threads.parallelFor(over: threads)) { progress.advance(by: 1) }
        }
        progress.finish()
        let report = ReplayReport(history: past, model: model, result: result, options: options)
        if let plot { try report.writePlots(to: plot) }
        print(json ? try report.json() : report.text())
    }
}

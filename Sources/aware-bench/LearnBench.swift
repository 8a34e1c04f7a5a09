// `aware-bench learn`: the learning core beside PyTorch, in one run and one table.

import ArgumentParser
import Foundation

struct LearnBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "learn",
        abstract: "Training steps, the published PPO run and the published meta iteration, beside PyTorch.",
        discussion: """
            Needs a Python with torch and numpy for the peers (torch.compile wants g++, too); without one only our own \
            figures are shown. We use one thread; PyTorch's training step is measured with one, with all cores, and compiled. \
            The sides take turns. The published PPO run of 200 iterations takes PyTorch some minutes.
            """)

    @Option(help: "Python with torch and numpy. Without it, the peers are left out.")
    var python: String?

    @Option(help: "Folder of torch_ppo_tabular.py and torch_meta_iteration.py.")
    var scripts = "../shared/bench"

    @Option(help: "Iterations of the PPO run, on both sides.")
    var iterations = 200

    @Option(help: "Seed of the PPO run, on both sides.")
    var seed: UInt64 = 1

    /// One line of the table. Times are in microseconds.
    private struct Row {
        let name: String
        let ours: Double
        let theirs: Double?
        /// PyTorch on all cores, and compiled.
        var others: [Double?] = []
        let goal: String
    }

    func run() async throws {
        var rows: [Row] = []
        let before = LearnMeasurements.steps()
        var peers: [[Int: Double]] = []
        for kind in ["eager", "threads", "compiled"] { peers.append(try await steps(kind)) }
        let after = LearnMeasurements.steps()
        for (index, step) in before.enumerated() {
            let goal = step.batch == 64 ? ">= 8" : step.batch == 5 ? ">= 10" : ""
            rows.append(
                Row(
                    name: "training step, 6-64-64-5, batch \(step.batch)",
                    ours: min(step.microseconds, after[index].microseconds),
                    theirs: peers[0][step.batch], others: peers.dropFirst().map { $0[step.batch] }, goal: goal))
        }
        let run = LearnMeasurements.publishedRun(iterations: iterations, seed: seed)
        let published = try await peer("torch_ppo_tabular.py", ["\(iterations)", "\(seed)"], seconds: 3600)
        let lastLine = published?.split(separator: "\n").last.map(String.init)
        rows.append(
            Row(
                name: "published PPO run, an iteration", ours: run.secondsPerIteration * 1e6,
                theirs: lastLine.flatMap { number(in: $0, line: "", after: "188.85, ") }.map { $0 * 1e6 },
                goal: ">= 100"))
        let meta = try await peer("torch_meta_iteration.py", [], seconds: 300)
        rows.append(
            Row(
                name: "published meta run, an iteration", ours: LearnMeasurements.metaIteration() * 1e6,
                theirs: meta?.split(separator: "\n").compactMap { Double($0.prefix { $0 != " " }) }.min().map {
                    $0 * 1e6
                },
                goal: ">= 300"))
        for inference in LearnMeasurements.inference() {
            rows.append(Row(name: inference.name, ours: inference.microseconds, theirs: nil, goal: inference.goal))
        }
        print(table(rows))
        let theirs = lastLine.flatMap { number(in: $0, line: "", after: "mean episode return ") }
        print(
            String(
                format: "mean return of the last 20 iterations as played: ours %.2f; the script's last iteration: %@. "
                    + "In the script's environment exactly critical counts are saturated; so they are here.",
                run.meanReturn, theirs.map { String(format: "%.2f", $0) } ?? "-"))
    }

    /// Microseconds of PyTorch's training step by batch size.
    private func steps(_ kind: String) async throws -> [Int: Double] {
        guard let python else { return [:] }
        FileHandle.standardError.write(Data("running PyTorch's training step: \(kind)\n".utf8))
        let script = String(decoding: PackageResources.learn_peer_py, as: UTF8.self)
        let lines = try await Program.run([python, "-c", script, kind], environment: [:], seconds: 600).split(separator: "\n")
        return Dictionary(
            uniqueKeysWithValues: lines.compactMap { line in
                let parts = line.split(separator: ":")
                return parts.count == 2 ? Int(parts[0]).flatMap { batch in Double(parts[1].dropFirst()).map { (batch, $0) } } : nil
            })
    }

    private func peer(_ script: String, _ arguments: [String], seconds: Double) async throws -> String? {
        guard let python else { return nil }
        let path = "\(scripts)/\(script)"
        guard FileManager.default.fileExists(atPath: path) else {
            throw ValidationError("\(path) is not there; say where it is with --scripts.")
        }
        FileHandle.standardError.write(Data("running \(script)\n".utf8))
        return try await Program.run(
            [python, path] + arguments, environment: ["OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"],
            seconds: seconds)
    }

    /// The number behind `marker` in the first line that begins with `line`.
    private func number(in text: String, line: String, after marker: String) -> Double? {
        for candidate in text.split(separator: "\n") where line.isEmpty || candidate.hasPrefix(line) {
            guard let range = candidate.range(of: marker) else { continue }
            return Double(candidate[range.upperBound...].prefix { $0.isNumber || $0 == "." })
        }
        return nil
    }

    private func table(_ rows: [Row]) -> String {
        let head =
            "what".padding(toLength: 48, withPad: " ", startingAt: 0) + "       ours us  PyTorch us   ratio   all cores    compiled  goal"
        return
            ([head]
            + rows.map { row in
                row.name.padding(toLength: 48, withPad: " ", startingAt: 0)
                    + String(format: "%14.2f", row.ours)
                    + (row.theirs.map { String(format: "%12.1f%8.1f", $0, $0 / row.ours) }
                        ?? String(repeating: " ", count: 20))
                    + (0..<2).map { index in
                        (index < row.others.count ? row.others[index] : nil).map { String(format: "%12.1f", $0) }
                            ?? String(repeating: " ", count: 12)
                    }.joined() + "  " + row.goal
            }).joined(separator: "\n")
    }
}

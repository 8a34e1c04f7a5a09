// What `aware train --environment cluster` says in the end, and what stands beside the policy that it made.

import Experiments
import Foundation
import Learning
import Scaling
import ClusterModel
import Deciding
import Experiments

/// A finished run.
struct ClusterTrainReport {
    /// The encoder, and the share of each characteristic of the validation applications that it explains from two
    /// trajectories.
    struct Encoder {
        let frozen: FrozenEncoder
        let explained: [String: Double]
    }

    let candidates: [ClusterTraining.Candidate]
    let chosen: Int
    let encoder: Encoder?
    let options: ClusterTrainer.Options
    let curriculum: ClusterCurriculum
    let isMeta: Bool
    let traces: [String]
    let seconds: Double
    let updatesRun: Int
    let output: String?

    private var best: ClusterTraining.Candidate { candidates[chosen] }

    func text() -> String {
        var lines = ["seed  resize    steps  x rules' bill  worst  violations   OOM/h  changes/h  excess"]
        for candidate in candidates {
            for score in candidate.scores {
                lines.append(
                    String(
                        format: "%4llu  %@  %5d  %13.3f  %5.3f  %8.2f %%  %6.3f  %9.2f  %6.2f", candidate.seed,
                        score.resize.padding(toLength: 8, withPad: " ", startingAt: 0), score.steps,
                        score.billAtEqualViolations, score.worstBillAtEqualViolations, score.violationsPercent,
                        score.oomKills, score.changes, score.excess))
            }
        }
        lines.append(
            String(
                format: "seed %llu is the best; %.0f s, %.0f episodes a second", best.seed, seconds,
                Double(updatesRun * options.ppo.episodesPerUpdate) / max(seconds, 1e-9)))
        if let output { lines.append("written to \(output)") }
        return lines.joined(separator: "\n")
    }

    /// The JSON document of `--json`; `meanReturn` is the mean R of the chosen policy's last episodes.
    private struct Document: Encodable {
        let environment = "cluster"
        let algorithm: String
        let seed: UInt64
        let iterations: Int
        let meanReturn: Double
        let secondsPerIteration: Double
        let stepsPerSecond: Double
        let curve: [ClusterTraining.Point]
        let candidates: [Candidate]
    }

    struct Candidate: Encodable {
        let seed: UInt64
        let validation: [ValidationScore]
    }

    private var verdicts: [Candidate] { candidates.map { Candidate(seed: $0.seed, validation: $0.scores) } }

    func json() throws -> String {
        let steps = Double(updatesRun * options.ppo.episodesPerUpdate * options.episodeSteps)
        let document = Document(
            algorithm: isMeta ? "ppo+meta" : "ppo", seed: best.seed, iterations: options.updates,
            meanReturn: best.curve.last?.meanReturn ?? 0,
            secondsPerIteration: updatesRun > 0 ? seconds / Double(updatesRun) : 0,
            stepsPerSecond: seconds > 0 ? steps / seconds : 0, curve: best.curve, candidates: verdicts)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    /// What stands beside the policy.
    private struct Description: Encodable {
        let file: String
        let date: String
        let command: String
        let seed: UInt64
        let network: String
        let episodes: Int
        let episodeSteps: Int
        let applications: Int
        let traces: [String]
        let encoderExplains: [String: Double]?
        let constraints =
            "at most 0.02 OOM kills and 4 changes an hour, at no trade-off dearer than the calibrated rules at the same violations; then the lowest bill"
        let candidates: [Candidate]
    }

    /// Writes the policy and, beside it, the encoder and a description.
    func write() throws {
        guard let output else { return }
        let url = URL(filePath: output)
        try Data(best.policy).write(to: url, options: .atomic)
        if let encoder {
            let beside = url.deletingPathExtension().appendingPathExtension("encoder")
            try Data(encoder.frozen.encode()).write(to: beside, options: .atomic)
        }
        let shape = try Policy(decoding: best.policy).shape
        let day = Date().formatted(.iso8601.year().month().day())
        let description = Description(
            file: url.lastPathComponent, date: day,
            command: CommandLine.arguments.dropFirst().filter { $0 != "--resume" }.reduce("aware") { $0 + " " + $1 },
            seed: best.seed,
            network: "\(shape.observationSize) features, " + (shape.recurrentSize > 0 ? "GRU of \(shape.recurrentSize), " : "") + "actor and critic "
                + shape.hidden.map(String.init).joined(separator: "-") + ", heads "
                + shape.heads.map(String.init).joined(separator: "-"),
            episodes: options.episodes, episodeSteps: options.episodeSteps,
            applications: curriculum.applications.count, traces: traces,
            encoderExplains: encoder?.explained.mapValues { ($0 * 1000).rounded() / 1000 }, candidates: verdicts)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let beside = url.deletingPathExtension().appendingPathExtension("json")
        try encoder.encode(description).write(to: beside, options: .atomic)
    }
}

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
        var lines = ["seed  resize     R x 100  rules  wins   OOM/h  rules  violations  rules  cores  changes  excess"]
        for candidate in candidates {
            for score in candidate.scores {
                lines.append(
                    String(
                        format:
                            "%4llu  %@  %7.2f  %5.2f  %2d/%2d  %5.2f  %5.2f  %8.2f %%  %4.2f %%  %4.2fx  %6.2fx  %6.2f",
                        candidate.seed, score.resize.padding(toLength: 8, withPad: " ", startingAt: 0), score.reward,
                        score.referenceReward, score.wins, score.applications, score.oomKills, score.referenceOomKills,
                        score.violationsPercent, score.referenceViolationsPercent,
                        score.coreHours / max(score.referenceCoreHours, 1e-9),
                        score.changes / max(score.referenceChanges, 1e-9), score.excess))
            }
        }
        lines.append(
            String(
                format: "seed %llu is the best; %.0f s, %.0f episodes a second", best.seed, seconds,
                Double(updatesRun * options.ppo.episodesPerUpdate) / max(seconds, 1e-9)))
        if let output { lines.append("written to \(output)") }
        return lines.joined(separator: "\n")
    }

    /// The document of DESIGN section 7; `meanReturn` is the mean R of the chosen policy on the validation applications.
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
            meanReturn: best.scores.reduce(0) { $0 + $1.reward } / Double(max(best.scores.count, 1)),
            secondsPerIteration: updatesRun > 0 ? seconds / Double(updatesRun) : 0,
            stepsPerSecond: seconds > 0 ? steps / seconds : 0, curve: best.curve, candidates: verdicts)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    /// What stands beside the policy.
    private struct Description: Encodable {
        struct Prices: Encodable {
            let violation: Double
            let oomKill: Double
            let replicaChange: Double
            let resize: Double
            let unusedCpu: Double
        }
        let file: String
        let date: String
        let command: String
        let seed: UInt64
        let network: String
        let episodes: Int
        let episodeSteps: Int
        let applications: Int
        let traces: [String]
        let prices: Prices
        let encoderExplains: [String: Double]?
        let constraints =
            "reward at least 1.03 times the rules', OOM kills and core-hours at most theirs, violations at most 0.8 times, changes at most 2 times"
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
        let weights = curriculum.reward
        let day = Date().formatted(.iso8601.year().month().day())
        let description = Description(
            file: url.lastPathComponent, date: day,
            command: CommandLine.arguments.dropFirst().filter { $0 != "--resume" }.reduce("aware") { $0 + " " + $1 },
            seed: best.seed,
            network: "\(shape.observationSize) features, GRU of \(shape.recurrentSize), actor and critic "
                + shape.hidden.map(String.init).joined(separator: "-") + ", heads "
                + shape.heads.map(String.init).joined(separator: "-"),
            episodes: options.episodes, episodeSteps: options.episodeSteps,
            applications: curriculum.applications.count, traces: traces,
            prices: .init(
                violation: weights.violation, oomKill: weights.oom, replicaChange: weights.replicaChange,
                resize: weights.resize, unusedCpu: weights.unusedCpu),
            encoderExplains: encoder?.explained.mapValues { ($0 * 1000).rounded() / 1000 }, candidates: verdicts)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let beside = url.deletingPathExtension().appendingPathExtension("json")
        try encoder.encode(description).write(to: beside, options: .atomic)
    }
}

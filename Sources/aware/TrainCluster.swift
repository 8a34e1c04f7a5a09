// `aware train --environment cluster`: how the base policy is made, seed by seed, with checkpoints.

import ArgumentParser
import Base
import ClusterModel
import Experiments
import Foundation
import Learning
import Scaling
import Synchronization

/// One run of the command: trains a policy for each seed, judges them, keeps the best.
struct ClusterTraining: Sendable {
    /// A seed that is finished.
    struct Candidate: Codable {
        var seed: UInt64
        var policy: [UInt8]
        var curve: [Point]
        var scores: [ValidationScore]
    }

    /// The mean of so many iterations.
    struct Point: Codable {
        var iteration: Int
        /// Reported reward x 100 an episode, as it was played: with exploration.
        var meanReturn: Double
        var violationRate: Double
        var oomKills: Double
    }

    private let command: TrainCommand
    private let options: ClusterTrainer.Options
    private let traces: [LoadTrace]
    private let parallelFor: ParallelFor

    init(_ command: TrainCommand) throws {
        self.command = command
        var options = ClusterTrainer.Options.base
        if let steps = command.episodeSteps { options.episodeSteps = steps }
        if let episodes = command.episodes { options.ppo.episodesPerUpdate = episodes }
        if let iterations = command.iterations { options.episodes = iterations * options.ppo.episodesPerUpdate }
        self.options = options
        traces = try command.traces.map(TraceFolder.read) ?? []
        let threads = command.threads ?? Threads.count
        parallelFor = threads == 1 ? sequentially : Threads.parallelFor(over: threads)
    }

    func run() async throws {
        let report: ClusterTrainReport = try await withCheckedThrowingContinuation { continuation in
            // Not on the cooperative pool: it computes for minutes.
            Thread.detachNewThread { continuation.resume(with: Result { try train() }) }
        }
        try report.write()
        print(command.json ? try report.json() : report.text())
    }

    private func curriculum(seed: UInt64) -> ClusterCurriculum {
        var curriculum = ClusterCurriculum.base(seed: seed, traces: traces)
        curriculum.bursts = command.bursts
        if !command.meta { curriculum.applications = Array(curriculum.applications.prefix(1)) }
        return curriculum
    }

    private func train() throws -> ClusterTrainReport {
        let progress = ProgressLine()
        let file = checkpointPath.map { ClusterCheckpoint(path: $0, settings: settings) }
        var state = ClusterCheckpoint.State()
        if command.resume, let file { state = try file.read() }
        let seeds = (0..<UInt64(command.seeds)).map { command.seed &+ $0 }.dropFirst(state.candidates.count)
        let updates = seeds.count * options.updates - state.done
        progress.begin("training", total: max(1, updates))
        let start = ContinuousClock.now
        for seed in seeds { try train(seed: seed, &state, file, progress) }
        let seconds = start.duration(to: .now) / .seconds(1)
        progress.finish()
        if state.candidates.contains(where: \.scores.isEmpty) {
            progress.say("judging on \(SyntheticApplication.validation.count) applications")
            let policies = try state.candidates.map { try Policy(decoding: $0.policy) }
            let scores = ClusterValidation(traces: traces).score(policies, parallelFor: parallelFor)
            for index in state.candidates.indices { state.candidates[index].scores = scores[index] }
            try file?.write(state)
        }
        let chosen = ClusterValidation.best(of: state.candidates.map(\.scores)) ?? 0
        return ClusterTrainReport(
            candidates: state.candidates, chosen: chosen, encoder: try encoder(state.candidates[chosen], progress),
            options: options, curriculum: curriculum(seed: command.seed), isMeta: command.meta,
            traces: traces.map(\.name), seconds: seconds, updatesRun: max(0, updates), output: command.output)
    }

    /// The encoder of workloads, trained on trajectories of the chosen policy and of the rules.
    private func encoder(_ candidate: Candidate, _ progress: ProgressLine) throws -> ClusterTrainReport.Encoder? {
        guard command.meta else { return nil }
        let policy = try Policy(decoding: candidate.policy)
        var trainer = EncoderTrainer(seed: candidate.seed)
        progress.begin("encoder", total: EncoderTrainer.Options().epochs)
        _ = trainer.train(
            on: curriculum(seed: candidate.seed).applications, policy: policy, traces: traces, parallelFor: parallelFor
        ) { _ in progress.advance(by: 1) }
        progress.finish()
        let explained = trainer.explained(
            on: SyntheticApplication.validation, episodes: 2, policy: policy, traces: traces, seed: candidate.seed)
        return .init(
            frozen: trainer.frozen(policy: policy, traces: traces, seed: candidate.seed),
            explained: Dictionary(uniqueKeysWithValues: zip(EncoderTrainer.characteristics, explained)))
    }

    /// Trains one seed to its end, from the checkpoint's trainer if there is one.
    private func train(
        seed: UInt64, _ state: inout ClusterCheckpoint.State, _ file: ClusterCheckpoint?, _ progress: ProgressLine
    ) throws {
        var trainer = ClusterTrainer(curriculum: curriculum(seed: seed), options: options, seed: seed)
        if let bytes = state.trainer { try trainer.restore(from: bytes) }
        let interval = max(1, options.updates / 100)
        while !trainer.isDone {
            state.add(trainer.update(parallelFor: parallelFor), interval: interval)
            progress.advance(by: 1)
            if trainer.isAtCheckpoint, !trainer.isDone {
                state.trainer = trainer.encode()
                try file?.write(state)
            }
        }
        state.finish(seed: seed, policy: trainer.policy.encode())
        try file?.write(state)
    }

    private var checkpointPath: String? { command.checkpoint ?? command.output.map { $0 + ".checkpoint" } }

    /// What a checkpoint must have been made with to be gone on from.
    private var settings: String {
        "cluster meta \(command.meta) steps \(options.episodeSteps) episodes \(options.episodes) of "
            + "\(options.ppo.episodesPerUpdate) seed \(command.seed) traces \(traces.map(\.name).joined(separator: "+"))"
            + (command.bursts == .drawn ? "" : " bursts \(command.bursts)")
    }
}

// `aware-bench simulate`: the cluster model and an episode of training, beside Python, in one run and one table.

import ArgumentParser
import ClusterModel
import Deciding
import Experiments
import Foundation
import Learning
import Scaling

struct SimulateBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Decision steps and training episodes a second, beside Python, NumPy and PyTorch.",
        discussion: """
            Needs a Python with torch and numpy for the peers; without one only our own figures are shown. The peers \
            play the same model; the PyTorch one acts in 32 applications at once. Both sides use one thread, and \
            seconds are seconds of CPU time.
            """)

    @Option(help: "Python with torch and numpy. (default: python3 where it has both, otherwise no peers)")
    var python: String?

    /// One line of the table, in figures a second of CPU time.
    private struct Row {
        let name: String
        let ours: Double
        let peers: [(name: String, figure: Double)]
        let goal: String
    }

    func run() async throws {
        let peers = try await peerFigures()
        var rows = [
            Row(
                name: "decision steps of the cluster model", ours: SimulateMeasurements.steps(),
                peers: [("Python", "python steps"), ("NumPy, 256 at once", "numpy steps")].compactMap { name, key in
                    peers[key].map { (name, $0) }
                }, goal: ">= 200,000"),
            Row(
                name: "training episodes, 100 steps, GRU(32), 64-64", ours: SimulateMeasurements.trainingEpisodes(),
                peers: peers["torch episodes"].map { [("PyTorch", $0)] } ?? [], goal: ""),
        ]
        rows.append(
            Row(
                name: "served decisions of a policy, cluster included", ours: SimulateMeasurements.servedSteps(),
                peers: [], goal: ""))
        print(
            "what, a second of CPU time".padding(toLength: 48, withPad: " ", startingAt: 0)
                + "        ours  goal        peers")
        for row in rows {
            let others = row.peers.map { String(format: "%@ %.0f (%.0f x)", $0.name, $0.figure, row.ours / $0.figure) }
            print(
                row.name.padding(toLength: 48, withPad: " ", startingAt: 0) + String(format: "%12.0f  ", row.ours)
                    + row.goal.padding(toLength: 12, withPad: " ", startingAt: 0) + others.joined(separator: ", "))
        }
    }

    /// Figures by name; empty without a Python that has what they need.
    private func peerFigures() async throws -> [String: Double] {
        let command = python ?? "python3"
        let check = try await Program.run([command, "-c", "import numpy, torch; print('both')"], seconds: 60)
        guard check.contains("both") else {
            let text = "aware-bench: no peers: \(command) has no numpy and torch (say another with --python).\n"
            FileHandle.standardError.write(Data(text.utf8))
            return [:]
        }
        FileHandle.standardError.write(Data("running the Python peers\n".utf8))
        let script = String(decoding: PackageResources.cluster_peer_py, as: UTF8.self)
        let output = try await Program.run(
            [command, "-c", script], environment: ["OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"], seconds: 300)
        var figures: [String: Double] = [:]
        for line in output.split(separator: "\n") {
            let parts = line.split(separator: ":")
            guard parts.count == 2, let figure = Double(parts[1].trimmingCharacters(in: .whitespaces)) else { continue }
            figures[String(parts[0])] = figure
        }
        if figures.isEmpty { FileHandle.standardError.write(Data(output.utf8)) }
        return figures
    }
}

/// Our own figures, each the best of several rounds on one thread.
enum SimulateMeasurements {
    private static func best(_ count: Int, rounds: Int = 5, _ body: () -> Void) -> Double {
        body()
        return (0..<rounds).map { _ in
            let start = cpuSeconds()
            body()
            return Double(count) / (cpuSeconds() - start)
        }.max() ?? 0
    }

    /// CPU time of this thread: what others do on the machine does not count.
    private static func cpuSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Steps of the cluster alone, under a generated load, with a change of replicas in every other step.
    static func steps() -> Double {
        let application = SyntheticApplication.split(seed: 1).training[0]
        let profile = application.profile
        let load = LoadLevel.scale(
            LoadGenerator.window(steps: 500, seed: 1), to: 0.5, of: application.capacity(profile: profile))
        var cluster = Cluster(application: application, seed: 1)
        let size = application.defaultSize
        return best(10_000) {
            for step in 0..<10_000 {
                var desired = size
                desired.replicas = 8 + step / 2 % 3
                let start = step % 500 * 12
                _ = cluster.step(desired: desired, load: load[start..<start + 12])
            }
        }
    }

    /// Episodes that are played and learned from, 32 an update.
    static func trainingEpisodes() -> Double {
        let curriculum = ClusterCurriculum(applications: SyntheticApplication.split(seed: 1).training)
        var trainer = ClusterTrainer(curriculum: curriculum, seed: 1)
        return best(trainer.options.ppo.episodesPerUpdate) { _ = trainer.update() }
    }

    /// Steps of a recurrent policy as served, with rules, state, guards and cluster.
    static func servedSteps() -> Double {
        var scenario = Scenario(
            applications: Array(SyntheticApplication.split(seed: 1).training.prefix(1)),
            sources: [.generated(.drawn)], seed: 1)
        scenario.windows = 5
        let policy = Policy(shape: .cluster(), seed: 1)
        let trials = scenario.trials(application: 0, part: .training)
        return best(trials.reduce(0) { $0 + $1.steps }) {
            for trial in trials {
                var controller = DecisionController(policy: policy, profile: trial.profile)
                _ = trial.run(&controller)
            }
        }
    }
}

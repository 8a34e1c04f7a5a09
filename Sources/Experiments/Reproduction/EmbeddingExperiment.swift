// embedding: do applications whose best policies are alike lie close to each other?

import Base
import ClusterModel
import Deciding
import Learning
import Scaling

/// Rank correlation of the cosine between embeddings with the similarity of what a clairvoyant planner does.
enum EmbeddingExperiment: Experiment {
    static let id = "embedding"

    private struct Point: Sendable {
        let segment: String
        /// Embeddings by name of the method.
        let embeddings: [String: [Float]]
        /// What the planner allocates, per unit of load and absolutely, as logarithms.
        let optimum: [Double]
    }

    private static let memory = "memory of the base policy"
    private static let trajectory = "trajectory encoder"

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let applications = Array(context.unseen.prefix(context.sizes.embedded))
        let points = try context.map("embedding", applications.count) {
            point(context, context.schedule(applications[$0]))
        }
        let optima = Self.standardized(points.map(\.optimum))
        var findings: [Finding] = []
        var plots: [(name: String, plot: Plot)] = []
        for method in [trajectory, memory] where points.allSatisfy({ $0.embeddings[method] != nil }) {
            // A shared offset would make every cosine nearly 1.
            let embeddings = Self.centred(points.compactMap { $0.embeddings[method] })
            findings.append(
                Finding(
                    "Spearman, cosine of embeddings and likeness of optimal policies", method,
                    correlation(embeddings, optima, seed: context.seed)))
            findings.append(
                Finding(
                    "mean cosine, same leading segment less others", method, contrast(embeddings, points.map(\.segment))
                ))
            plots.append(
                ("embedding-" + (method == memory ? "memory" : "trajectory"), plot(method, embeddings, points)))
        }
        return ExperimentReport(
            id: id, title: "Embeddings of applications", definitions: definitions(points.count), findings: findings,
            plots: plots)
    }

    private static func point(_ context: ExperimentContext, _ schedule: EpisodeSchedule) -> Point {
        let lessons = (0..<8).map { schedule.episode(3_000_000 + $0) }
        let episodes = lessons.map { $0.taughtByRules().episode }
        var embeddings: [String: [Float]] = [:]
        if let encoder = context.encoder { embeddings[trajectory] = encoder.embed(episodes) }
        embeddings[memory] = memoryMean(context.base, episodes)
        // The same shapes of load for every application, each in units of its own capacity.
        var total = TrialResult()
        var allocation = (replicas: 0.0, cpu: 0.0, bytes: 0.0, steps: 0.0)
        for seed in 0..<2 {
            let profile = schedule.application.profile
            let load = LoadLevel.scale(
                LoadGenerator.window(steps: 60, seed: UInt64(seed)), to: 0.5,
                of: schedule.application.capacity(profile: profile))
            let trial = Trial(
                application: schedule.application, load: load, warmUpSteps: 10, seed: UInt64(seed))
            var planner = PlannerController()
            total += trial.run(&planner) { outcome in
                let replicas = Double(outcome.observation.replicas)
                allocation.replicas += replicas
                allocation.cpu += Double(outcome.observation.cpuMillicores ?? 0)
                allocation.bytes += Double(outcome.observation.memoryBytes ?? 0)
                allocation.steps += 1
            }
        }
        let steps = max(1, allocation.steps)
        let optimum = [
            allocation.replicas / steps, allocation.cpu / steps, allocation.bytes / steps, total.coreHours,
        ].map { logarithm(max($0, 1e-9)) }
        let leading = schedule.application.segments.max { $0.cpuSeconds < $1.cpuSeconds }?.name ?? ""
        return Point(segment: leading, embeddings: embeddings, optimum: optimum)
    }

    /// Mean state of the base policy's GRU over episodes that it watches; empty for a policy without one.
    private static func memoryMean(_ policy: Policy, _ episodes: [Episode]) -> [Float] {
        let shape = policy.shape
        let size = shape.recurrentSize
        var sum = [Float](repeating: 0, count: size)
        guard size > 0, shape.observationSize == PolicyShape.cluster().observationSize else { return sum }
        let scratch = policy.makeScratch()
        let embedding = [Float](repeating: 0, count: shape.embeddingSize)
        var steps: Float = 0
        for episode in episodes {
            var memory = shape.emptyMemory()
            for step in 0..<episode.count {
                let row = step * shape.observationSize..<(step + 1) * shape.observationSize
                episode.observations[row].withUnsafeBufferPointer { state in
                    embedding.withUnsafeBufferPointer { embedding in
                        memory.withUnsafeMutableBufferPointer {
                            policy.decide(observation: state, embedding: embedding, memory: $0, scratch: scratch)
                        }
                    }
                }
                for index in 0..<size { sum[index] += memory[index] }
                steps += 1
                let heads = shape.heads.count
                shape.record(
                    actions: episode.actions[step * heads..<(step + 1) * heads].map(Int.init),
                    reward: episode.rewards[step], memory: &memory)
            }
        }
        return sum.map { $0 / max(steps, 1) }
    }

    // MARK: Statistics

    private static func centred(_ rows: [[Float]]) -> [[Float]] {
        guard let width = rows.first?.count else { return [] }
        let means = (0..<width).map { column in rows.reduce(0) { $0 + $1[column] } / Float(rows.count) }
        return rows.map { row in row.indices.map { row[$0] - means[$0] } }
    }

    /// Every column with mean 0 and deviation 1.
    private static func standardized(_ rows: [[Double]]) -> [[Double]] {
        guard let width = rows.first?.count else { return [] }
        let columns = (0..<width).map { column in rows.map { $0[column] } }
        return rows.map { row in
            row.indices.map { (row[$0] - columns[$0].mean) / max(columns[$0].deviation, 1e-9) }
        }
    }

    /// Over all pairs; the interval by drawing applications, with all pairs among those drawn.
    private static func correlation(_ embeddings: [[Float]], _ optima: [[Double]], seed: UInt64) -> Estimate? {
        func spearman(_ chosen: [Int]) -> Double {
            var cosines: [Double] = []
            var likenesses: [Double] = []
            for (position, first) in chosen.enumerated() {
                for second in chosen[..<position] where first != second {
                    cosines.append(Double(TrajectoryEncoder.similarity(embeddings[first], embeddings[second])))
                    let squares = zip(optima[first], optima[second]).map { ($0 - $1) * ($0 - $1) }
                    likenesses.append(-squares.reduce(0, +).squareRoot())
                }
            }
            return RankCorrelation.spearman(cosines, likenesses)
        }
        guard embeddings.count > 2 else { return nil }
        var random = SimulationRandom(seed: seed)
        let draws = (0..<200).map { _ in
            spearman(embeddings.indices.map { _ in Int(random.next() % UInt64(embeddings.count)) })
        }.filter(\.isFinite).sorted()
        guard let first = draws.first, let last = draws.last else { return nil }
        let whole = spearman(Array(embeddings.indices))
        return draws.count < 40
            ? Estimate(mean: whole, low: first, high: last)
            : Estimate(mean: whole, low: draws[draws.count / 40], high: draws[draws.count * 39 / 40])
    }

    private static func contrast(_ embeddings: [[Float]], _ segments: [String]) -> Estimate? {
        var (same, other): ([Double], [Double]) = ([], [])
        for first in embeddings.indices {
            for second in 0..<first {
                let cosine = Double(TrajectoryEncoder.similarity(embeddings[first], embeddings[second]))
                if segments[first] == segments[second] { same.append(cosine) } else { other.append(cosine) }
            }
        }
        guard !same.isEmpty, !other.isEmpty else { return nil }
        let difference = same.mean - other.mean
        return Estimate(mean: difference, low: difference, high: difference)
    }

    // MARK: Output

    private static func definitions(_ count: Int) -> [String] {
        [
            "\(count) unseen applications; embeddings from 8 episodes each in which the fallback rules act, less their "
                + "mean. Likeness of optimal policies: minus the distance between what the clairvoyant planner "
                + "allocates under the same two loads (mean replicas, cpu and memory of a replica, core-hours; logarithms, "
                + "each scaled to deviation 1). The paper gives no figure.",
            "The trajectory encoder is shown where there is one; the memory is the mean state of the "
                + "policy's GRU while it watches.",
            "The projection is onto the first two principal components; the colour is the segment with the most CPU work.",
        ]
    }

    private static func plot(_ method: String, _ embeddings: [[Float]], _ points: [Point]) -> Plot {
        let projected = PrincipalComponents.project(embeddings)
        let segments = Set(points.map(\.segment)).sorted()
        return Plot(
            title: "Embeddings: \(method)", xLabel: "first principal component", yLabel: "second",
            lines: segments.map { segment in
                Plot.Line(
                    name: segment,
                    points: points.indices.filter { points[$0].segment == segment }.map { projected[$0] },
                    isScatter: true)
            })
    }
}

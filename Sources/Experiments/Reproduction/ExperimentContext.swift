// What all experiments share: applications, loads, the base policy, sizes, threads, and what was computed already.

import Base
import ClusterModel
import Learning
import Neural
import Scaling
import Synchronization

/// The setting of a run of experiments. Results depend on seed, sizes, traces and base policy, never on how work is shared out.
public final class ExperimentContext: Sendable {
    /// How much is played. Every number is part of the printed definitions.
    public struct Sizes: Sendable, Equatable {
        /// Applications of rq1 (each is adapted to once), rq2 and instability, rq3, figure1, embedding.
        public var pairs = 5
        public var served = 3
        public var bootstrapped = 5
        public var endToEnd = 3
        public var embedded = 60
        /// Episodes after which a policy that was trained on one application alone counts as converged.
        public var specialistEpisodes = 1200
        /// Episodes that an arm may take to adapt, and that are bootstrapped.
        public var budget = 400
        /// Episodes after a change of the workload.
        public var afterChange = 100
        /// Windows of an examination of a greedy policy.
        public var exam = 8
        /// Applications of lives, and their episodes; those in which every learner begins anew, and its seeds.
        public var lives = 20
        public var lifeEpisodes = 80
        public var learners = 5
        public var learnerSeeds = 3

        public init() {}

        /// A minute's worth, to see that everything works. Its figures mean little.
        public static var quick: Sizes {
            var sizes = Sizes()
            sizes.pairs = 2
            sizes.served = 1
            sizes.bootstrapped = 1
            sizes.endToEnd = 1
            sizes.embedded = 8
            sizes.specialistEpisodes = 32
            sizes.budget = 24
            sizes.afterChange = 8
            sizes.exam = 2
            sizes.lives = 1
            sizes.lifeEpisodes = 12
            sizes.learners = 1
            sizes.learnerSeeds = 1
            return sizes
        }
    }

    public let sizes: Sizes
    public let base: Policy
    public let encoder: BaseEncoder?
    public let traces: [LoadTrace]
    public let seed: UInt64
    /// The paper's Figure 1 by series, where it is there to be drawn beside ours.
    public let publishedCurves: [String: [(x: Double, y: Double)]]
    private let parallelFor: ParallelFor
    private let report: @Sendable (String, Int, Int) -> Void

    /// - Parameters:
    ///   - report: is told what is being computed, how much of it is done, and how much there is.
    public init(
        base: Policy, encoder: BaseEncoder? = nil, traces: [LoadTrace], sizes: Sizes = Sizes(), seed: UInt64 = 1,
        publishedCurves: [String: [(x: Double, y: Double)]] = [:], parallelFor: @escaping ParallelFor = sequentially,
        report: @escaping @Sendable (String, Int, Int) -> Void = { _, _, _ in }
    ) {
        self.base = base
        self.encoder = encoder
        self.traces = traces
        self.sizes = sizes
        self.seed = seed
        self.publishedCurves = publishedCurves
        self.parallelFor = parallelFor
        self.report = report
        // The first 100 test applications are `aware evaluate`'s; experiments use the others.
        unseen = Array(SyntheticApplication.split(seed: 1).test.dropFirst(100))
    }

    /// Applications that nothing was trained on.
    let unseen: [SyntheticApplication]

    /// Where the loads of experiments come from.
    var sources: [LoadSource] { traces.map(LoadSource.trace) + [.generated(.drawn)] }

    /// `body` of 0..<count, in order, computed side by side.
    /// - Throws: what the first unit that failed threw.
    func map<T: Sendable>(_ title: String, _ count: Int, _ body: (Int) throws -> T) throws -> [T] {
        let results = Mutex([Result<T, any Error>?](repeating: nil, count: count))
        let done = Mutex(0)
        report(title, 0, count)
        parallelFor(count) { index in
            let value = Result { try body(index) }
            results.withLock { $0[index] = value }
            let finished = done.withLock { done in
                done += 1
                return done
            }
            report(title, finished, count)
        }
        return try results.withLock { try $0.compactMap { try $0?.get() } }
    }

    // MARK: What several experiments need

    private let adaptation = Mutex<AdaptationStudy?>(nil)
    private let serving = Mutex<ServingStudy?>(nil)
    private let early = Mutex<EarlyStudy?>(nil)

    func adaptationStudy() throws -> AdaptationStudy { try Self.once(adaptation) { try AdaptationStudy(self) } }
    func servingStudy() throws -> ServingStudy { try Self.once(serving) { try ServingStudy(self) } }
    func earlyStudy() throws -> EarlyStudy { try Self.once(early) { try EarlyStudy(self) } }

    private static func once<T>(_ stored: borrowing Mutex<T?>, _ make: () throws -> T) throws -> T {
        try stored.withLock { value in
            if let value { return value }
            let new = try make()
            value = new
            return new
        }
    }

    /// Episodes of one application: its loads, the same for every arm.
    func schedule(_ application: SyntheticApplication, levels: ClosedRange<Double> = 0.15...0.9) -> EpisodeSchedule {
        EpisodeSchedule(application: application, sources: sources, levels: levels, seed: seed)
    }

    /// The calibrated reference rules of an application, swept on training windows of `schedule`.
    func calibratedRules(_ schedule: EpisodeSchedule) -> Arm.Setting {
        Arm.reference.calibrated(for: schedule.application, on: (0..<6).map { schedule.episode(1_000_000 + $0) }).setting
    }
}

/// The trajectory encoder that ships, or another one.
public struct BaseEncoder: Sendable {
    /// Length of its embeddings.
    public let size: Int
    /// The embedding of an application by its trajectories; zeros without any.
    public let embed: @Sendable ([Episode]) -> [Float]

    public init(size: Int, embed: @escaping @Sendable ([Episode]) -> [Float]) {
        self.size = size
        self.embed = embed
    }
}

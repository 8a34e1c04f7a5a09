// What a reproduction of one of the paper's experiments is, and what it reports.

/// One figure of an arm, with the paper's beside it where there is one.
public struct Finding: Sendable {
    public let name: String
    public let arm: String
    public let value: Estimate
    public let paper: Double?

    init(_ name: String, _ arm: String, _ value: Estimate?, paper: Double? = nil) {
        self.name = name
        self.arm = arm
        self.value = value ?? Estimate(mean: .nan, low: .nan, high: .nan)
        self.paper = paper
    }
}

/// What an experiment found, ready to be printed.
public struct ExperimentReport: Sendable {
    public let id: String
    public let title: String
    /// What the paper leaves open, and how it was decided here.
    public let definitions: [String]
    public let findings: [Finding]
    /// Plots by file name without its ending.
    public let plots: [(name: String, plot: Plot)]
}

/// An experiment. It may use what others computed in the same context.
public protocol Experiment {
    static var id: String { get }
    /// - Throws: what kept an agent from being simulated.
    static func run(in context: ExperimentContext) throws -> ExperimentReport
}

/// All experiments, in the order in which they are run.
public enum Experiments {
    public static let all: [any Experiment.Type] = [
        AdaptationExperiment.self, ServingExperiment.self, BootstrappingExperiment.self, EndToEndExperiment.self,
        InstabilityExperiment.self, EmbeddingExperiment.self, LifeExperiment.self,
    ]
}

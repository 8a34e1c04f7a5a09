// What training asks of the store.

/// A new, immutable version of an application's policy.
public struct ModelVersion: Sendable {
    public var application: Int64
    public var version: Int
    public var parent: Int
    public var created: Double
    public var algorithm: String
    /// Last episode that it was trained on.
    public var episode: Int
    /// Update diagnostics and scores by name.
    public var diagnostics: [String: Double]
    /// `Policy`'s byte form.
    public var weights: [UInt8]

    public init(
        application: Int64, version: Int, parent: Int, created: Double, algorithm: String, episode: Int,
        diagnostics: [String: Double], weights: [UInt8]
    ) {
        self.application = application
        self.version = version
        self.parent = parent
        self.created = created
        self.algorithm = algorithm
        self.episode = episode
        self.diagnostics = diagnostics
        self.weights = weights
    }
}

/// Something an operator wants to be told: a change of stage, a promotion, an alarm.
public struct Event: Sendable {
    public var id: Int64
    public var time: Double
    public var application: Int64
    public var episode: Int?
    /// What kind of event, for example `transition`.
    public var kind: String
    public var from: String
    public var to: String
    public var reason: String
    /// The figures that led to it, by name.
    public var figures: [String: Double]

    public init(
        id: Int64 = 0, time: Double, application: Int64, episode: Int?, kind: String, from: String, to: String,
        reason: String, figures: [String: Double]
    ) {
        self.id = id
        self.time = time
        self.application = application
        self.episode = episode
        self.kind = kind
        self.from = from
        self.to = to
        self.reason = reason
        self.figures = figures
    }
}

/// What late news did to the mean reward of a finished episode.
public struct EpisodeCorrection: Sendable, Equatable {
    public var episode: Int
    public var before: Double?
    public var after: Double?

    public init(episode: Int, before: Double?, after: Double?) {
        self.episode = episode
        self.before = before
        self.after = after
    }
}

/// Everything one step of training changes; stored in one transaction.
public struct TrainingCommit: Sendable {
    public var application: Int64
    /// Last episode that was taken into account.
    public var episode: Int
    public var state: [UInt8]
    /// `nil` when it is still what was stored last.
    public var optimizer: [UInt8]?
    /// New versions, in the order of their numbers.
    public var models: [ModelVersion]
    public var events: [Event]
    /// Who asked for it and why, when a person did.
    public var audit: AuditEntry?

    public init(
        application: Int64, episode: Int, state: [UInt8], optimizer: [UInt8]?, models: [ModelVersion],
        events: [Event], audit: AuditEntry? = nil
    ) {
        self.application = application
        self.episode = episode
        self.state = state
        self.optimizer = optimizer
        self.models = models
        self.events = events
        self.audit = audit
    }
}

/// What training continues from.
public struct StoredTrainer: Sendable {
    /// Last episode that was taken into account.
    public var episode: Int
    public var state: [UInt8]
    public var optimizer: [UInt8]?

    public init(episode: Int, state: [UInt8], optimizer: [UInt8]?) {
        self.episode = episode
        self.state = state
        self.optimizer = optimizer
    }
}

/// Reads experience and persists what was learned from it. Called on trainer threads; may block.
public protocol EpisodeStore: Sendable {
    /// Finished episodes with a number above `number`, oldest first, at most `limit`.
    func episodes(of application: Int64, after number: Int, limit: Int) throws -> [EpisodeSummary]
    /// The steps of an episode, oldest first, and behind them the decision that closed it.
    func decisions(of episode: EpisodeSummary) throws -> [Decision]
    func trainerState(of application: Int64) throws -> StoredTrainer?
    func model(of application: Int64, version: Int) throws -> ModelVersion?
    /// The number under which a version's weights are stored: equal weights have the same, and it is never used for others.
    func weightsNumber(of application: Int64, version: Int) throws -> Int64?
    func commit(_ training: TrainingCommit) throws
    /// The newest `limit` steps of other controllers, oldest first.
    func externalTransitions(of application: Int64, limit: Int) throws -> [ExternalTransition]
    /// Replaces an application's embedding.
    func set(_ embedding: WorkloadEmbedding, of application: Int64) throws
}

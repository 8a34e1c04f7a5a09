// What a start reads of an application.

import Agents

/// An application as it is kept.
public struct StoredApplication: Sendable, Equatable {
    public var id: Int64
    public var name: String
    /// The profile as JSON.
    public var profile: String
    public var revision: Int
    public var created: Double
    /// `nil` for an application that was made here.
    public var origin: Origin?
    /// Whether it is on its way to another server.
    public var isSealed: Bool
    /// False when the row does not fit its checksum.
    public var isSound: Bool

    public init(
        id: Int64, name: String, profile: String, revision: Int, created: Double, origin: Origin? = nil, isSealed: Bool = false,
        isSound: Bool = true
    ) {
        self.id = id
        self.name = name
        self.profile = profile
        self.revision = revision
        self.created = created
        self.origin = origin
        self.isSealed = isSealed
        self.isSound = isSound
    }
}

/// Stored state that does not fit its checksum.
public struct StoredDamage: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// What an agent continues from after a restart.
public struct StoredAgent: Sendable {
    /// The agent's encoded state as of its last episode end, `nil` when no episode ended yet.
    public var state: [UInt8]?
    /// Decisions since then, oldest first.
    public var decisions: [Decision]
    /// Last finished episode.
    public var episode: EpisodeSummary?

    public init(state: [UInt8]?, decisions: [Decision], episode: EpisodeSummary?) {
        self.state = state
        self.decisions = decisions
        self.episode = episode
    }
}

/// An application that has just come from another server.
public struct ArrivedApplication: Sendable {
    public var application: StoredApplication
    public var control: StoredControl
    public var embedding: WorkloadEmbedding?

    public init(application: StoredApplication, control: StoredControl, embedding: WorkloadEmbedding?) {
        self.application = application
        self.control = control
        self.embedding = embedding
    }
}

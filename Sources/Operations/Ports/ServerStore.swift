// What the operations ask of the store. Every call may wait for the disk: none is made on an event loop.

import Agents

/// Applications, and what their agents continue from after a start.
public protocol ApplicationStore: Sendable {
    /// Where it is kept, as an operator would find it.
    var path: String { get }
    func applications() throws -> [StoredApplication]
    /// Adds an application and returns its id.
    func insert(application name: String, profile: String, created: Double) throws -> Int64
    func update(application id: Int64, profile: String, revision: Int) throws
    func delete(application id: Int64) throws
    /// The highest number that a decision has.
    func lastSeq() throws -> Int64
    /// `seq` of every application's last decision; for start-up only.
    func lastDecisions() throws -> [Int64: Int64]
    /// The same for one application, without writing: also when the disk is full.
    func lastDecision(of application: Int64) throws -> Int64
    /// The feedback on every application's last decision, by its `seq`. Call `lastDecisions` before.
    func lastFeedback() throws -> [Int64: DecisionFeedback]
    /// What the agent of `application` continues from, given the `seq` of its last decision (0 for none).
    /// - Throws: `StoredDamage` when it does not fit its checksum.
    func agent(of application: Int64, last: Int64) throws -> StoredAgent
    /// Where an application goes on whose state is damaged: its episode, and the last decision of it.
    func continuation(of application: Int64) throws -> (episode: Int, last: Int64)
    func embeddings() throws -> [Int64: WorkloadEmbedding]
    /// Remembers, for operators, what was found to be damaged.
    func noteDamage(of application: Int64?, _ reason: String)
    /// Applications that are read at the same time at a start.
    var readersMax: Int { get }
}

/// One application on its way to another server.
public protocol MoveStore: Sendable {
    /// Who sealed `application`, when and why; `nil` when it is not sealed.
    func seal(of application: Int64) throws -> StoredHold?
    /// Notes that `application` is sealed, or with `nil` that it is not any more.
    func set(_ seal: StoredHold?, of application: Int64, audit entry: AuditEntry) throws
    /// All that there is of an application, as one file.
    /// - Parameters:
    ///   - last: number of its last decision, when it is known.
    ///   - seed: of this server.
    func export(application: Int64, last: Int64?, seed: UInt64) throws -> [UInt8]
    /// Adds the application of a file under a name, in slices between the commits of decisions: all of it, or nothing.
    /// - Parameter numbers: reserves so many numbers for its decisions, and returns the first.
    /// - Throws: `BundleFailure` for a file that cannot be taken.
    func add(
        bundle: [UInt8], as name: String, numbers: (Int64) -> Int64, audit entry: AuditEntry
    ) throws -> ArrivedApplication
}

/// Why an application's file is refused.
public struct BundleFailure: Error, CustomStringConvertible {
    public let description: String

    public init(description: String) { self.description = description }
}

/// What was decided, and what became of it.
public protocol DecisionHistory: Sendable {
    func decision(seq: Int64, of application: Int64?) throws -> Decision?
    /// A stretch of the chain that ends with `seq`, newest first; none that was made at `end` or later.
    func decisions(of application: Int64, from seq: Int64, limit: Int, before end: Double) throws -> [Decision]
    /// Episodes with a number below `number`, newest first.
    func episodes(of application: Int64, before number: Int, limit: Int) throws -> [EpisodeSummary]
    func feedback(on seq: Int64) throws -> DecisionFeedback?
    /// Stores feedback once, and counts the episode again that it belongs to when that is over already.
    /// - Returns: the feedback that counts: this one, or the one that was there before; and what became of the episode.
    func insert(
        _ feedback: DecisionFeedback, on seq: Int64, application: Int64, at time: Double
    ) throws -> (feedback: DecisionFeedback, correction: EpisodeCorrection?)
    /// Stores steps of other controllers; those that are known already are left out. Returns how many were new.
    func insert(_ transitions: [ExternalTransition], of application: Int64) throws -> Int
    /// Versions below `version`, newest first, without their weights.
    func models(of application: Int64, before version: Int, limit: Int) throws -> [ModelVersion]
    /// Events of one application, oldest first.
    func events(of application: Int64, kind: String) throws -> [Event]
}

/// What operators demand. Each change is stored together with its entry in the audit log.
public protocol ControlStore: Sendable {
    func controls() throws -> [Int64: StoredControl]
    func killSwitch() throws -> StoredHold?
    func set(_ control: StoredControl, of application: Int64, audit entry: AuditEntry) throws
    /// Turns the kill switch on, or with `nil` off.
    func set(_ killSwitch: StoredHold?, audit entry: AuditEntry) throws
}

/// The audit log, and the events that operators listen to.
public protocol EventLog: Sendable {
    func audit(_ filter: LogFilter) throws -> [AuditEntry]
    func events(_ filter: LogFilter) throws -> [NamedEvent]
    /// Events with an id above `id`, oldest first: what a listener has missed.
    func events(after id: Int64, limit: Int) throws -> [NamedEvent]
    func lastEvent() throws -> Int64
    /// Calls `action`, on whichever thread it was, after each commit that added events.
    func onEvents(_ action: @escaping @Sendable () -> Void)
}

/// Responses that are kept for requests with an Idempotency-Key.
public protocol ResponseStore: Sendable {
    func keep(_ response: StoredResponse, dropping dropped: [String]) throws
    func storedResponse(of key: String) throws -> StoredResponse?
    /// All of them, oldest first, without their bodies but with the bodies' sizes.
    func storedResponses() throws -> [(response: StoredResponse, bytes: Int)]
}

/// The whole store, as a server needs it.
public protocol ServerStore: ApplicationStore, MoveStore, DecisionHistory, ControlStore, EventLog, ResponseStore, EpisodeStore,
    DecisionSink
{
    /// Proves that a write is accepted, for `/readyz`. Throws what is in the way.
    func probe() throws
}

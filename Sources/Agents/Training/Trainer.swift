// The background worker: low-priority threads that learn from finished episodes, persist the result, then publish it.

import Foundation
import Learning
import Logging
import Scaling
import Synchronization

public final class Trainer: Sendable {
    /// Learners kept in memory; the others are read from the store when their turn comes.
    private static let learnersMax = 256
    /// On Linux niceness belongs to a thread: training yields to serving.
    private static let niceness: Int32 = 10

    private let store: any EpisodeStore
    private let table: ServingTable
    /// Every application's first candidate, unless its profile says `meta: false`.
    private let base: Policy?
    private let baseWeights: [UInt8]?
    private let seed: UInt64
    private let queue = TrainingQueue()
    /// Where trainers write: see `write`.
    private let writes = DispatchQueue(label: "aware.trainer.writes")
    private let threads: Int
    /// CPU that learning on may take of an application that is served, in milliseconds an hour.
    private let budget: Double
    /// Whether what serves the nearest workloads is a candidate of a new application.
    private let asksNeighbours: Bool
    private let log: Logger
    /// The threads that are at work.
    private let running = DispatchGroup()
    /// Policies in use by the number of their weights: most applications act by the same, which is not read for each.
    private let policies = Mutex(PoliciesInUse<Int64>())
    private let learners = Mutex<[Int64: ApplicationLearner]>([:])
    /// Last episode of every application that training has dealt with.
    private let progress = Mutex<[Int64: Int]>([:])
    private let failure = Mutex<String?>(nil)
    private let commands = Mutex<[Int64: [WaitingCommand]]>([:])
    public let updates = Atomic<Int>(0)
    /// CPU that training has taken, in nanoseconds.
    public let cpuTime = Atomic<UInt64>(0)
    /// What kind of workload each application is.
    public let embeddings: EmbeddingIndex

    /// - Parameter encoder: what embeds applications; without one they have no embedding.
    public init(
        store: any EpisodeStore, table: ServingTable, base: Policy?, encoder: WorkloadEncoder? = nil, threads: Int,
        budget: Double = 50, asksNeighbours: Bool = false, seed: UInt64, log: Logger = .silent
    ) {
        self.asksNeighbours = asksNeighbours
        self.base = base
        baseWeights = base?.encode()
        embeddings = EmbeddingIndex(encoder: encoder)
        self.store = store
        self.table = table
        self.threads = threads
        self.budget = budget
        self.seed = seed
        self.log = log
    }

    public func start() {
        for index in 0..<threads {
            startThread("aware.trainer.\(index)") { trainer in
                _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
                trainer.work()
            }
        }
        startThread("aware.commands") { $0.workForPeople() }
    }

    private func startThread(_ name: String, _ body: @escaping @Sendable (Trainer) -> Void) {
        running.enter()
        let thread = Thread { [self] in
            body(self)
            running.leave()
        }
        thread.name = name
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Begins no further update. What is being learned is not kept: its episodes stay in the store, and are learned from
    /// after the next start.
    public func beginStopping() { queue.close(threads: threads) }

    /// Lets every thread finish the update it is at, and waits for that.
    public func stop() async {
        beginStopping()
        await withCheckedContinuation { continuation in
            running.notify(queue: .global()) { continuation.resume() }
        }
    }

    /// Says that an episode of `agent`, or what another controller did, is on disk.
    public func enqueue(_ agent: Agent) { queue.push(agent) }

    /// Drops what is kept in memory of an application that was deleted.
    public func forget(_ agent: Agent) {
        learners.withLock { $0[agent.id] = nil }
        progress.withLock { $0[agent.id] = nil }
        embeddings.forget(agent.id)
    }

    /// Applications that wait for training.
    public var backlog: Int { queue.count }

    /// Last episode of `id` that was taken into account.
    public func trainedEpisode(of id: Int64) -> Int { progress.withLock { $0[id] ?? 0 } }

    /// What the last failed attempt said, `nil` while training works.
    public var lastFailure: String? { failure.withLock { $0 } }

    /// Puts the last persisted version of an application on duty again.
    public func restore(_ agent: Agent) throws -> ActivePolicy? {
        guard let saved = try store.trainerState(of: agent.id) else { return nil }
        let learner = try learner(decoding: saved, of: agent)
        progress.withLock { $0[agent.id] = saved.episode }
        let active = Self.activePolicy(of: learner, agent.profile)
        table.publish(active, for: agent.id)
        return active
    }

    private static func activePolicy(of learner: ApplicationLearner, _ profile: Profile) -> ActivePolicy {
        ActivePolicy(
            stage: learner.lifecycle.stage, policy: learner.policy, version: learner.version,
            explores: learner.explores, exploration: learner.exploration, rulesReward: learner.reportedRulesReward, isHeld: learner.lifecycle.isHeld,
            controlInterval: learner.lifecycle.controlInterval(profile), calibration: learner.calibrated.calibration,
            agreement: learner.agreement.isEmpty ? nil : learner.agreement)
    }

    // MARK: On a trainer's thread

    private func work() {
        while let agent = queue.pop() {
            let begun = Self.threadTime
            defer {
                cpuTime.add(Self.threadTime &- begun, ordering: .relaxed)
                giveBack(agent)
            }
            while !queue.isClosed {
                do {
                    try train(agent)
                    failure.withLock { $0 = nil }
                } catch is Stopped {
                    // Half learned, and begun again as of what is stored once a person's command is carried out.
                    learners.withLock { $0[agent.id] = nil }
                    continue
                } catch {
                    // The episodes stay in the store; the application's next episode tries again.
                    failed(agent, error)
                }
                break
            }
        }
    }

    private func failed(_ agent: Agent, _ error: any Error) {
        failure.withLock { $0 = "\(agent.name): \(error)" }
        log.error("training failed", metadata: ["application": "\(agent.name)", "error": "\(error)"])
        learners.withLock { $0[agent.id] = nil }
        for waiting in takeCommands(agent) { waiting.completion(.failure(error)) }
    }

    private func giveBack(_ agent: Agent) {
        queue.giveBack(agent)
        // What was commanded after training looked for the last time.
        if hasCommands(agent) { queue.pushUrgently(agent) }
    }

    private func hasCommands(_ agent: Agent) -> Bool { commands.withLock { $0[agent.id] != nil } }

    private func takeCommands(_ agent: Agent) -> [WaitingCommand] { commands.withLock { $0.removeValue(forKey: agent.id) ?? [] } }

    /// Carries out what operators command, beside the threads that train: nobody waits for other applications' training.
    private func workForPeople() {
        while let agent = queue.popUrgent() {
            do {
                var (learner, last) = try learner(of: agent)
                try carryOutCommands(agent, after: last, agent.profile, &learner)
                keep(learner, of: agent)
            } catch {
                failed(agent, error)
            }
            giveBack(agent)
        }
    }

    /// CPU time of this thread in nanoseconds.
    private static var threadTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Thrown between two episodes or updates when the server stops, or when a person commands something else.
    private struct Stopped: Error {}

    private func isStopping(_ agent: Agent) -> Bool { queue.isClosed || hasCommands(agent) }

    private func checkStop(_ agent: Agent) throws { if isStopping(agent) { throw Stopped() } }

    /// Carries out what operators commanded, and learns from the episodes that are new; on the caller's thread.
    public func train(_ agent: Agent) throws {
        var (learner, last) = try learner(of: agent)
        let profile = agent.profile
        while true {
            try carryOutCommands(agent, after: last, profile, &learner)
            let summaries = try store.episodes(of: agent.id, after: last, limit: 64)
            if summaries.isEmpty { break }
            for summary in summaries {
                try checkStop(agent)
                // A backlog is persisted where something changed, and at its end.
                try learn(agent, summary, profile, &learner, isLast: summary.number == summaries.last?.number)
                last = summary.number
            }
        }
        if last == 0 { try prepare(agent, profile, &learner) }
        try checkStop(agent)
        try embed(agent, &learner, profile)
        keep(learner, of: agent)
    }

    private func keep(_ learner: ApplicationLearner, of agent: Agent) {
        learners.withLock { learners in
            if learners.count >= Self.learnersMax { learners.removeAll() }
            learners[agent.id] = learner
        }
    }

    private func learner(of agent: Agent) throws -> (ApplicationLearner, Int) {
        if let learner = learners.withLock({ $0[agent.id] }) { return (learner, trainedEpisode(of: agent.id)) }
        guard let saved = try store.trainerState(of: agent.id) else {
            return (ApplicationLearner(agent.profile.algorithm, base: base(for: agent), seed: seed(of: agent)), 0)
        }
        return (try learner(decoding: saved, of: agent), saved.episode)
    }

    private func learner(decoding saved: StoredTrainer, of agent: Agent) throws -> ApplicationLearner {
        try ApplicationLearner(decoding: saved, base: base(for: agent), seed: seed(of: agent)) { version in
            guard let number = try store.weightsNumber(of: agent.id, version: version) else { return nil }
            if let known = policies.withLock({ $0[number] }) { return known }
            guard let weights = try store.model(of: agent.id, version: version)?.weights else { return nil }
            let policy = try weights == baseWeights ? base : Policy(decoding: weights)
            policies.withLock { $0[number] = policy }
            return policy
        }
    }

    /// Encodes the application's best episodes when they have changed.
    private func embed(_ agent: Agent, _ learner: inout ApplicationLearner, _ profile: Profile) throws {
        guard embeddings.encoderVersion != nil, learner.trajectories.hasChanged else { return }
        let source = source(of: agent, profile)
        let episodes = try learner.trajectories.numbers.compactMap { try source.episode($0) }
        learner.trajectories.hasChanged = false
        let time = try store.episodes(of: agent.id, after: learner.trajectories.latest - 1, limit: 1).first?.ended ?? 0
        guard let embedding = embeddings.encode(episodes, episode: learner.trajectories.latest, at: time) else {
            return
        }
        try write { [store] in try store.set(embedding, of: agent.id) }
        embeddings.set(embedding, of: agent.id, name: agent.name)
    }

    private func source(of agent: Agent, _ profile: Profile) -> LearningSource {
        LearningSource(
            application: agent.id, profile: profile, base: base(for: agent), store: store,
            budget: budget, isStopping: { [self] in isStopping(agent) },
            neighbours: { [self] in asksNeighbours && profile.meta ? neighbours(of: agent) : [] })
    }

    private static let neighboursMax = 2
    /// Cosine from which two workloads are alike enough for one to try what serves the other.
    private static let alikeFrom = 0.8

    /// What serves the workloads nearest to `agent`'s. Most may act by the base policy, which is a candidate in any case.
    private func neighbours(of agent: Agent) -> [LearningSource.Neighbour] {
        let found = embeddings.neighbours(of: agent.id, limit: .max).lazy.prefix { $0.similarity >= Self.alikeFrom }
            .compactMap { [self] neighbour -> LearningSource.Neighbour? in
                guard let id = neighbour.application, let active = table.activePolicy(of: id), active.stage == .serving,
                    let policy = active.policy, policy.parameters != base?.parameters
                else { return nil }
                return LearningSource.Neighbour(application: id, policy: policy)
            }
        return Array(found.prefix(Self.neighboursMax))
    }

    /// The base policy acts where it may, and where the application's learner could go on from it. One that reads an embedding
    /// gets the application's: another embedding makes another candidate of it, and a version keeps the one that it was made with.
    private func base(for agent: Agent) -> Policy? {
        let profile = agent.profile
        guard let base, profile.meta, profile.algorithm.hasMemory || profile.algorithm == .rules else { return nil }
        return base.bound(to: embeddings.embedding(of: agent.id)?.vector ?? [])
    }

    private func seed(of agent: Agent) -> UInt64 { (agent.origin ?? Origin(number: agent.id, seed: seed)).learning }

    /// One episode: learn, persist, publish, in this order.
    private func learn(
        _ agent: Agent, _ summary: EpisodeSummary, _ profile: Profile, _ learner: inout ApplicationLearner,
        isLast: Bool
    ) throws {
        let change = try learner.learn(from: summary, source: source(of: agent, profile))
        try checkStop(agent)
        guard !change.isEmpty || isLast else { return }
        try persist(change, of: learner, agent, episode: summary.number, at: summary.ended)
    }

    /// What another controller did, sent before the first decision: a model of the application, calibrated rules and a judged
    /// candidate come of it. Nothing acts because of it but the rules, better set.
    private func prepare(_ agent: Agent, _ profile: Profile, _ learner: inout ApplicationLearner) throws {
        let source = source(of: agent, profile)
        guard let change = try learner.prepare(source), let last = try store.externalTransitions(of: agent.id, limit: 1).last else {
            return
        }
        try checkStop(agent)
        try persist(change, of: learner, agent, episode: 0, at: last.time)
    }

    private func persist(
        _ change: ApplicationLearner.Progress, of learner: ApplicationLearner, _ agent: Agent, episode: Int, at time: Double
    ) throws {
        var commit = TrainingCommit(
            application: agent.id, episode: episode, state: learner.encodeState(),
            optimizer: change.versions.isEmpty && change.judgements.isEmpty ? nil : learner.encodeOptimizer(),
            models: [], events: change.events(of: agent.id, episode: episode, at: time))
        commit.models = change.versions.map { version in
            ModelVersion(
                application: agent.id, version: version.version, parent: version.parent, created: time,
                algorithm: learner.algorithm.rawValue, episode: episode, diagnostics: version.diagnostics,
                weights: version.policy.encode())
        }
        try write { [store, commit] in try store.commit(commit) }
        for event in commit.events { log.report(event, of: agent.name) }
        if !change.versions.isEmpty { updates.add(change.versions.count, ordering: .relaxed) }
        table.publish(Self.activePolicy(of: learner, agent.profile), for: agent.id)
        progress.withLock { $0[agent.id] = episode }
    }

    /// Writes on a thread of the usual priority: decisions are committed one after another with what trainers write, and would
    /// wait with them for the processor.
    private func write(_ body: @escaping @Sendable () throws -> Void) throws {
        let outcome = WrittenOutcome()
        let isDone = DispatchSemaphore(value: 0)
        writes.async {
            outcome.result.withLock { $0 = Result(catching: body) }
            isDone.signal()
        }
        isDone.wait()
        try outcome.result.withLock { try $0.get() }
    }

    // MARK: Commands

    /// Lets an operator intervene in an application's training, at once: an episode of it that is being learned from is given up, and
    /// learned from again afterwards.
    /// - Parameter completion: called on a trainer's thread after the change is on disk and on duty, with the version
    ///   and stage it led to, or with what was in the way (`CommandError`, or the store's error).
    /// - Parameter audit: who wants it and why; stored in the same transaction as the change.
    public func carryOut(
        _ command: TrainingCommand, for agent: Agent, at time: Double, audit: AuditEntry? = nil,
        completion: @escaping @Sendable (Swift.Result<ActivePolicy, any Error>) -> Void
    ) {
        commands.withLock {
            $0[agent.id, default: []].append(
                WaitingCommand(command: command, time: time, audit: audit, completion: completion))
        }
        queue.pushUrgently(agent)
    }

    private func carryOutCommands(
        _ agent: Agent, after episode: Int, _ profile: Profile, _ learner: inout ApplicationLearner
    ) throws {
        for waiting in takeCommands(agent) {
            do {
                var changed = learner
                var commit = TrainingCommit(
                    application: agent.id, episode: episode, state: [], optimizer: nil,
                    models: waiting.command.model.map { [$0] } ?? [], events: [], audit: waiting.audit)
                commit.events = try changed.apply(
                    waiting.command, base: base(for: agent), seed: seed(of: agent), profile: profile
                ).map {
                    $0.event(of: agent.id, episode: episode, at: waiting.time)
                }
                commit.state = changed.encodeState()
                commit.optimizer = changed.encodeOptimizer()
                try write { [store, commit] in try store.commit(commit) }
                for event in commit.events { log.report(event, of: agent.name) }
                learner = changed
                let active = Self.activePolicy(of: learner, agent.profile)
                table.publish(active, for: agent.id)
                progress.withLock { $0[agent.id] = episode }
                waiting.completion(.success(active))
            } catch {
                waiting.completion(.failure(error))
            }
        }
    }
}

/// What became of a write on another thread.
private final class WrittenOutcome: Sendable {
    let result = Mutex<Swift.Result<Void, any Error>>(.success(()))
}

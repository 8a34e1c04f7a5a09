// The control loop: every interval the whole cluster is read, decided upon in one round trip, and carried out.
//
// Nothing is done twice: a decision has an id made of the interval, so that a second recommender gets the first one's
// answer; writes say what shall be, and the scale is written on the version that was decided upon.

import Foundation
import Scaling
import Synchronization

/// Runs until it is stopped. One thread works; watches and the lease have their own.
public final class ControlLoop: @unchecked Sendable {
    /// What is remembered of a workload between intervals.
    private struct Memory {
        /// What was decided last, to compare with what runs.
        var decided: Allocation?
        var rules: LocalRules
        var profile: String?
        var isKnown = false
    }

    private let options: RecommendOptions
    private let cancellation = Cancellation()
    private let watch: ClusterWatch
    private let reader: MetricsReader
    private let aware: AwareClient
    private let actuator: Actuator
    private let keeper: LeaseKeeper?
    private let finder: WorkloadFinder
    private let log: @Sendable (String) -> Void
    public let figures = LoopFigures()
    private var memories: [String: Memory] = [:]
    private let ended = DispatchSemaphore(value: 0)
    /// Wakes the loop before its time when it is stopped.
    private let pause = DispatchSemaphore(value: 0)

    public init(_ options: RecommendOptions, _ access: ClusterAccess, log: @escaping @Sendable (String) -> Void) {
        self.options = options
        self.log = log
        watch = ClusterWatch(access, namespaces: options.namespaces, cancellation: cancellation, log: log)
        var queries = ClusterQueries()
        queries.labels = options.labels
        queries.windowSeconds = options.windowSeconds
        if !options.presets.isEmpty { queries.presets = TrafficPreset.all.filter { options.presets.contains($0.name) } }
        reader = MetricsReader(options.prometheus, queries, cancellation: cancellation)
        aware = AwareClient(options.server, options.credentials, cancellation: cancellation)
        actuator = Actuator(KubernetesClient(access, cancellation: cancellation, log: log), log: log)
        keeper = options.lease.map {
            LeaseKeeper(access, namespace: $0.namespace, name: $0.name, identity: options.identity, log: log)
        }
        var finder = WorkloadFinder()
        finder.recommender = options.recommender
        self.finder = finder
    }

    /// Begins to watch, and to work in every interval.
    public func start() {
        watch.start()
        keeper?.start()
        let thread = Thread { self.run() }
        thread.name = "recommend"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Ends the loop and gives the lease back, so that another takes over at once.
    public func stop() {
        cancellation.cancel()
        pause.signal()
        _ = ended.wait(timeout: .now() + .seconds(10))
        keeper?.stop()
    }

    /// Does the work of one interval as soon as the cluster is known, and returns; for `--once`.
    /// - Returns: whether it went through.
    public func once(timeoutSeconds: Double = 60) -> Bool {
        watch.start()
        let end = ContinuousClock.now + .seconds(timeoutSeconds)
        while !watch.missing.isEmpty, ContinuousClock.now < end { usleep(20_000) }
        guard watch.missing.isEmpty else {
            log("the cluster could not be read: \(watch.missing.joined(separator: ", "))")
            return false
        }
        return interval(at: Date().timeIntervalSince1970)
    }

    private func run() {
        // Recommenders that were started together do not ask together. Whoever sets the machine's clock must not make one of
        // them sleep for a year.
        var next = ContinuousClock.now + .seconds(Double.random(in: 0..<1) * min(5, options.intervalSeconds / 10))
        while !cancellation.isCancelled {
            let wait = (next - ContinuousClock.now) / .seconds(1)
            if wait > 0, pause.wait(timeout: .now() + wait) == .success { continue }
            let begun = ContinuousClock.now
            let isLeading = keeper?.isLeader ?? true
            figures.values.withLock { $0.isLeading = isLeading }
            let missing = watch.missing
            if !missing.isEmpty {
                figures.values.withLock { $0.problem = "not read yet: \(missing.joined(separator: ", "))" }
                next = begun + .seconds(0.5)
                continue
            }
            if isLeading {
                _ = interval(at: Date().timeIntervalSince1970)
            } else {
                figures.values.withLock { $0.problem = nil }
            }
            // Who does not lead looks often: the hand-over must not wait for an interval.
            let pace = isLeading ? options.intervalSeconds : min(2, options.intervalSeconds)
            next = begun + .seconds(pace * (0.97 + 0.06 * Double.random(in: 0..<1)))
        }
        ended.signal()
    }

    // MARK: One interval

    private func interval(at now: Double) -> Bool {
        let begun = DispatchTime.now().uptimeNanoseconds
        let cluster = watch.snapshot()
        let found = finder.find(in: cluster)
        let metrics = read(found.assignments, at: now)
        var recommendations = observe(found.assignments, cluster, metrics, at: now)
        let failure = decide(&recommendations, at: now, prometheusIsAway: metrics.isAway)
        var refusals: [String: Int] = [:]
        for recommendation in recommendations {
            for refusal in finish(recommendation, at: now) { refusals[refusal.reason, default: 0] += 1 }
        }
        for orphan in found.orphans {
            refusals[orphan.refusal.reason, default: 0] += 1
            show(nil, orphan.autoscaler, orphan.claim, [orphan.refusal], action: nil, at: now)
        }
        let applications = Set(found.assignments.map(\.application))
        memories = memories.filter { applications.contains($0.key) }
        figures.values.withLock { values in
            values.intervals += failure == nil ? 1 : 0
            values.failures += failure == nil ? 0 : 1
            values.queries = reader.queriesOfInterval
            values.writes = actuator.writes
            values.workloads = found.assignments.count
            values.byMode = Dictionary(grouping: found.assignments, by: \.mode.rawValue).mapValues(\.count)
            values.refusals = refusals
            values.awareIsAway = failure != nil
            values.prometheusIsAway = metrics.isAway
            values.lastSeconds = Double(DispatchTime.now().uptimeNanoseconds - begun) * 1e-9
            if failure == nil { values.lastSuccess = now }
            values.problem = failure.map { "aware is away: \($0)" } ?? (metrics.isAway ? "Prometheus is away" : nil)
        }
        return failure == nil
    }

    private func read(_ assignments: [Assignment], at now: Double) -> ClusterMetrics {
        var percentiles: Set<Double> = [99]
        var (requests, latencies): ([OwnQuery], [OwnQuery]) = ([], [])
        for assignment in assignments {
            let name = "\(assignment.id.namespace)/\(assignment.id.name)"
            if let text = assignment.settings["query-requests"] { requests.append(OwnQuery(workload: name, text: text)) }
            if let text = assignment.settings["query-latency"] { latencies.append(OwnQuery(workload: name, text: text)) }
            if let text = assignment.settings["percentile"], let percentile = Double(text), (1..<100).contains(percentile) {
                percentiles.insert(percentile)
            }
            if let percentile = assignment.claim?.profile?["slo"]?["percentile"]?.number { percentiles.insert(percentile) }
        }
        return reader.read(at: now, percentiles: percentiles, requests: requests, latencies: latencies) { query, why in
            self.log("\(query.workload): its own query is refused: \(why)")
        }
    }

    private func observe(
        _ assignments: [Assignment], _ cluster: ClusterSnapshot, _ metrics: ClusterMetrics, at now: Double
    ) -> [Recommendation] {
        let builder = ObservationBuilder(metrics: metrics, time: now)
        return assignments.map { assignment in
            let pods = (cluster.pods[assignment.id] ?? []).sorted { $0.name < $1.name }
            let application = assignment.application
            let kills = watch.kills.counter.withLock { $0.count(assignment.id) }
            let sizing = builder.observe(assignment, pods: pods, kills: 0, percentile: 99, last: nil).sizing
            let percentile = DerivedProfile(assignment, sizing: sizing).percentile
            let observed = builder.observe(
                assignment, pods: pods, kills: kills, percentile: percentile, last: memories[application]?.decided)
            let current = Allocation(
                replicas: assignment.workload.replicas, cpuMillicores: observed.sizing.total(.cpu) ?? 0,
                memoryBytes: observed.sizing.total(.memory) ?? 0)
            return Recommendation(
                assignment: assignment, observed: observed, current: current, desired: current,
                origin: .nobody(why: "not decided yet"), pods: pods)
        }
    }

    /// Asks aware about all of them at once; lets the local rules act where it does not answer.
    /// - Returns: why aware did not answer, `nil` when it did.
    private func decide(_ recommendations: inout [Recommendation], at now: Double, prometheusIsAway: Bool) -> String? {
        var answers: [String: Result<AwareDecision, AwareFailure>] = [:]
        var failure: String?
        do throws(AwareFailure) {
            for recommendation in recommendations { try introduce(recommendation) }
            // The same interval of another recommender has the same id: it gets the same decision.
            let number = Int(now / options.intervalSeconds)
            answers = try aware.decide(
                recommendations.map { ($0.assignment.application, "interval-\(number)-\($0.assignment.workload.uid.prefix(36))", $0.observed.observation) })
        } catch {
            failure = error.description
        }
        for index in recommendations.indices {
            let (application, current) = (recommendations[index].assignment.application, recommendations[index].current)
            var memory = memories[application] ?? Memory(rules: LocalRules(recommendations[index].observed.sizing, current: current))
            let local = memory.rules.decide(recommendations[index].observed.observation, current: current)
            switch answers[application] {
            case .success(let decision)?:
                recommendations[index].origin = .aware(decision)
                recommendations[index].desired = decision.desired
                watch.kills.counter.withLock { $0.told(recommendations[index].observed.kills, of: recommendations[index].assignment.id) }
                memory.decided = decision.desired
            case .failure(let error)?:
                recommendations[index].origin = .nobody(why: error.description)
                memory.decided = nil
            case nil:
                recommendations[index].origin = prometheusIsAway
                    ? .nobody(why: "neither aware nor Prometheus answers") : .localRules(why: "aware is away")
                recommendations[index].desired = prometheusIsAway ? current : local
                memory.decided = nil
            }
            memories[application] = memory
        }
        return failure
    }

    /// Gives an application its profile when it is new, or when its owner has changed it.
    private func introduce(_ recommendation: Recommendation) throws(AwareFailure) {
        let application = recommendation.assignment.application
        let profile = DerivedProfile(recommendation.assignment, sizing: recommendation.observed.sizing)
        var memory = memories[application] ?? Memory(rules: LocalRules(recommendation.observed.sizing, current: recommendation.current))
        defer { memories[application] = memory }
        guard memory.profile != profile.text else { return }
        if !memory.isKnown { memory.isKnown = try aware.knows(application) }
        // What somebody has told the server by hand stays, unless the cluster has words of its own.
        if !memory.isKnown || profile.isExplicit {
            do throws(AwareFailure) {
                try aware.put(application, profile: profile.text)
            } catch {
                guard error.status >= 400, error.status < 500 else { throw error }
                log("\(application): its profile is refused: \(error)")
            }
            memory.isKnown = true
        }
        memory.profile = profile.text
    }

    /// Carries one recommendation out and shows it.
    private func finish(_ recommendation: Recommendation, at now: Double) -> [Assignment.Refusal] {
        let assignment = recommendation.assignment
        var refusals = assignment.refusals
        var action: String?
        let isOurs = keeper?.isLeader ?? true
        if isOurs, !options.isShadowOnly {
            let (done, problems) = actuator.carryOut(recommendation)
            action = done
            refusals += problems
        }
        guard isOurs else { return refusals }
        show(recommendation, assignment.autoscaler, assignment.claim, refusals + recommendation.observed.notes, action: action, at: now)
        return refusals
    }

    private func show(
        _ recommendation: Recommendation?, _ autoscaler: PodAutoscaler?, _ claim: ApplicationClaim?,
        _ refusals: [Assignment.Refusal], action: String?, at now: Double
    ) {
        if let autoscaler {
            actuator.show(AutoscalerStatus.status(of: autoscaler, recommendation, refusals: refusals, at: now), of: autoscaler)
        }
        if let claim {
            actuator.show(
                ApplicationStatus.status(of: claim, recommendation, refusals: refusals, action: action, at: now), of: claim)
        }
    }
}

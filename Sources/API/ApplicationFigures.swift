// What an application's last episodes say about it: how policy and rules compare, how often the objective was missed.

import Agents
import Operations
import Scaling
import Synchronization

/// Figures over the episodes of the profile's window.
struct ApplicationFigures: Sendable {
    /// A difference of two means and its standard error, in mean step reward.
    struct Comparison: Sendable, Equatable {
        var difference: Double
        var standardError: Double
    }

    /// Episodes that `reward` and `violations` are means over.
    var episodes = 0
    var reward: Double?
    /// Share of steps that missed the objective.
    var violations: Double?
    /// The share that the profile allows.
    var maxViolations = 1.0
    /// `nil` while either side has fewer than `samplesMin` episodes.
    var comparison: Comparison?
    var policyEpisodes = 0
    var rulesEpisodes = 0
    /// Money an hour over the window's episodes, of what ran and of what the rules wanted meanwhile; `nil` where not counted.
    var bill: Double?
    var rulesBill: Double?
    /// Containers killed for memory within the window; `nil` when nobody told.
    var oomKills: Int?
    /// Reason of an alarm raised within the window.
    var alarm: String?
    /// Of the last episodes, oldest first.
    var rewards: [Double] = []

    /// Whether more steps missed the objective than the profile allows.
    var isMissing: Bool { (violations ?? 0) > maxViolations }

    /// With fewer episodes a standard error means nothing.
    static let samplesMin = 3
    private static let rewardsMax = 24
    /// One episode in ten is the rules' while a policy acts: enough episodes back to find `window` of theirs.
    private static let lookBack = 11

    /// - Parameter newest: episodes, newest first.
    init(newest: [EpisodeSummary], window: Int, maxViolations: Double, alarm: String?) {
        self.maxViolations = maxViolations
        let recent = newest.prefix(window)
        episodes = recent.count
        reward = Self.mean(recent.compactMap(\.reward))
        violations = Self.mean(recent.map(\.violations))
        bill = Self.mean(recent.compactMap(\.bill))
        rulesBill = Self.mean(recent.compactMap(\.rulesBill))
        let kills = recent.compactMap(\.oomKills)
        oomKills = kills.isEmpty ? nil : kills.reduce(0, +)
        let policy = newest.lazy.filter { $0.controller == .policy }.compactMap(\.reward).prefix(window)
        let rules = newest.lazy.filter { $0.controller != .policy }.compactMap(\.reward).prefix(window)
        policyEpisodes = policy.count
        rulesEpisodes = rules.count
        comparison = Self.compare(Array(policy), Array(rules))
        rewards = newest.prefix(Self.rewardsMax).reversed().compactMap(\.reward)
        self.alarm = alarm
    }

    static func read(_ agent: Agent, _ store: any ServerStore) throws -> ApplicationFigures {
        let window = max(1, agent.profile.thresholds.window)
        let newest = try store.episodes(of: agent.id, before: .max, limit: max(rewardsMax, lookBack * window))
        // An alarm is a transition to where the application is already.
        let alarm = try store.events(of: agent.id, kind: "transition").last {
            $0.from == $0.to && ($0.episode ?? 0) > (newest.first?.number ?? 0) - window
        }
        return ApplicationFigures(
            newest: newest, window: window, maxViolations: agent.profile.bill.maxViolations, alarm: alarm?.reason)
    }

    /// Welch's standard error: the two sides saw different episodes and vary differently.
    static func compare(_ policy: [Double], _ rules: [Double]) -> Comparison? {
        guard policy.count >= samplesMin, rules.count >= samplesMin, let left = mean(policy), let right = mean(rules)
        else { return nil }
        func squaredError(_ values: [Double], _ mean: Double) -> Double {
            values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double((values.count - 1) * values.count)
        }
        return Comparison(
            difference: left - right,
            standardError: (squaredError(policy, left) + squaredError(rules, right)).squareRoot())
    }

    private static func mean(_ values: [Double]) -> Double? {
        values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
}

/// The figures of every application, read again only when it has finished another episode: a list of thousands asks for
/// all of them every few seconds.
final class FiguresCache: Sendable {
    private struct Entry { var episodes: Int, figures: ApplicationFigures }
    private let entries = Mutex<[Int64: Entry]>([:])

    /// - Throws: when the database cannot be read. Call it on the background queue.
    func figures(of agent: Agent, _ store: any ServerStore) throws -> ApplicationFigures {
        let episodes = agent.status(nil).episodes
        if let known = entries.withLock({ $0[agent.id] }), known.episodes == episodes { return known.figures }
        let figures = try ApplicationFigures.read(agent, store)
        entries.withLock { $0[agent.id] = Entry(episodes: episodes, figures: figures) }
        return figures
    }

    func forget(_ agent: Agent) { entries.withLock { $0[agent.id] = nil } }
}

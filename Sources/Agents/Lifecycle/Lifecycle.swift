// Who may act: the stages of an application and what moves it between them (Algorithm 1 of AWARE, USENIX ATC 2023).

import Base
import Scaling

/// A pure state machine, asked at the end of every episode.
///
///     initialized --(bootstrap)--> offline --(candidate ready)--> online --(good and steady)--> serving
///          \----(no bootstrap)-------^--|---------------------------^ |                          |   |
///                                    |  (the rules earn more)---------+--------------------------+   |
///                                    |                              ^---(worse or unsteady)----------+
///
/// The paper has no way back to offline. Here a policy that earns less than the rules goes there, because offline is
/// where the rules act: the promise is that a policy acts only while it is the better one. All rewards are mean step
/// rewards of an episode, 0...1. A window never mixes stages: it begins anew with each transition.
public struct Lifecycle: Sendable, Equatable {
    /// What a policy is judged to earn: on recorded or shadow episodes, or in a fitted simulator.
    public struct Estimate: Sendable, Equatable {
        public var mean: Double
        /// The same against the rules, which is what a paired comparison tells: then `mean` follows what is measured of the
        /// rules; `nil` where `mean` stands by itself.
        public var difference: Double?
        public var standardError: Double
        /// Independent windows (episodes) that it rests on.
        public var windows: Int
        /// Whether it will act in order to learn. A policy that came ready must be better than the rules at once; one
        /// that learns may be a little worse at first.
        public var explores: Bool
        /// False when nothing can be judged, and only a trial can tell.
        public var isJudged: Bool

        /// Whether it was judged, and on enough windows to act upon.
        var isConclusive: Bool { isJudged && windows >= estimateWindowsMin }

        public init(
            mean: Double, difference: Double? = nil, standardError: Double, windows: Int, explores: Bool = true,
            isJudged: Bool = true
        ) {
            self.mean = mean
            self.difference = difference
            self.standardError = standardError
            self.windows = windows
            self.explores = explores
            self.isJudged = isJudged
        }
    }

    /// Windows that an estimate must rest on: with ten, and one standard error above the rules, 5.5 % of promotions
    /// were false and cost 0.005 R an episode.
    public static let estimateWindowsMin = 10
    /// A policy that learns while it acts may earn this much less than the rules: exploring costs something.
    public static let onlineTolerance = 0.02
    /// The same as a reason to stop it. Wider, so that an agent does not come and go.
    public static let onlineDeadBand = 0.05
    /// A serving policy is left alone within this of the rules, or of the profile's threshold.
    public static let servingDeadBand = 0.01
    /// Where the judge alone speaks against it: about five per cent of the bill. The rules are calibrated on the record that he
    /// judges by, so they look somewhat better there than they are.
    public static let judgedDeadBand = 0.02
    /// ... and within this share of what it used to earn: the paper's retraining threshold (AWARE, USENIX ATC 2023).
    public static let dropShare = 0.026
    /// Standard errors by which a policy must be below the rules. Tests are made after every episode, so two would
    /// raise false alarms.
    public static let rulesErrors = 2.5
    /// The same when the judge does not speak against it.
    public static let borneOutErrors = 5.0
    /// Standard errors by which it must be below its own past.
    public static let dropErrors = 4.5
    /// Rewards of episodes never vary less than this, whatever a short window says.
    public static let deviationMin = 0.01
    /// The loss against the rules that the paired test looks for. A tenth of the bill is 0.04, and what is somewhat larger than what
    /// is looked for is found soonest; where the owner speaks in reported rewards it is half a point of an episode's 100.
    public static let (lostValue, lostReward) = (0.03, 0.005)
    /// A lead over the rules that leaves little to be known of them: a tenth of the bill; the same in reported rewards, which vary
    /// less.
    public static let (clearValue, clearReward) = (0.04, 0.02)
    /// One episode in so many is left to the rules, and when the serving policy is clearly ahead of them.
    public static let (controlInterval, rareControlInterval) = (10, 40)
    /// Rules' episodes before a first candidate may act.
    public static let firstRulesEpisodes = 3
    /// Equal rewards in a row that raise an alarm.
    public static let constantEpisodes = 5

    public private(set) var stage: Stage = .initialized
    /// Episodes so far.
    public private(set) var episodes = 0
    /// Last episodes in which the policy acted, in this stage.
    private var policy = RewardWindow()
    /// Last episodes in which the rules acted, in any stage: twice as many.
    private var rules = RewardWindow()
    /// What this policy earned, while serving, in the episodes before its window.
    private var settled = RunningStatistics()
    /// Rules' episodes since the stage was entered.
    private var rulesInStage = 0
    /// What its episodes say of it and the rules on the same loads, while it serves.
    private var pairs = PairedTest()
    /// Times that the policy was sent back to offline and did not make up for it by serving long.
    private var demotions = 0
    /// A person holds the stage.
    public private(set) var isHeld = false
    private var lastReward: Double?
    /// Episodes before the last that earned exactly the same.
    private var repetitions = 0
    private var observationsWereConstant = false

    public init() {}

    /// Whether a policy was sent back to offline and has not made up for it yet.
    public var hasBeenDemoted: Bool { demotions > 0 }

    /// Whether the acting policy has not filled its first window yet: least is known of it, most can be lost by it.
    public func isOnProbation(_ profile: Profile) -> Bool {
        (stage == .serving || stage == .online) && settled.count == 0
            && policy.count < max(2, profile.thresholds.window)
    }

    /// Whether the serving policy's window, with one more reward if there is one, is below what the rules earn: time to
    /// ask the judge.
    public func isInDoubt(adding reward: Double?) -> Bool {
        guard stage == .serving, rules.count > 0 else { return false }
        let rewards = policy.values + (reward.map { $0.isFinite ? [$0] : [] } ?? [])
        return !rewards.isEmpty && rewards.reduce(0, +) / Double(rewards.count) < rules.mean
    }

    /// How often an episode is left to the rules, so that what they earn stays known. Each costs what the policy is ahead by: where
    /// that is much, and certain, one in ten costs several per cent of the bill and tells hardly anything.
    public func controlInterval(_ profile: Profile) -> Int {
        let lead = profile.goesByReward ? Self.clearReward : Self.clearValue
        let isClear = stage == .serving && rules.count > 0 && policy.mean > rules.mean && pairs.isAhead(by: lead)
        return isClear ? Self.rareControlInterval : Self.controlInterval
    }

    /// The rules' mean step reward over their window, `nil` before their first episode.
    public var rulesReward: Double? { rules.count > 0 ? rules.mean : nil }

    /// The policy's over its window in this stage.
    public var policyReward: Double? { policy.count > 0 ? policy.mean : nil }

    /// Enters the first stage of an application.
    public mutating func start(_ profile: Profile) -> Transition? {
        guard stage == .initialized else { return nil }
        return profile.bootstrap ? move(to: .offline, .bootstrap) : move(to: .online, .bootstrapDisabled)
    }

    /// Takes one episode into account.
    ///
    /// - Parameters:
    ///   - policyReward: mean step reward when the policy acted, `nil` when the rules did or nothing was measured.
    ///   - rulesReward: the same when the rules acted.
    ///   - paired: what this episode of the serving policy earned, against the rules under the same load; `nil` when it cannot be told.
    ///   - candidateEstimate: what the latest version, acting greedily, is judged to earn; `nil` when it was not.
    ///   - observationsAreConstant: whether no metric changed in the whole episode.
    /// - Returns: what happened, in order: alarms, and at most one change of stage.
    public mutating func episodeEnded(
        policyReward: Double?, rulesReward: Double?, paired: PairedOutcome? = nil, candidateEstimate: Estimate?,
        observationsAreConstant: Bool = false,
        profile: Profile
    ) -> [Transition] {
        episodes += 1
        if let first = start(profile) { return [first] }
        let size = max(2, profile.thresholds.window)
        if let policyReward, policyReward.isFinite {
            for old in policy.append(policyReward, size: size) where stage == .serving { settled.add(old) }
        }
        if let rulesReward, rulesReward.isFinite {
            // Who comes back to the rules does so because something changed: compare with what they earn now.
            if stage == .offline, rulesInStage == 0 { rules.removeAll() }
            rules.append(rulesReward, size: 2 * size)
            rulesInStage += 1
        }
        var candidateEstimate = candidateEstimate
        if let difference = candidateEstimate?.difference, rules.count > 0 { candidateEstimate?.mean = rules.mean + difference }
        let isLosing = stage == .serving && paired.map { pairs.add($0) } ?? false
        var events = alarms(policyReward ?? rulesReward, observationsAreConstant)
        // A constant world teaches nothing: no conclusion is drawn while an alarm stands.
        let isTrusted = repetitions + 1 < Self.constantEpisodes && !observationsAreConstant
        guard !isHeld else { return events }
        let change: Transition? =
            switch stage {
            case .initialized: nil
            case .offline: isTrusted ? leaveOffline(candidateEstimate, profile, size) : nil
            case .online:
                belowRules(deadBand: Self.onlineDeadBand) ?? judgedBelowRules(candidateEstimate)
                    ?? (isTrusted ? leaveOnline(candidateEstimate, profile, size) : nil)
            case .serving:
                leaveServing(candidateEstimate, profile, size)
                    ?? (isLosing ? demote(.losesToRules, threshold: rules.mean) : nil)
            }
        if let change { events.append(change) }
        return events
    }

    // MARK: Control by people and by versions

    /// Moves to `stage` whatever the figures say. Unless it is held there, figures count again from the next episode.
    public mutating func force(_ stage: Stage, hold: Bool) -> Transition? {
        isHeld = hold
        return stage == self.stage ? nil : move(to: stage, .forced)
    }

    /// Another version acts from now on (a promotion, a roll-back, an import): what is known of the old one's rewards
    /// does not count for it.
    public mutating func versionChanged() {
        policy.removeAll()
        settled = RunningStatistics()
        pairs = PairedTest()
    }

    /// The rules are set otherwise from now on, and are judged to earn so much more by it.
    public mutating func rulesChanged(by difference: Double) {
        guard difference.isFinite else { return }
        rules.shift(by: difference)
    }

    // MARK: Edges

    /// The candidate's own estimate decides, not what the rules earned meanwhile. After each demotion the rules act
    /// twice as long, and a tolerance is no longer granted: an estimate that misjudges must not swing to and fro.
    private mutating func leaveOffline(_ estimate: Estimate?, _ profile: Profile, _ size: Int) -> Transition? {
        let rulesEpisodes =
            demotions == 0 ? min(size, Self.firstRulesEpisodes) : size << min(demotions - 1, 4)
        guard let estimate, rulesInStage >= rulesEpisodes else { return nil }
        guard estimate.isJudged else {
            return rulesInStage >= size ? move(to: .online, .trial, threshold: rules.mean) : nil
        }
        guard estimate.windows >= Self.estimateWindowsMin else { return nil }
        let tolerance = demotions == 0 && estimate.explores ? Self.onlineTolerance : 0
        let threshold = profile.thresholds.online ?? (rules.mean - tolerance)
        guard estimate.mean - estimate.standardError >= threshold else { return nil }
        // Who does just what the rules do has shown nothing yet.
        guard estimate.explores || profile.thresholds.online != nil || estimate.difference != 0 else { return nil }
        return move(to: .online, .candidateReady, estimate: estimate, threshold: threshold)
    }

    private mutating func leaveOnline(_ estimate: Estimate?, _ profile: Profile, _ size: Int) -> Transition? {
        guard policy.count >= size else { return nil }
        let steady = profile.thresholds.deviation ?? max(2 * rules.deviation, 0.03)
        guard policy.deviation <= steady else { return nil }
        if let threshold = profile.thresholds.serving {
            return policy.mean >= threshold ? move(to: .serving, .aboveThreshold, threshold: threshold) : nil
        }
        guard rules.count > 1 else { return nil }
        let threshold = rules.mean + standardError
        if policy.mean >= threshold { return move(to: .serving, .beatsRules, threshold: threshold) }
        if let estimate, estimate.isConclusive, estimate.mean - estimate.standardError >= rules.mean,
            policy.mean >= rules.mean - Self.onlineTolerance
        {
            return move(to: .serving, .candidateBeatsRules, estimate: estimate, threshold: rules.mean)
        }
        return nil
    }

    private mutating func leaveServing(_ estimate: Estimate?, _ profile: Profile, _ size: Int) -> Transition? {
        let errors = isBorneOut(estimate, size) ? Self.borneOutErrors : Self.rulesErrors
        if let demotion = belowRules(deadBand: Self.servingDeadBand, errors: errors) { return demotion }
        if let demotion = judgedBelowRules(estimate) { return demotion }
        guard policy.count >= size else { return nil }
        if let demotion = steadilyBelowRules(size) { return demotion }
        if let threshold = profile.thresholds.serving, policy.mean < threshold - Self.servingDeadBand {
            return move(to: .online, .belowThreshold, threshold: threshold - Self.servingDeadBand)
        }
        guard settled.count >= size else { return nil }
        if settled.count >= 10 * size { demotions = 0 }
        // Its own past is at first no better known than the window is.
        let error = max(settled.deviation, deviation) * (1 / Double(size) + 1 / Double(settled.count)).squareRoot()
        let drop = settled.mean - max(Self.dropShare * settled.mean, Self.dropErrors * error)
        if policy.mean < drop { return move(to: .online, .rewardDropped, threshold: drop) }
        let steady = profile.thresholds.deviation ?? max(3 * settled.deviation, 0.05)
        if policy.deviation > steady { return move(to: .online, .unsteady, threshold: steady) }
        return nil
    }

    /// Two episodes are enough when they are bad enough: the fewer there are, the wider the margin.
    private mutating func belowRules(deadBand: Double, errors: Double = rulesErrors) -> Transition? {
        guard policy.count > 1, rules.count > 1 else { return nil }
        let threshold = rules.mean - max(deadBand, errors * standardError)
        guard policy.mean < threshold else { return nil }
        return demote(.belowRules, threshold: threshold)
    }

    /// Whether the judge, on the very load that the window saw, does not find a policy that has proved itself clearly
    /// below the rules: then the load was hard, and would have been for them (a flash crowd between two control
    /// episodes).
    private func isBorneOut(_ estimate: Estimate?, _ size: Int) -> Bool {
        guard let estimate, estimate.isConclusive, settled.count >= size else { return false }
        return estimate.mean + Self.rulesErrors * estimate.standardError >= rules.mean
    }

    /// The judge compares both on the same load, so the spread that a load brings does not hide a difference from it.
    /// What is wrong in his model does not show in his errors, hence the dead band.
    private mutating func judgedBelowRules(_ estimate: Estimate?) -> Transition? {
        guard let estimate, estimate.isConclusive, policy.count > 1 else { return nil }
        let threshold = rules.mean - (stage == .online && estimate.explores ? Self.onlineTolerance : 0)
        let margin = max(Self.judgedDeadBand, Self.rulesErrors * estimate.standardError)
        guard policy.mean < threshold, estimate.mean < threshold - margin else { return nil }
        defer { demotions += 1 }
        return move(to: .offline, .judgedBelowRules, estimate: estimate, threshold: threshold)
    }

    /// The whole time of serving against the rules: a small disadvantage shows only after many episodes.
    private mutating func steadilyBelowRules(_ size: Int) -> Transition? {
        guard settled.count >= 3 * size, rules.count >= size else { return nil }
        let error = deviation * (1 / Double(settled.count) + 1 / Double(rules.count)).squareRoot()
        let threshold = rules.mean - Self.rulesErrors * error
        guard settled.mean < threshold, policy.mean < threshold else { return nil }
        return demote(.steadilyBelowRules, threshold: threshold)
    }

    private mutating func demote(_ reason: Reason, threshold: Double) -> Transition {
        defer { demotions += 1 }
        return move(to: .offline, reason, threshold: threshold)
    }

    /// How much an episode's reward varies with the load, as the rules show it.
    private var deviation: Double { max(rules.deviation, Self.deviationMin) }

    /// Of the difference between the two windows' means.
    private var standardError: Double {
        deviation * (1 / Double(max(policy.count, 1)) + 1 / Double(max(rules.count, 1))).squareRoot()
    }

    private mutating func move(
        to next: Stage, _ reason: Reason, estimate: Estimate? = nil, threshold: Double = 0
    ) -> Transition {
        let transition = Transition(
            from: stage, to: next, reason: reason, episode: episodes, mean: estimate?.mean ?? policy.mean,
            deviation: estimate?.standardError ?? policy.deviation, count: estimate?.windows ?? policy.count,
            threshold: threshold, rulesReward: rulesReward)
        stage = next
        policy.removeAll()
        settled = RunningStatistics()
        pairs = PairedTest()
        rulesInStage = 0
        return transition
    }

    // MARK: Alarms

    /// The published replication "learned" on constant inputs for 240 episodes (AWARE, USENIX ATC 2023). Each alarm is raised once
    /// until the values change again.
    private mutating func alarms(_ reward: Double?, _ observationsAreConstant: Bool) -> [Transition] {
        var raised: [Transition] = []
        if let reward, reward.isFinite {
            repetitions = reward == lastReward ? repetitions + 1 : 0
            lastReward = reward
            if repetitions + 1 == Self.constantEpisodes {
                raised.append(alarm(.constantRewards, mean: reward, count: Self.constantEpisodes))
            }
        }
        if observationsAreConstant, !observationsWereConstant {
            raised.append(alarm(.constantObservations, mean: reward ?? 0, count: 1))
        }
        observationsWereConstant = observationsAreConstant
        return raised
    }

    private func alarm(_ reason: Reason, mean: Double, count: Int) -> Transition {
        Transition(
            from: stage, to: stage, reason: reason, episode: episodes, mean: mean, deviation: 0, count: count,
            threshold: 0, rulesReward: rulesReward)
    }

    // MARK: Persistence

    /// Version 2 had no paired test.
    private static let version: UInt8 = 3

    public func encode(into writer: inout ByteWriter) {
        writer.write(Self.version)
        writer.write(UInt8(Stage.allCases.firstIndex(of: stage) ?? 0))
        writer.write(Int64(episodes))
        policy.encode(into: &writer)
        rules.encode(into: &writer)
        settled.encode(into: &writer)
        writer.write(Int32(clamping: rulesInStage))
        writer.write(Int32(clamping: demotions))
        writer.write(isHeld)
        writer.write(lastReward)
        writer.write(Int32(clamping: repetitions))
        writer.write(observationsWereConstant)
        pairs.encode(into: &writer)
    }

    public init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let version = try reader.integer(UInt8.self)
        guard version == 2 || version == Self.version else { throw .malformed }
        let index = Int(try reader.integer(UInt8.self))
        guard index < Stage.allCases.count else { throw .malformed }
        stage = Stage.allCases[index]
        episodes = Int(clamping: try reader.integer(Int64.self))
        policy = try RewardWindow(from: &reader)
        rules = try RewardWindow(from: &reader)
        settled = try RunningStatistics(from: &reader)
        rulesInStage = Int(try reader.integer(Int32.self))
        demotions = Int(try reader.integer(Int32.self))
        isHeld = try reader.bool()
        lastReward = try reader.optionalDouble()
        repetitions = Int(try reader.integer(Int32.self))
        observationsWereConstant = try reader.bool()
        if version == Self.version { pairs = try PairedTest(from: &reader) }
        guard episodes >= 0, rulesInStage >= 0, demotions >= 0, repetitions >= 0 else { throw .malformed }
    }
}

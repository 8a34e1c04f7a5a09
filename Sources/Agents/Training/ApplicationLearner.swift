// What is learned about one application: its lifecycle, its optimiser, and the episodes that wait for the next update.

import Base
import ClusterModel
import Deciding
import Learning
import Neural
import Scaling

/// Pure: episodes in, versions and events out. Everything it knows survives in `encode`, so that a run that was
/// interrupted continues as if it had not been.
struct ApplicationLearner: Sendable {
    /// Policy episodes of one PPO update. Fewer make the first versions come sooner, more make them steadier.
    static let episodesPerUpdate = 4

    /// PPO for one application from a cloned start.
    ///
    /// The discount and entropy are the base policy's; the rate is lower, because an update has 400 steps and not 3,200.
    static let options: PPO.Options = {
        var options = PPO.Options()
        options.discount = 0.9
        options.entropy = 0.003
        options.epochs = 4
        options.minibatch = .steps(64)
        options.learningRate = 5e-4
        options.finalLearningRate = 1e-4
        options.annealedUpdates = 150
        options.targetKL = 0.03
        return options
    }()

    /// The same from a base policy, which is recurrent: whole episodes, smaller steps.
    static let fineTuning: PPO.Options = {
        var options = ApplicationLearner.options
        options.minibatch = .episodes(2)
        options.learningRate = 2e-4
        options.finalLearningRate = 5e-5
        return options
    }()

    static func options(for shape: PolicyShape) -> PPO.Options { shape.recurrentSize > 0 ? fineTuning : options }

    static let shape = PolicyShape(
        observationSize: StateEncoder.count, heads: ActionSpace.standard.headSizes,
        noOps: ActionSpace.standard.heads.map(\.noop))

    var lifecycle = Lifecycle()
    /// The last step of another controller that `prepare` has learned from; after a restart it would learn from it again.
    var prepared: RecordedStep?
    /// The version on duty, 0 before there is one.
    var version = 0
    /// The highest version ever made: numbers are never used twice.
    var latest = 0
    /// The last version that showed in service that it beats the rules: what a roll-back goes back to.
    var goodVersion: Int?
    /// The version that holds the base policy, once it was made.
    var baseVersion: Int?
    /// What learns, and the weights on duty.
    var learner: any Learner
    /// Whose kind it is.
    private(set) var algorithm: Profile.Algorithm
    /// Numbers of policy episodes that the next update will use; their steps are read again from the store.
    var pending: [Int] = []
    /// Numbers of the last episodes in which the rules acted: what a candidate is cloned from.
    var rulesEpisodes: [Int] = []
    private static let rulesEpisodesMax = 40
    /// Numbers of the last episodes of the workload as it is now, whoever acted: the judge replays the newest of them, the rules
    /// are fitted to a day of them.
    var recent: [Int] = []
    /// How the rules are set.
    var calibrated = CalibrationState()
    /// Episodes of the rules since the stage was entered.
    var rulesInStage = 0
    /// The candidate as it was judged last; `nil` before.
    var estimate: Lifecycle.Estimate?
    /// How well replays tell what was measured.
    var agreement = ReplayAgreement()
    /// Reported mean step rewards of the rules' last episodes: what is shown beside the policy's. The lifecycle goes by
    /// the objective.
    private var reportedRules = RewardWindow()
    private static let reportedMax = 20
    var reportedRulesReward: Double? { reportedRules.count > 0 ? reportedRules.mean : nil }
    /// The episodes by which its workload is known.
    var trajectories = BestEpisodes()

    /// Episodes that a policy which came ready acts greedily, before it learns on.
    private static let trialEpisodesMax = 30
    /// Such episodes so far, `nil` when the acting weights learn: a base policy or an earlier version need not explore
    /// to be measured.
    var trialEpisodes: Int?

    /// - Parameter base: the first candidate; without one the first candidate is cloned from the rules.
    init(_ algorithm: Profile.Algorithm, base: Policy?, seed: UInt64) {
        // Who lets the rules decide may change his mind: then the default learns.
        self.algorithm = algorithm == .rules ? .ppo : algorithm
        learner = algorithm.learner(from: base, seed: seed)
    }

    /// Begins anew; numbers of versions go on.
    mutating func begin(_ algorithm: Profile.Algorithm, base: Policy?, seed: UInt64) {
        let (latest, calibrated) = (latest, calibrated)
        self = ApplicationLearner(algorithm, base: base, seed: seed)
        self.latest = latest
        self.calibrated = calibrated
    }

    /// Exploring is for learning: a policy that is on trial acts as well as it can.
    var explores: Bool { lifecycle.stage == .online && trialEpisodes == nil }

    var policy: Policy? { version > 0 ? learner.policy : nil }

    /// Share of random actions while it explores; 0 where sampling is enough.
    var exploration: Float { explores ? learner.exploration : 0 }

    /// Takes a finished episode into account.
    mutating func learn(from summary: EpisodeSummary, source: LearningSource) throws -> Progress {
        var progress = Progress()
        let profile = source.profile
        if profile.algorithm != .rules, profile.algorithm != algorithm {
            // What another learner made is not its own: it begins anew, where the rules act.
            begin(profile.algorithm, base: source.base, seed: UInt64(summary.number))
        }
        if let first = lifecycle.start(profile) { progress.transitions.append(first) }
        trajectories.insert(summary)
        recent.append(summary.number)
        recent.removeFirst(max(0, recent.count - Self.dayEpisodesMax))
        let gain = try calibrate(summary, source, &progress)
        guard profile.algorithm != .rules else { return progress }
        // Without bootstrapping there is no candidate to wait for: what there is acts, and explores.
        if lifecycle.stage == .online, version == 0 {
            progress.versions.append(publish(source.base == nil ? [:] : ["base": 1]))
            if source.base != nil { baseVersion = version }
        }
        if summary.controller == .policy {
            try learnOnline(from: summary, source, &progress)
        } else {
            rulesEpisodes.append(summary.number)
            rulesEpisodes.removeFirst(max(0, rulesEpisodes.count - Self.rulesEpisodesMax))
            rulesInStage += 1
            if lifecycle.stage == .offline { try review(source, seed: UInt64(summary.number), &progress) }
        }
        if summary.controller != .policy, let reward = summary.reward {
            reportedRules.append(reward, size: Self.reportedMax)
        }
        let value = try value(of: summary, source)
        let isDaily = calibrated.searched == summary.number
        let isReviewed =
            lifecycle.isOnProbation(profile)
            || lifecycle.isInDoubt(adding: summary.controller == .policy ? value : nil)
            || (lifecycle.stage == .serving
                && (isDaily || summary.number.isMultiple(of: Self.episodesBetweenInspections)))
        if isReviewed { try inspect(source, seed: UInt64(summary.number), isDaily: isDaily, &progress) }
        let rulesValue = try rulesValue(with: summary, value, source)
        let paired = try pair(summary, measured: summary.controller == .policy ? value : rulesValue, source)
        let changes = lifecycle.episodeEnded(
            policyReward: summary.controller == .policy ? value : nil,
            rulesReward: rulesValue.map { summary.controller == .policy ? $0 : $0 + gain }, paired: paired,
            candidateEstimate: lifecycle.stage == .serving && !isReviewed ? nil : estimate, profile: profile)
        progress.transitions += changes
        if let change = changes.first(where: { !$0.isAlarm }) { enter(change) }
        return progress
    }

    /// While it acts, the policy is judged against the rules again and again on what was recorded last: the paired
    /// replay shows a small disadvantage long before one control episode in ten does. In its first window, after every
    /// episode: what the rules earn varies with the load, so a bad version could hide in that spread for a while.
    ///
    /// One that misses the objective too often is told to be less thrifty, before it has to go.
    private mutating func inspect(
        _ source: LearningSource, seed: UInt64, isDaily: Bool, _ progress: inout Progress
    ) throws {
        guard let judge = try judge(source, seed: seed) else { return }
        var verdict = judge.judge(learner.policy, thrift: calibrated.thrift)
        if let better = retuned(verdict, judge, source.profile, isDaily: isDaily) {
            let before = calibrated.calibration ?? Calibration(source.profile)
            calibrated.setThrift(better.thrift, source.profile)
            progress.calibrations.append(
                Calibrated(
                    from: before, to: calibrated.calibration ?? before, reason: verdict.keepsTheService ? .daily : .missing,
                    figures: better.verdict.figures))
            verdict = better.verdict
        }
        if isDaily, lifecycle.stage == .serving,
            let better = try improved(on: verdict, judge, source, seed: seed, &progress)
        {
            verdict = better
        }
        estimate = estimate(verdict, explores: explores)
    }

    private static let episodesBetweenInspections = 10

    /// What an episode was worth: the objective's mean cost of a step, negative, measured by the server itself. Where the
    /// owner speaks in rewards these count, measured here, too.
    private func value(of summary: EpisodeSummary, _ source: LearningSource) throws -> Double? {
        let steps = source.profile.goesByReward ? try source.rewards(summary) : try source.values(summary)
        return steps.compactMap { $0 }.average
    }

    /// What the rules earn, as far as this episode tells it.
    ///
    /// Measured when they acted. A control episode begins in what the policy left, which the rules take some minutes to
    /// make their own: measured over 24 simulated applications its first ten steps cost up to 9 R, and would be held
    /// against the rules. Where the profile forbids control episodes, the episode's reward less what the judge says the
    /// policy is ahead by.
    private func rulesValue(
        with summary: EpisodeSummary, _ value: Double?, _ source: LearningSource
    ) throws -> Double? {
        switch summary.controller {
        case .rules: return value
        case .control:
            let settling = max(summary.steps / 5, Self.settlingSeconds / max(1, source.profile.stepSeconds))
            let steps = source.profile.goesByReward ? try source.rewards(summary) : try source.values(summary)
            return steps.dropFirst(min(settling, summary.steps / 2)).compactMap { $0 }.average ?? value
        case .policy:
            guard !source.profile.controlEpisodes, AgentState.isControl(episode: summary.number), !explores,
                lifecycle.stage == .serving || lifecycle.stage == .online, let value,
                let judge = try judge(source, seed: UInt64(summary.number))
            else { return nil }
            let comparison = judge.judge(learner.policy, thrift: calibrated.thrift)
            return value
                - (source.profile.goesByReward
                    ? comparison.candidate.reward - comparison.rules.reward : comparison.difference)
        }
    }

    /// HPA alone waits five minutes before it takes replicas away.
    private static let settlingSeconds = 600

    /// A new stage begins: what was collected for the old one does not count any more.
    private mutating func enter(_ change: Lifecycle.Transition) {
        pending.removeAll()
        rulesInStage = 0
        if change.to == .serving { goodVersion = version }
        // Who leaves service, or goes back to the rules, does so because something changed; unless a replay of this very record
        // showed it, which then is what the next candidate has to prove itself on.
        if change.from == .serving || change.to == .offline {
            if change.reason != .judgedBelowRules, change.reason != .losesToRules {
                recent.removeAll()
                agreement = ReplayAgreement()
                calibrated.searched = 0
                calibrated.failed = 0
                calibrated.hasSeenDay = false
            }
            rulesEpisodes.removeAll()
            estimate = nil
        }
        if change.to == .offline { trialEpisodes = nil }
    }

    /// Online the policy learns from its own episodes. An update acts only if it is judged better than the version on
    /// duty and not below the rules by more than exploring may cost; otherwise it is kept as a version, and learning
    /// goes on from the one on duty.
    private mutating func learnOnline(
        from summary: EpisodeSummary, _ source: LearningSource, _ progress: inout Progress
    ) throws {
        guard lifecycle.stage == .online else { return }
        if let count = trialEpisodes {
            trialEpisodes = count + 1 >= Self.trialEpisodesMax ? nil : count + 1
            return
        }
        pending.append(summary.number)
        guard pending.count >= Self.episodesPerUpdate else { return }
        let episodes = try pending.compactMap { try source.episode($0) }
        pending.removeAll()
        guard !episodes.isEmpty else { return }
        let before = learner
        var figures = learner.update(episodes).figures
        guard let judge = try judge(source, seed: UInt64(summary.number)) else {
            progress.versions.append(publish(figures))
            return
        }
        let (acting, candidate) = (judge.judge(before.policy, thrift: calibrated.thrift), judge.judge(learner.policy, thrift: calibrated.thrift))
        figures.merge(candidate.figures) { $1 }
        figures["judgedActingReward"] = acting.candidate.reward
        let isAccepted = candidate.difference > acting.difference && candidate.difference >= -Lifecycle.onlineTolerance
        let duty = version
        progress.versions.append(publish(figures))
        progress.judgements.append(
            Judgement(
                candidate: latest, acting: duty, reason: isAccepted ? .accepted : .rejected,
                figures: candidate.figures.merging(["judgedActingReward": acting.candidate.reward]) { $1 }))
        if isAccepted {
            estimate = estimate(candidate, explores: true)
        } else {
            version = duty
            learner = before
        }
    }

    /// Makes the learner's weights a version, on duty from now on.
    mutating func publish(_ diagnostics: [String: Double]) -> NewVersion {
        let parent = version
        latest += 1
        version = latest
        return NewVersion(version: version, parent: parent, policy: learner.policy, diagnostics: diagnostics)
    }

    // MARK: Persistence

    /// Up to 4 the lifecycle's windows held reported rewards.
    private static let format: UInt8 = 5

    /// The part that changes with every episode.
    func encodeState() -> [UInt8] {
        var writer = ByteWriter(reserving: 512)
        writer.write(Self.format)
        lifecycle.encode(into: &writer)
        writer.write(UInt32(clamping: version))
        writer.write(UInt32(clamping: latest))
        writer.write(UInt32(clamping: pending.count))
        for number in pending { writer.write(UInt32(clamping: number)) }
        writer.write(UInt32(clamping: rulesEpisodes.count))
        for number in rulesEpisodes { writer.write(UInt32(clamping: number)) }
        writer.write(UInt32(clamping: rulesInStage))
        writer.write(UInt32(clamping: recent.count))
        for number in recent { writer.write(UInt32(clamping: number)) }
        for value in [trialEpisodes, goodVersion, baseVersion] { writer.write(Int32(clamping: value ?? -1)) }
        writer.write(estimate != nil)
        if let estimate {
            writer.write(estimate.mean)
            writer.write(estimate.standardError)
            writer.write(Int32(clamping: estimate.windows))
            writer.write(estimate.explores)
            writer.write(estimate.isJudged)
        }
        trajectories.encode(into: &writer)
        reportedRules.encode(into: &writer)
        calibrated.encode(into: &writer)
        writer.write(estimate?.difference)
        writer.write(algorithm.rawValue)
        agreement.encode(into: &writer)
        return writer.bytes
    }

    /// The part that changes with updates. The weights on duty are always those of a version, and stored with that.
    func encodeOptimizer() -> [UInt8] {
        (learner as? PPO)?.encode(withWeights: version == 0) ?? learner.encode()
    }

    /// - Parameters:
    ///   - base, seed: as of a learner that has not learned anything yet.
    ///   - model: the stored weights of a version.
    init(decoding saved: StoredTrainer, base: Policy?, seed: UInt64, model: (Int) throws -> Policy?) throws {
        var reader = ByteReader(saved.state)
        let found = try reader.integer(UInt8.self)
        guard found == 4 || found == Self.format else { throw ByteReader.Failure.malformed }
        algorithm = .ppo
        learner = algorithm.learner(from: base, seed: seed)
        lifecycle = try Lifecycle(from: &reader)
        version = Int(try reader.integer(UInt32.self))
        latest = Int(try reader.integer(UInt32.self))
        pending = try (0..<(try reader.count(bytesEach: 4))).map { _ in Int(try reader.integer(UInt32.self)) }
        rulesEpisodes = try (0..<(try reader.count(bytesEach: 4))).map { _ in Int(try reader.integer(UInt32.self)) }
        rulesInStage = Int(try reader.integer(UInt32.self))
        recent = try (0..<(try reader.count(bytesEach: 4))).map { _ in Int(try reader.integer(UInt32.self)) }
        let numbers = try (0..<3).map { _ in Int(try reader.integer(Int32.self)) }.map { $0 < 0 ? nil : $0 }
        (trialEpisodes, goodVersion, baseVersion) = (numbers[0], numbers[1], numbers[2])
        if try reader.bool() {
            estimate = Lifecycle.Estimate(
                mean: try reader.double(), standardError: try reader.double(),
                windows: Int(try reader.integer(Int32.self)), explores: try reader.bool(),
                isJudged: try reader.bool())
        }
        trajectories = try BestEpisodes(from: &reader)
        guard found == Self.format else {
            // Its rewards, its weights and their inputs are of another kind than today's: learning begins anew, where the
            // rules act; versions are numbered on.
            begin(.ppo, base: base, seed: seed)
            return
        }
        reportedRules = try RewardWindow(from: &reader)
        // States of before calibration end here.
        if !reader.isAtEnd {
            calibrated = try CalibrationState(from: &reader)
            let difference = try reader.optionalDouble()
            estimate?.difference = difference
            guard let named = Profile.Algorithm(rawValue: try reader.string()) else { throw ByteReader.Failure.malformed }
            algorithm = named
        }
        // ... and those of before the paired test here.
        if !reader.isAtEnd { agreement = try ReplayAgreement(from: &reader) }
        if let optimizer = saved.optimizer {
            learner = try algorithm.learner(decoding: optimizer, weights: version > 0 ? try model(version) : nil)
        } else {
            learner = algorithm.learner(from: base, seed: seed)
        }
    }
}

extension [Double] {
    /// `nil` of nothing.
    fileprivate var average: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}

// Offline: which policies could act, what the judge says of them, and the one that becomes the candidate.

import Learning
import Scaling
import ClusterModel

extension ApplicationLearner {
    /// Learns from what another controller did before there was an episode.
    /// - Returns: `nil` when there was not enough, or it was learned from already.
    mutating func prepare(_ source: LearningSource) throws -> Progress? {
        let profile = source.profile
        guard recent.isEmpty, lifecycle.stage == .initialized || lifecycle.stage == .offline else { return nil }
        let steps = try source.foreign().steps
        guard CandidateEvaluator.isEnough(steps.count, profile), let last = steps.last, last != prepared else {
            return nil
        }
        prepared = last
        var progress = Progress()
        if let first = lifecycle.start(profile) { progress.transitions.append(first) }
        if profile.fallback.calibrate {
            let coversDay = steps.count * profile.stepSeconds >= Self.daySeconds
            _ = calibrate((steps, nil), coversDay: coversDay, .firstRecord, episode: 0, profile, &progress)
        }
        guard profile.algorithm != .rules, let judge = judge((steps, nil), profile, 0) else { return progress }
        var judged = try readyCandidates(source).map { tuned($0, judge, profile) }
        if judged.isEmpty { judged = try ownCandidates(source, judge, 0).map { ($0, judge.judge($0.policy)) } }
        guard let (best, verdict) = judged.max(by: { $0.1.difference < $1.1.difference }) else { return progress }
        appoint(best, profile, figures: verdict.figures, &progress)
        progress.judgements.append(Judgement(candidate: version, acting: 0, reason: .best, figures: verdict.figures))
        return progress
    }

    /// While the rules act the candidates are judged again after so many episodes.
    private static let episodesBetweenReviews = 5

    /// A policy that could act.
    private struct Candidate {
        var policy: Policy
        /// The version that it is, 0 for a new one.
        var version: Int
        /// It came ready: it acts greedily until it was measured.
        var isReady: Bool
        /// What it is told in place of the owner's thrift.
        var thrift: Double?
        var diagnostics: [String: Double] = [:]
    }

    /// Judges what could act, and makes the best of it the candidate: the base policy, the last version that proved
    /// itself, the weights of now; and when none of them beats the rules, a clone of the rules and its improvement.
    mutating func review(_ source: LearningSource, seed: UInt64, _ progress: inout Progress) throws {
        let window = max(2, source.profile.thresholds.window)
        let first = lifecycle.hasBeenDemoted ? window : min(window, Lifecycle.firstRulesEpisodes)
        guard rulesInStage >= first, (rulesInStage - first).isMultiple(of: Self.episodesBetweenReviews) else { return }
        let record = try record(source)
        guard CandidateEvaluator.isEnough(record.steps.count, source.profile) else { return }
        if try hasNewBase(source) { baseVersion = nil }
        guard !agreement.isPoor, let judge = judge(record, source.profile, seed) else {
            return try goOnTrial(source, &progress)
        }
        var judged = try readyCandidates(source).map { tuned($0, judge, source.profile) }
        if !judged.contains(where: { $0.1.difference >= $0.1.standardError }), rulesInStage >= window {
            judged += try ownCandidates(source, judge, seed).map { ($0, judge.judge($0.policy)) }
        }
        guard let (best, verdict) = judged.max(by: { $0.1.difference < $1.1.difference }) else { return }
        let acting = version
        appoint(best, source.profile, figures: verdict.figures, &progress)
        estimate = estimate(verdict, explores: !best.isReady)
        progress.judgements.append(
            Judgement(candidate: version, acting: acting, reason: .best, figures: verdict.figures))
    }

    /// Finds the thrift with which a candidate does best here: less where it misses the objective more often than the owner
    /// bears, more where it has room.
    private func tuned(_ candidate: Candidate, _ judge: CandidateEvaluator, _ profile: Profile) -> (Candidate, CandidateEvaluator.PairedComparison) {
        var best = (candidate, judge.judge(candidate.policy))
        guard profile.fallback.calibrate else { return best }
        func attempt(_ thrift: Double) -> Bool {
            let verdict = judge.judge(candidate.policy, thrift: thrift)
            guard verdict.difference > best.1.difference else { return false }
            best.0.thrift = thrift
            best.1 = verdict
            return true
        }
        var thrift = profile.bill.thrift
        if best.1.keepsTheService {
            thrift += Self.thriftStep
            while thrift <= 1, attempt(thrift) { thrift += Self.thriftStep }
        } else {
            thrift -= Self.thriftStep
            while thrift >= 0, !attempt(thrift) || !best.1.keepsTheService { thrift -= Self.thriftStep }
        }
        return best
    }

    private static let thriftStep = 0.125

    /// Another thrift for the acting policy: less when it misses the objective, and once a day a step either way when that is
    /// clearly better.
    func retuned(
        _ verdict: CandidateEvaluator.PairedComparison, _ judge: CandidateEvaluator, _ profile: Profile, isDaily: Bool
    ) -> (thrift: Double, verdict: CandidateEvaluator.PairedComparison)? {
        guard profile.fallback.calibrate, !explores, isDaily || !verdict.keepsTheService else { return nil }
        let present = calibrated.thrift ?? profile.bill.thrift
        func attempt(_ thrift: Double) -> (thrift: Double, verdict: CandidateEvaluator.PairedComparison) {
            (thrift, judge.judge(learner.policy, thrift: thrift))
        }
        guard verdict.keepsTheService else {
            return stride(from: present - Self.thriftStep, through: 0, by: -Self.thriftStep).lazy.map(attempt)
                .first { $0.verdict.keepsTheService }
        }
        return [present - Self.thriftStep, present + Self.thriftStep].filter { (0...1).contains($0) }.map(attempt)
            .filter { $0.verdict.difference > verdict.difference + RulesCalibrator.gainMin }
            .max { $0.verdict.difference < $1.verdict.difference }
    }

    /// The judge as of now; `nil` when the application cannot be identified (yet).
    func judge(_ source: LearningSource, seed: UInt64) throws -> CandidateEvaluator? {
        judge(try record(source), source.profile, seed)
    }

    private func judge(_ record: (steps: [RecordedStep], fixedCpu: Int?), _ profile: Profile, _ seed: UInt64) -> CandidateEvaluator? {
        var calibrated = calibrated
        calibrated.saw(cpu: record.fixedCpu)
        return CandidateEvaluator(
            record.steps, profile: profile, fixedCpu: calibrated.configuredCpu, calibration: calibrated.calibration, seed: seed)
    }

    /// What the judge says, on the scale of what is measured: the rules' measured reward and the judged difference, less what
    /// such differences were found to be too high by.
    func estimate(_ verdict: CandidateEvaluator.PairedComparison, explores: Bool) -> Lifecycle.Estimate? {
        let difference = verdict.difference - agreement.optimism
        return lifecycle.rulesReward.map {
            Lifecycle.Estimate(
                mean: $0 + difference, difference: difference, standardError: verdict.standardError, windows: verdict.windows,
                explores: explores)
        }
    }

    /// The recorded steps of the workload as it is now. Before the first promotion those of other controllers count.
    private func record(_ source: LearningSource) throws -> (steps: [RecordedStep], fixedCpu: Int?) {
        var record = try source.record(of: recent.suffix(CandidateEvaluator.episodesMax))
        if goodVersion == nil, recent.count < CandidateEvaluator.episodesMax {
            record.steps = try source.foreign().steps + record.steps
        }
        return record
    }

    /// Without a judge that can be believed only a trial can tell: greedily for a policy that came ready, learning for a clone.
    private mutating func goOnTrial(_ source: LearningSource, _ progress: inout Progress) throws {
        guard estimate == nil, let reward = lifecycle.rulesReward,
            rulesInStage >= max(2, source.profile.thresholds.window)
        else { return }
        let candidate = try readyCandidates(source).first ?? clones(source).first
        guard let candidate else { return }
        let acting = version
        appoint(candidate, source.profile, figures: [:], &progress)
        estimate = Lifecycle.Estimate(
            mean: reward, standardError: 0, windows: 0, explores: !candidate.isReady, isJudged: false)
        progress.judgements.append(Judgement(candidate: version, acting: acting, reason: .unjudged, figures: [:]))
    }

    /// Whether the base policy is another one than the version that was made of it: aware was updated, or was told of another.
    private func hasNewBase(_ source: LearningSource) throws -> Bool {
        guard let base = source.base, let baseVersion, let known = try source.policy(version: baseVersion) else { return false }
        return known.shape != base.shape || known.parameters != base.parameters
    }

    private func readyCandidates(_ source: LearningSource) throws -> [Candidate] {
        var candidates: [Candidate] = []
        // A base policy that was demoted without a change of workload would only come back to be demoted again.
        if let base = source.base, baseVersion == nil || baseVersion != version || !lifecycle.hasBeenDemoted {
            candidates.append(
                Candidate(policy: base, version: baseVersion ?? 0, isReady: true, diagnostics: ["base": 1]))
        }
        if let goodVersion, goodVersion != version, goodVersion != baseVersion,
            let policy = try source.policy(version: goodVersion)
        {
            candidates.append(Candidate(policy: policy, version: goodVersion, isReady: true))
        }
        if version > 0, version != baseVersion {
            candidates.append(Candidate(policy: learner.policy, version: version, isReady: false))
        }
        // Before its first version, what serves workloads like this one: the judge says whether it fits here.
        if latest == 0 {
            candidates += source.neighbours().filter { $0.policy.shape == learner.shape }.map {
                Candidate(policy: $0.policy, version: 0, isReady: true, diagnostics: ["neighbour": Double($0.application)])
            }
        }
        return candidates
    }

    /// Episodes of practice from fresh weights, and from weights that know something already, on a record of
    /// `practiceRecord` steps; a shorter one bears less. 400 episodes take about a second of one core.
    ///
    /// From fresh weights 2,400 episodes beat the rules on six of six generated applications (by 0.008 to 0.053 in the
    /// true simulator) without one live episode; the clone of the rules, which hardly explores, stayed behind.
    private static let practice = (fresh: 2_400, advanced: 800)
    private static let practiceRecord = 1_000

    /// Once a day the serving policy practises on in the fitted simulator, and what comes of it takes its place if it is judged
    /// clearly better; on probation, like every new version. So does a base policy that is new to it.
    /// - Parameter verdict: what the judge says of the serving policy.
    /// - Returns: what he says of the new one; `nil` when the serving policy stays.
    mutating func improved(
        on verdict: CandidateEvaluator.PairedComparison, _ judge: CandidateEvaluator, _ source: LearningSource, seed: UInt64,
        _ progress: inout Progress
    ) throws -> CandidateEvaluator.PairedComparison? {
        var candidates: [Candidate] = []
        if let base = source.base, try hasNewBase(source) {
            candidates.append(Candidate(policy: base, version: 0, isReady: true, diagnostics: ["base": 1]))
        }
        if source.dailyPractice > 0 { candidates.append(practised(source.dailyPractice, judge, source, seed)) }
        guard !source.isStopping() else { return nil }
        let tried = candidates.map { tuned($0, judge, source.profile) }
        guard let (candidate, judged) = tried.max(by: { $0.1.difference < $1.1.difference }) else { return nil }
        let margin = max(RulesCalibrator.gainMin, verdict.standardError)
        guard judged.keepsTheService, judged.difference > verdict.difference + margin else { return nil }
        let acting = version
        appoint(candidate, source.profile, figures: judged.figures, &progress)
        progress.judgements.append(
            Judgement(candidate: version, acting: acting, reason: .accepted, figures: judged.figures))
        return judged
    }

    /// What is learned without acting: clones of the rules, and a policy that practised in the fitted simulator.
    private func ownCandidates(_ source: LearningSource, _ judge: CandidateEvaluator, _ seed: UInt64) throws -> [Candidate] {
        let isFresh = version == 0 && source.base == nil
        let practised = practised(isFresh ? Self.practice.fresh : Self.practice.advanced, judge, source, seed)
        return try (source.isStopping() ? [] : clones(source)) + [practised]
    }

    /// The acting policy after so many episodes of practice, fewer on a short record.
    private func practised(
        _ episodes: Int, _ judge: CandidateEvaluator, _ source: LearningSource, _ seed: UInt64
    ) -> Candidate {
        let share = Double(min(judge.steps, Self.practiceRecord)) / Double(Self.practiceRecord)
        let policy = judge.practise(
            learner.policy, by: algorithm, episodes: Int(Double(episodes) * share), seed: seed, isStopping: source.isStopping)
        return Candidate(policy: policy, version: 0, isReady: true, diagnostics: ["practised": 1])
    }

    /// Behaviour cloning of the rules' decisions (or for Q-learning its values), then improvement restricted to the actions that they took
    /// (advantage-weighted: `BehaviorCloning`).
    private func clones(_ source: LearningSource) throws -> [Candidate] {
        let episodes = try source.foreign().episodes + rulesEpisodes.compactMap { try source.episode($0) }
        guard !episodes.isEmpty else { return [] }
        if algorithm.isOffPolicy {
            // The values of what the rules did are learned from the record itself.
            var offline = algorithm.learner(from: learner.policy, seed: UInt64(episodes.count))
            let diagnostics = offline.update(episodes).figures
            return [Candidate(policy: offline.policy, version: 0, isReady: false, diagnostics: diagnostics.merging(["offline": 1]) { $1 })]
        }
        let minibatch: PPO.Minibatch = learner.shape.recurrentSize > 0 ? .episodes(1) : .steps(64)
        var options = BehaviorCloning.Options()
        options.epochs = 20
        options.minibatch = minibatch
        let seed = UInt64(episodes.count)
        var cloning = BehaviorCloning(policy: learner.policy, options: options, seed: seed)
        let cloned = Self.figures(cloning.update(episodes), name: "cloned")
        options = .improvement
        options.epochs = 10
        options.minibatch = minibatch
        var improving = BehaviorCloning(policy: cloning.policy, options: options, seed: seed &+ 1)
        let improved = Self.figures(improving.update(episodes), name: "improved")
        return [
            Candidate(policy: cloning.policy, version: 0, isReady: false, diagnostics: cloned),
            Candidate(policy: improving.policy, version: 0, isReady: false, diagnostics: improved),
        ]
    }

    /// Puts a candidate on duty as the candidate; while the rules act it is only asked what it would do.
    private mutating func appoint(
        _ candidate: Candidate, _ profile: Profile, figures: [String: Double], _ progress: inout Progress
    ) {
        trialEpisodes = candidate.isReady ? 0 : nil
        calibrated.setThrift(candidate.thrift, profile)
        if candidate.version > 0, candidate.version == version { return }
        learner = algorithm.learner(from: candidate.policy, seed: UInt64(latest) &+ UInt64(rulesInStage) << 32)
        if candidate.version > 0 {
            version = candidate.version
        } else {
            progress.versions.append(publish(candidate.diagnostics.merging(figures) { $1 }))
            if candidate.diagnostics["base"] != nil { baseVersion = version }
        }
        lifecycle.versionChanged()
    }

    private static func figures(_ diagnostics: BehaviorCloning.Diagnostics, name: String) -> [String: Double] {
        [
            name: 1, "negativeLogLikelihood": Double(diagnostics.negativeLogLikelihood),
            "entropy": Double(diagnostics.entropy), "valueLoss": Double(diagnostics.valueLoss),
            "gradientNorm": Double(diagnostics.gradientNorm),
            "explainedVariance": Double(diagnostics.explainedVariance),
        ]
    }
}

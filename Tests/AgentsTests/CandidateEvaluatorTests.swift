// Which judge knows best what a candidate will earn? The measurement behind `CandidateEvaluator`.
//
// A few applications by default; AWARE_JUDGE_APPLICATIONS=40 prints the table of the documentation.

@testable import Base
@testable import Deciding
import BasePolicy
import Foundation
import Learning
import Neural
import Scaling
@testable import ClusterModel
@testable import Experiments
import Testing

@testable import Agents

@Suite(.timeLimit(.minutes(5))) struct CandidateEvaluatorTests {
    private struct Estimate {
        var difference: Double
        var error: Double
    }
    /// One candidate of one application: what it truly earns more than the rules, and what each judge says.
    private struct Row {
        var truth: Double
        var estimates: [Estimate]
    }
    private static let judges = ["fitted, 10 episodes", "fitted, 3 episodes", "live canary", "importance sampling"]

    @Test func theFittedSimulatorIsTheBetterJudge() throws {
        let count = Int(ProcessInfo.processInfo.environment["AWARE_JUDGE_APPLICATIONS"] ?? "") ?? 5
        let base = try Policy(decoding: BasePolicy.bytes)
        var rows: [Row] = []
        for (index, application) in SyntheticApplication.split(seed: 1).test.prefix(count).enumerated() {
            rows += try Self.rows(application, index: index, base: base)
        }
        let scores = Self.judges.indices.map { Self.score(rows, judge: $0) }
        for (name, score) in zip(Self.judges, scores) { print("\(name): \(score)") }
        if count > 5 {
            let harm = rows.reduce(0) { $0 + max(0, -$1.truth) } / Double(rows.count) * 100
            print("\(rows.count) candidates; serving all of them: harm \(harm) R")
        }
        #expect(scores[0].rank > 0.45 && scores[1].rank > 0.4)
        #expect(scores[0].rank > scores[3].rank && scores[0].signs > scores[3].signs && scores[0].signs > 0.85)
        #expect(scores[0].harm <= scores[3].harm && scores[0].falsePromotions < 0.1)
    }

    // MARK: One application

    private static func rows(_ application: SyntheticApplication, index: Int, base: Policy) throws -> [Row] {
        let profile = application.profile
        var random = SimulationRandom(seed: 1000 + UInt64(index))
        let level = LoadLevel.draw(using: &random)
        let load = LoadLevel.scale(
            LoadGenerator.window(steps: 5000, seed: random.next()), to: level,
            of: application.capacity(profile: profile))
        func part(_ steps: Range<Int>) -> [Double] { Array(load[steps.lowerBound * 12..<steps.upperBound * 12]) }
        let recording = Recording(application, load: part(0..<1001), profile: profile)
        let cpu = application.defaultSize.cpuMillicores
        let ten = try #require(CandidateEvaluator(recording.steps, profile: profile, fixedCpu: cpu, seed: 1))
        let three = try #require(
            CandidateEvaluator(Array(recording.steps.prefix(301)), profile: profile, fixedCpu: cpu, seed: 1))
        let trueRules = play(nil, application, part(1400..<4500), profile, seed: 77)
        let canaryRules = play(nil, application, part(0..<1100), profile, seed: 5)
        let (clone, candidates) = candidates(recording.episodes, base: base, index: index)
        return candidates.map { policy in
            let truth = play(policy, application, part(1400..<4500), profile, seed: 77)
            let canary = play(policy, application, part(900..<2000), profile, seed: 6)
            let fitted = [ten, three].map { judge in
                let verdict = judge.judge(policy)
                return Estimate(difference: verdict.difference, error: verdict.standardError)
            }
            let (own, rules) = (moments(canary), moments(canaryRules))
            let live = Estimate(
                difference: own.mean - rules.mean,
                error: (own.error * own.error + rules.error * rules.error).squareRoot())
            return Row(
                truth: moments(truth).mean - moments(trueRules).mean,
                estimates: fitted + [live, importance(policy, behaviour: clone, recording.episodes)])
        }
    }

    /// The base policy, four disturbed copies of it, a clone of the rules, and the clone improved.
    private static func candidates(_ episodes: [Episode], base: Policy, index: Int) -> (clone: Policy, all: [Policy]) {
        var options = BehaviorCloning.Options()
        options.epochs = 20
        options.minibatch = .steps(64)
        var cloning = BehaviorCloning(shape: ApplicationLearner.shape, options: options, seed: 3)
        _ = cloning.update(episodes)
        options = .improvement
        options.epochs = 10
        options.minibatch = .steps(64)
        var improving = BehaviorCloning(policy: cloning.policy, options: options, seed: 4)
        _ = improving.update(episodes)
        let disturbed = [0.05, 0.1, 0.2, 0.3].enumerated().map { number, scale in
            var random = SimulationRandom(seed: UInt64(index * 10 + number))
            return Policy(
                shape: base.shape, parameters: base.parameters.map { $0 * Float(1 + scale * random.normal()) })
        }
        return (cloning.policy, [base] + disturbed + [cloning.policy, improving.policy])
    }

    /// Mean step values (the objective's cost, negative) of episodes in the true simulator, the first one left out.
    static func play(
        _ policy: Policy?, _ application: SyntheticApplication, _ load: [Double], _ profile: Profile, seed: UInt64
    ) -> [Double] {
        var cluster = Cluster(application: application, profile: profile, seed: seed)
        var rules = DecisionController(rulesOf: profile, fixedCpu: application.defaultSize.cpuMillicores)
        var controller = policy.map {
            DecisionController(policy: $0, profile: profile)
        }
        var outcome: StepOutcome?
        var rewards = [Double](repeating: 0, count: load.count / 1200)
        for step in 0..<rewards.count * 100 {
            let current = cluster.allocation
            let desired = outcome.map {
                controller?.decide($0.observation, current: current) ?? rules.decide($0.observation, current: current)
            }
            let new = cluster.step(desired: desired ?? current, load: load[step * 12..<(step + 1) * 12])
            rewards[step / 100] -= profile.bill.cost(new.objective(profile)) / 100
            outcome = new
        }
        return Array(rewards.dropFirst())
    }

    // MARK: The off-policy rival

    /// Weighted per-decision importance sampling (Precup, Sutton and Singh 2000) of ten steps from every step on, with
    /// discount 0.9, as a mean step reward; the error by the jackknife over episodes.
    private static func importance(_ policy: Policy, behaviour: Policy, _ episodes: [Episode]) -> Estimate {
        let ratios = episodes.map { episode in
            zip(logProbabilities(policy, episode), logProbabilities(behaviour, episode)).map { $0 - $1 }
        }
        func difference(leavingOut left: Int?) -> Double {
            var (value, recorded, norm) = (0.0, 0.0, 0.0)
            for ahead in 0..<10 {
                var (weighted, weights, sum, count) = (0.0, 0.0, 0.0, 0.0)
                for (index, episode) in episodes.enumerated() where index != left {
                    for step in 0..<episode.count - 10 {
                        let ratio = min(exp(ratios[index][step...step + ahead].reduce(0, +)), 1000)
                        let reward = Double(episode.rewards[step + ahead])
                        weights += ratio
                        weighted += ratio * reward
                        sum += reward
                        count += 1
                    }
                }
                let discount = pow(0.9, Double(ahead))
                value += discount * (weights > 0 ? weighted / weights : 0)
                recorded += discount * sum / count
                norm += discount
            }
            return (value - recorded) / norm
        }
        let parts = episodes.indices.map { difference(leavingOut: $0) }
        let count = Double(parts.count)
        let mean = parts.reduce(0, +) / count
        let error = ((count - 1) / count * parts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }).squareRoot()
        return Estimate(difference: difference(leavingOut: nil), error: error)
    }

    private static func logProbabilities(_ policy: Policy, _ episode: Episode) -> [Double] {
        let (shape, scratch) = (policy.shape, policy.makeScratch())
        var memory = shape.emptyMemory()
        return (0..<episode.count).map { step in
            let state = Array(episode.observations[step * shape.observationSize..<(step + 1) * shape.observationSize])
            let mask = Array(episode.masks[step * shape.actionCount..<(step + 1) * shape.actionCount])
            state.withUnsafeBufferPointer { state in
                mask.withUnsafeBufferPointer { mask in
                    memory.withUnsafeMutableBufferPointer {
                        policy.decide(observation: state, mask: mask, memory: $0, scratch: scratch)
                    }
                }
            }
            let actions = (0..<shape.heads.count).map { Int(episode.actions[step * shape.heads.count + $0]) }
            var (sum, offset) = (0.0, 0)
            for (head, action) in actions.enumerated() {
                sum += log(max(1e-6, Double(scratch.probabilities[offset + action])))
                offset += shape.heads[head]
            }
            shape.record(actions: actions, reward: episode.rewards[step], memory: &memory)
            return sum
        }
    }

    // MARK: Scores

    private struct Score: CustomStringConvertible {
        var rank: Double
        var signs: Double
        var promoted: Int
        var falsePromotions: Double
        /// R an episode over all candidates.
        var harm: Double
        var description: String {
            String(
                format: "Spearman %.3f, sign agrees %.1f %%, promoted %d, false %.1f %%, harm %.4f R", rank,
                100 * signs,
                promoted, 100 * falsePromotions, harm)
        }
    }

    private static func score(_ rows: [Row], judge: Int) -> Score {
        let truth = rows.map(\.truth)
        let estimates = rows.map { $0.estimates[judge] }
        let promoted = zip(truth, estimates).filter { $1.difference >= $1.error }
        let wrong = promoted.filter { $0.0 < 0 }
        return Score(
            rank: correlation(ranks(truth), ranks(estimates.map(\.difference))),
            signs: Double(zip(truth, estimates).count { ($0 > 0) == ($1.difference > 0) }) / Double(rows.count),
            promoted: promoted.count, falsePromotions: Double(wrong.count) / Double(max(1, promoted.count)),
            harm: wrong.reduce(0) { $0 - $1.0 } / Double(rows.count) * 100)
    }

    private static func moments(_ values: [Double]) -> (mean: Double, error: Double) {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
        return (mean, (variance / count).squareRoot())
    }

    private static func ranks(_ values: [Double]) -> [Double] {
        var ranks = values
        for (rank, index) in values.indices.sorted(by: { values[$0] < values[$1] }).enumerated() {
            ranks[index] = Double(rank)
        }
        return ranks
    }

    private static func correlation(_ first: [Double], _ second: [Double]) -> Double {
        let (a, b) = (moments(first).mean, moments(second).mean)
        let product = zip(first, second).reduce(0) { $0 + ($1.0 - a) * ($1.1 - b) }
        let squares = first.reduce(0) { $0 + ($1 - a) * ($1 - a) } * second.reduce(0) { $0 + ($1 - b) * ($1 - b) }
        return product / squares.squareRoot()
    }
}

/// The rules at work in the true simulator, as the service would have recorded them.
struct Recording {
    var steps: [RecordedStep] = []
    var episodes: [Episode] = []

    init(_ application: SyntheticApplication, load: [Double], profile: Profile) {
        var cluster = Cluster(application: application, profile: profile, seed: 5)
        var rules = DecisionController(rulesOf: profile, fixedCpu: application.defaultSize.cpuMillicores)
        var observation = cluster.step(desired: cluster.allocation, load: load[..<12]).observation
        steps = [RecordedStep(allocation: cluster.allocation, observation: observation)]
        var transitions: [ExternalTransition] = []
        for step in 1..<load.count / 12 {
            let desired = rules.decide(observation, current: cluster.allocation)
            let outcome = cluster.step(desired: desired, load: load[step * 12..<(step + 1) * 12])
            transitions.append(
                ExternalTransition(
                    time: observation.time ?? 0, controller: "rules", observation: observation, desired: desired,
                    reward: nil, next: outcome.observation))
            observation = outcome.observation
            steps.append(RecordedStep(allocation: cluster.allocation, observation: observation))
        }
        // Their form is another controller's, and so is the way into training.
        episodes = EpisodeAssembly.episodes(from: transitions, profile: profile)
    }
}

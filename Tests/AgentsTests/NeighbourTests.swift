// Does what was learned for the nearest workload help a new application? A measurement, not run by default.
//
// AWARE_NEIGHBOUR_SEEDS=3 teaches twelve applications and measures twenty others, for each seed.

import Base
@testable import Agents
import BasePolicy
@testable import ClusterModel
@testable import Experiments
import Foundation
import Learning
import Scaling
import Testing

@Suite(.enabled(if: ProcessInfo.processInfo.environment["AWARE_NEIGHBOUR_SEEDS"] != nil, "a measurement of some minutes")) struct NeighbourTests {
    private struct Teacher {
        var policy: Policy
        var embedding: [Float]
    }

    /// What may be judged when a new application has three episodes of the rules.
    private static let sets: [(name: String, members: Set<String>)] = [
        ("base policy", ["base"]), ("nearest alone", ["nearest"]), ("base policy and nearest", ["base", "nearest"]),
        ("base policy and any other", ["base", "other"]), ("own practice", ["own"]),
    ]

    @Test func theNearestWorkloadAsATeacher() throws {
        let seeds = Int(ProcessInfo.processInfo.environment["AWARE_NEIGHBOUR_SEEDS"] ?? "") ?? 1
        let (base, encoder) = (try Policy(decoding: BasePolicy.bytes), try BasePolicy.encoder())
        var gains: [String: [Double]] = [:]
        for seed in 1...UInt64(seeds) {
            let (training, test) = SyntheticApplication.split(seed: seed)
            func recorded(_ application: SyntheticApplication, _ steps: Int, _ salt: UInt64) -> (Recording, [Double]) {
                var random = SimulationRandom(seed: seed &* 1000 &+ salt)
                let level = LoadLevel.draw(using: &random)
                let load = LoadLevel.scale(
                    LoadGenerator.window(steps: 3500, seed: random.next()), to: level, of: application.capacity(profile: application.profile))
                return (Recording(application, load: Array(load[..<(steps * 12)]), profile: application.profile), Array(load[(400 * 12)...]))
            }
            func judge(_ record: Recording, _ application: SyntheticApplication) -> CandidateEvaluator? {
                CandidateEvaluator(record.steps, profile: application.profile, fixedCpu: application.defaultSize.cpuMillicores, seed: 1)
            }
            func practised(_ judge: CandidateEvaluator, _ seed: UInt64) -> Policy {
                let fresh = Profile.Algorithm.ppo.learner(from: nil, seed: seed).policy
                return judge.practise(fresh, by: .ppo, episodes: 2400 * min(judge.steps, 1000) / 1000, seed: seed, isStopping: { false })
            }
            let teachers = training.prefix(12).enumerated().compactMap { index, application -> Teacher? in
                let (record, _) = recorded(application, 1001, UInt64(index))
                guard let judge = judge(record, application) else { return nil }
                return Teacher(policy: practised(judge, UInt64(index)), embedding: encoder.embedding(of: record.episodes))
            }
            for (index, application) in test.prefix(20).enumerated() {
                let (record, later) = recorded(application, 301, UInt64(100 + index))
                guard let judge = judge(record, application) else { continue }
                let own = encoder.embedding(of: record.episodes)
                let near = teachers.sorted {
                    TrajectoryEncoder.similarity($0.embedding, own) > TrajectoryEncoder.similarity($1.embedding, own)
                }
                let candidates = [
                    "base": base, "nearest": near[0].policy, "other": near[near.count / 2].policy, "own": practised(judge, UInt64(index)),
                ]
                let rules = CandidateEvaluatorTests.play(nil, application, later, application.profile, seed: 77).mean
                var (truths, verdicts): ([String: Double], [String: CandidateEvaluator.PairedComparison]) = ([:], [:])
                for (name, policy) in candidates {
                    truths[name] = CandidateEvaluatorTests.play(policy, application, later, application.profile, seed: 77).mean - rules
                    verdicts[name] = judge.judge(policy)
                    gains["always \(name)", default: []].append(truths[name] ?? 0)
                }
                for set in Self.sets {
                    let best = verdicts.filter { set.members.contains($0.key) }.max { $0.value.difference < $1.value.difference }
                    // Where nothing is judged better than the rules, they go on.
                    let acts = best.flatMap { $0.value.difference >= $0.value.standardError ? $0.key : nil }
                    gains[set.name, default: []].append(acts.flatMap { truths[$0] } ?? 0)
                }
            }
        }
        for (name, values) in gains.sorted(by: { $0.key < $1.key }) {
            let error = values.deviation / Double(values.count).squareRoot()
            print(
                String(
                    format: "neighbours: %@: %.4f +- %.4f over the rules, worse in %d of %d", name as NSString, values.mean, error,
                    values.count { $0 < -0.005 }, values.count))
        }
        #expect(gains.values.allSatisfy { $0.allSatisfy(\.isFinite) } && gains.count == 9)
    }
}

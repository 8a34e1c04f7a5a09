// The paper's experiments in miniature: that they run, mean what they say, and do not depend on threads.

import Agents
@testable import Base
@testable import Deciding
import Dispatch
import Learning
import Neural
import Scaling
import Synchronization
import Testing

@testable import ClusterModel
@testable import Experiments

private var tiny: ExperimentContext.Sizes {
    var sizes = ExperimentContext.Sizes.quick
    sizes.specialistEpisodes = 16
    sizes.budget = 24
    sizes.afterChange = 12
    sizes.exam = 1
    sizes.bootstrapped = 1
    sizes.embedded = 4
    return sizes
}

private func schedule() -> EpisodeSchedule {
    EpisodeSchedule(
        application: SyntheticApplication.split(seed: 1).test[150], sources: [.generated(.drawn)],
        levels: 0.2...0.4, seed: 1)
}

@Suite struct ReproductionTests {
    @Test func reportsAreTheSameWhateverTheThreads() throws {
        let base = Policy(shape: .cluster(), seed: 1)
        // Mean utilisations: something that differs from application to application.
        let encoder = BaseEncoder(size: 2) { episodes in
            var sums: [Float] = [0, 0]
            for episode in episodes {
                for step in 0..<episode.count {
                    for index in 0..<2 { sums[index] += episode.observations[step * StateEncoder.count + index] }
                }
            }
            let steps = episodes.reduce(0) { $0 + $1.count }
            return sums.map { steps > 0 ? $0 / Float(steps) : 0 }
        }
        func reports(_ parallelFor: @escaping ParallelFor) throws -> [ExperimentReport] {
            let context = ExperimentContext(base: base, encoder: encoder, traces: [], sizes: tiny, parallelFor: parallelFor)
            return try [
                AdaptationExperiment.run(in: context), BootstrappingExperiment.run(in: context),
                EmbeddingExperiment.run(in: context),
            ]
        }
        let alone = try reports(sequentially)
        // Last unit first, and two at a time.
        let together = try reports { count, unit in
            nonisolated(unsafe) let unit = unit
            DispatchQueue.concurrentPerform(iterations: count) { unit(count - 1 - $0) }
        }
        for (first, second) in zip(alone, together) {
            #expect(!first.findings.isEmpty && !first.definitions.isEmpty)
            for (one, other) in zip(first.findings, second.findings) where one.name != "cpu time relative to TL" {
                #expect(
                    one.value == other.value || (one.value.mean.isNaN && other.value.mean.isNaN),
                    "\(first.id) \(one.name) \(one.arm)")
            }
        }
        #expect(
            [AdaptationStudy.scratch, AdaptationStudy.withoutMemory, AdaptationStudy.withMemory].allSatisfy {
                arm in alone[0].findings.contains { $0.arm == arm }
            })
        #expect(
            alone[0].findings.first { $0.name == "the same relative to TL" && $0.arm == AdaptationStudy.base }?.paper
                == 0.183)
    }

    @Test func anArmIsAdaptedWhenItStaysNearTheGoal() {
        var run = AdaptationStudy.Run(arm: "x")
        run.exams = [70, 86, 70, 85.4, 85.6, 85.8, 86]
        #expect(run.reached(86) == 3)
        #expect(run.reached(90) == nil)
        run.exams = [86, 86]
        #expect(run.reached(80) == nil)
    }

    @Test func episodesRepeatThemselvesAndChangesStay() {
        let plain = schedule()
        #expect(plain.episode(3).load == plain.episode(3).load && plain.episode(3).load != plain.episode(4).load)
        #expect(plain.exam(1)[0].load != plain.episode(0).load)
        let changed = plain.changed(by: WorkloadUpdate("double", load: 2)).episode(3)
        #expect(zip(changed.load, plain.episode(3).load).allSatisfy { abs($0 - 2 * $1) < 1e-9 * $1 })
        #expect(changed.update?.step == 0)
    }
}

@Suite struct ServedAgentTests {
    private func profile() -> Profile { schedule().application.profile }

    @Test func theRulesActUntilACandidateMayShowItself() throws {
        let agent = try ServedAgent(profile: profile(), base: nil, seed: 1)
        let plain = schedule()
        for number in 0..<Lifecycle.firstRulesEpisodes {
            #expect(agent.stage == .offline && agent.policy == nil)
            let result = try agent.live(plain.episode(number))
            #expect(result.steps == Double(EpisodeSchedule.steps))
        }
    }

    @Test func aPromotedPolicyActsInTheStageItIsHeldIn() throws {
        let agent = try ServedAgent(profile: profile(), base: nil, seed: 1)
        let policy = Policy(shape: .cluster(), seed: 7)
        try agent.promote(policy, to: .serving, held: true)
        _ = try agent.live(schedule().episode(0))
        #expect(agent.stage == .serving)
        #expect(agent.policy?.encode() == policy.encode(), "a policy that serves is not trained")
    }

    @Test func withoutBootstrappingItExploresAndLearns() throws {
        let agent = try ServedAgent(profile: profile(), base: nil, bootstraps: false, seed: 1)
        let plain = schedule()
        _ = try agent.live(plain.episode(0))
        #expect(agent.stage == .online && agent.policy != nil, "the first version is the random one")
        try agent.hold(.online, true)
        for number in 1..<8 { _ = try agent.live(plain.episode(number)) }
        #expect(agent.stage == .online && agent.versions > 1)
    }

    @Test func rulesTeachInThePolicysTerms() {
        let (result, episode) = schedule().episode(0).taughtByRules()
        #expect(
            result.steps == 100 && episode.count == 100 && episode.isValid(for: PolicyShape.cluster(recurrentSize: 0)))
    }
}

@Suite struct StatisticsTests {
    @Test func ranksCorrelateWhateverTheScale() {
        #expect(abs(RankCorrelation.spearman([1, 2, 3, 4], [1, 8, 27, 64]) - 1) < 1e-12)
        #expect(abs(RankCorrelation.spearman([1, 2, 3, 4], [9, 7, 5, 1]) + 1) < 1e-12)
        // Ties share their rank: ranks 1.5 1.5 3 against 1 2 3.
        #expect(abs(RankCorrelation.spearman([5, 5, 6], [1, 2, 3]) - 0.8660254) < 1e-6)
        #expect(RankCorrelation.spearman([1, 1], [1, 2]).isNaN)
    }

    @Test func theFirstComponentIsTheLongestDirection() {
        let rows: [[Float]] = [[3, 3.1, 0], [-3, -2.9, 0], [0.5, -0.5, 0], [-0.5, 0.3, 0]]
        let points = PrincipalComponents.project(rows)
        #expect(abs(points[0].x) > 4 && abs(points[2].x) < 0.5)
        #expect(abs(points[2].y) > 0.5 && points[0].x * points[1].x < 0)
    }

    @Test func ratiosAreOfSums() throws {
        let ratio = try #require(Bootstrap.ratio(of: [1, 3], to: [2, 2], seed: 1))
        #expect(ratio.mean == 1 && ratio.low >= 0.5 && ratio.high <= 1.5)
        #expect(Bootstrap.ratio(of: [1], to: [0], seed: 1) == nil)
    }
}

@Suite struct PlotTests {
    @Test func manyLinesGetColoursAndNamesOfTheirOwn() {
        let lines = (0..<16).map { Plot.Line(name: "segment \($0)", points: [(Double($0), 1)], isScatter: true) }
        let svg = Plot(title: "x", xLabel: "x", yLabel: "y", lines: lines).svg
        let fills = Set(svg.matches(of: /<circle[^>]*fill="([^"]*)"/).map { String($0.1) })
        #expect(fills.count == 16)
        #expect((0..<16).allSatisfy { svg.contains(">segment \($0)<") })
    }
}

// The paper's experiments in miniature: that they run, mean what they say, and do not depend on threads.

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

private var tiny: Laboratory.Sizes {
    var sizes = Laboratory.Sizes.quick
    sizes.specialistEpisodes = 16
    sizes.budget = 40
    sizes.afterChange = 12
    sizes.exam = 1
    sizes.bootstrapped = 1
    sizes.embedded = 4
    return sizes
}

private func course() -> Course {
    Course(
        application: SyntheticApplication.split(seed: 1).test[150], sources: [.generated(name: "generated")],
        levels: 0.2...0.4, seed: 1)
}

@Suite struct ReproductionTests {
    @Test func reportsAreTheSameWhateverTheThreads() {
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
        func reports(_ spread: @escaping ParallelFor) -> [ExperimentReport] {
            let laboratory = Laboratory(base: base, encoder: encoder, traces: [], sizes: tiny, spread: spread)
            return [
                AdaptationExperiment.run(in: laboratory), BootstrappingExperiment.run(in: laboratory),
                EmbeddingExperiment.run(in: laboratory),
            ]
        }
        let alone = reports(sequentially)
        // Last unit first, and two at a time.
        let together = reports { count, unit in
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
            [AdaptationStudy.withoutMemory, AdaptationStudy.withoutContext, AdaptationStudy.withContext].allSatisfy {
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
        let plain = course()
        #expect(plain.episode(3).load == plain.episode(3).load && plain.episode(3).load != plain.episode(4).load)
        #expect(plain.exam(1)[0].load != plain.episode(0).load)
        let changed = plain.changed(by: WorkloadUpdate("double", load: 2)).episode(3)
        #expect(zip(changed.load, plain.episode(3).load).allSatisfy { abs($0 - 2 * $1) < 1e-9 * $1 })
        #expect(changed.update?.step == 0)
    }
}

@Suite struct StagedAgentTests {
    private func apprentice() -> Apprentice { Apprentice(adapting: Policy(shape: .cluster(), seed: 1), seed: 1) }

    @Test func theRulesActUntilACandidateMayShowItself() {
        var agent = StagedAgent(bootstrapping: apprentice())
        let plain = course()
        var stages: [StagedAgent.Stage] = []
        for number in 0..<60 {
            stages.append(agent.stage)
            let result = agent.act(plain.episode(number))
            if number < StagedAgent.observation { #expect(result == plain.episode(number).taughtByRules().result) }
        }
        // An untrained policy is worse than the rules: it is tried, and then it learns instead of serving.
        #expect(
            stages == Array(repeating: .offline, count: 20) + Array(repeating: .trial, count: 30)
                + Array(repeating: .online, count: 10))
    }

    @Test func aDropOfTheRewardLeadsToRetraining() {
        let plain = course()
        // It used to earn far more than the rules; untrained weights behind the guards earn about what they do.
        let settled = (0..<20).map { plain.episode($0).taughtByRules().result.r + 10 }
        var agent = StagedAgent(serving: apprentice(), settled: settled)
        for number in 20..<32 { _ = agent.act(plain.episode(number)) }
        #expect(agent.stage == .online && agent.retrainings == 1)
    }

    @Test func rulesTeachInThePolicysTerms() {
        let (result, episode) = course().episode(0).taughtByRules()
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

// What an evaluation concludes from results, on results made by hand.

@testable import Base
import Testing

@testable import ClusterModel
@testable import Experiments

private func window(_ r: Double, violations: Double = 0) -> TrialResult {
    var result = TrialResult()
    result.steps = 100
    result.reward = r
    result.violations = violations
    result.hours = 100.0 / 60
    return result
}

private func cell(_ arm: String, _ application: String, _ rewards: [Double]) -> CellResult {
    CellResult(
        arm: arm, application: application, setting: "", windows: rewards.map { window($0) },
        sources: rewards.indices.map { "load-\($0)" })
}

@Suite struct EvaluationReportTests {
    @Test func comparesWithTheBestCalibratedRulesAndMeasuresTheGap() throws {
        let cells = [
            cell("hpa", "a", [80, 80]), cell("hpa", "b", [82, 82]),
            cell("hpa-vpa-memory", "a", [84, 84]), cell("hpa-vpa-memory", "b", [80, 80]),
            cell("policy", "a", [86, 86]), cell("policy", "b", [79, 81]),
            cell("planner", "a", [90, 90]), cell("planner", "b", [90, 80]),
        ]
        let report = try #require(
            EvaluationReport(cells: cells, arms: ["hpa", "hpa-vpa-memory", "policy", "planner"], seed: 1))
        #expect(report.reference == "hpa-vpa-memory")
        let policy = report.arms[2]
        #expect(abs(policy.reward.mean - 0.83) < 1e-12 && abs(policy.difference.mean - 0.01) < 1e-12)
        #expect(policy.wins == 1)
        #expect(abs(try #require(policy.gapClosed) - 1 / 5.5) < 1e-9)
        #expect(report.workloads.filter { !$0.beatCeiling.isEmpty }.map(\.source) == ["load-1"])
    }

    @Test func countsOnlyApplicationsThatEveryArmHasPlayed() throws {
        let cells = [cell("hpa", "a", [80]), cell("hpa", "b", [10]), cell("planner", "a", [90])]
        let report = try #require(EvaluationReport(cells: cells, arms: ["hpa", "planner"], seed: 1))
        #expect(report.applications == ["a"] && report.arms[0].reward.mean == 0.8)
        #expect(EvaluationReport(cells: [], arms: ["hpa"], seed: 1) == nil)
    }
}

@Suite struct BootstrapTests {
    @Test func equalValuesHaveNoWidth() {
        #expect(Bootstrap.mean(of: [[2, 2], [2]], seed: 1) == Estimate(mean: 2, low: 2, high: 2))
        #expect(Bootstrap.mean(of: [[]], seed: 1) == nil)
    }

    @Test func theIntervalCoversTheTruthAboutAsOftenAsItSays() {
        var random = SimulationRandom(seed: 2)
        var covered = 0
        for round in 0..<200 {
            let groups = (0..<20).map { _ in [random.normal()] }
            guard let estimate = Bootstrap.mean(of: groups, seed: UInt64(round)) else { continue }
            if estimate.low <= 0, estimate.high >= 0 { covered += 1 }
        }
        // 95 % nominally; a percentile interval of 20 values covers a little less.
        #expect((175...199).contains(covered))
    }
}

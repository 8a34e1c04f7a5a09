// How candidates for the base policy are judged before anything is tested: unseen applications, training windows.

import Base
import ClusterModel
import Deciding
import Learning
import Scaling

/// What one policy did beside the calibrated rules on the validation applications, in one kind of window.
public struct ValidationScore: Sendable, Codable, Equatable {
    public var resize: String
    /// Counted steps of a window.
    public var steps: Int
    public var applications: Int
    /// The policy's bill over the rules' at the same violations, geometric mean over all trade-offs, and the worst.
    public var billAtEqualViolations: Double
    public var worstBillAtEqualViolations: Double
    /// With the default trade-off.
    public var violationsPercent: Double
    /// An hour of simulated time, with the default trade-off.
    public var oomKills: Double
    public var changes: Double

    public init(
        resize: String, steps: Int, applications: Int, billAtEqualViolations: Double,
        worstBillAtEqualViolations: Double, violationsPercent: Double, oomKills: Double, changes: Double
    ) {
        self.resize = resize
        self.steps = steps
        self.applications = applications
        self.billAtEqualViolations = billAtEqualViolations
        self.worstBillAtEqualViolations = worstBillAtEqualViolations
        self.violationsPercent = violationsPercent
        self.oomKills = oomKills
        self.changes = changes
    }

    /// The constraints: at most 0.02 OOM kills and 4 changes an hour, at no trade-off dearer than the rules. By how much
    /// the policy misses them together, as shares; 0 when it keeps all of them.
    public var excess: Double {
        max(0, oomKills / 0.02 - 1) + max(0, changes / 4 - 1) + 10 * max(0, worstBillAtEqualViolations - 1)
    }
}

/// The validation of one training: hours and, for fewer applications, a day and a half.
public struct ClusterValidation: Sendable {
    private let scenarios: [Scenario]

    /// - Parameters:
    ///   - traces: recorded loads; only their training part is used. Generated load is always one more source.
    ///   - windows: windows of each application and source.
    public init(
        applications: [SyntheticApplication] = SyntheticApplication.validation, traces: [LoadTrace], windows: Int = 2,
        modes: [Profile.Resize] = Profile.Resize.allCases, longSteps: Int? = 2000
    ) {
        func scenario(_ applications: [SyntheticApplication], _ resize: Profile.Resize, steps: Int) -> Scenario {
            var scenario = Scenario(
                applications: applications, sources: traces.map { .trace($0) } + [.generated(.drawn)],
                seed: 77)
            scenario.windows = windows
            scenario.steps = steps
            scenario.dynamics.resize = resize
            return scenario
        }
        scenarios =
            modes.map { scenario(applications, $0, steps: 100) }
            + (longSteps.map { [scenario(Array(applications.prefix(12)), .inPlace, steps: $0)] } ?? [])
    }

    /// For each policy one score a kind of window. The rules are calibrated once for all of them.
    public func score(_ policies: [Policy], parallelFor: ParallelFor = sequentially) -> [[ValidationScore]] {
        var scores = [[ValidationScore]](repeating: [], count: policies.count)
        for scenario in scenarios {
            let result = BillStudy(scenario).run(policies: policies, part: .training, parallelFor: parallelFor)
            for index in policies.indices { scores[index].append(result.score(policy: index, scenario)) }
        }
        return scores
    }

    /// Index of the candidate to take: the lowest bill among those that keep every constraint, otherwise the one that
    /// exceeds them least. The first of equals.
    public static func best(of candidates: [[ValidationScore]]) -> Int? {
        func rank(_ scores: [ValidationScore]) -> (excess: Double, bill: Double) {
            (
                scores.reduce(0) { $0 + $1.excess },
                scores.reduce(0) { $0 + $1.billAtEqualViolations } / Double(max(scores.count, 1))
            )
        }
        return candidates.indices.min { first, second in
            let (a, b) = (rank(candidates[first]), rank(candidates[second]))
            return (a.excess, a.bill) < (b.excess, b.bill)
        }
    }
}

extension BillStudy.Result {
    fileprivate func score(policy: Int, _ scenario: Scenario) -> ValidationScore {
        let lines = lines(policy: policy)
        let ratios = lines.map(\.billAtEqualViolations.mean)
        let usual = lines[BillStudy.savings.count / 2].point
        let product = ratios.reduce(0) { $0 + logarithm(max($1, 1e-9)) }
        return ValidationScore(
            resize: scenario.dynamics.resize.rawValue, steps: scenario.steps,
            applications: scenario.applications.count,
            billAtEqualViolations: exponential(product / Double(max(ratios.count, 1))),
            worstBillAtEqualViolations: ratios.max() ?? 1, violationsPercent: usual.violationRate * 100,
            oomKills: usual.kills / max(usual.hours, 1e-9),
            changes: (usual.changes + usual.resizes) / max(usual.hours, 1e-9))
    }
}

extension SyntheticApplication {
    /// Applications to choose among candidates by: 40 of the 800 training applications, never trained on.
    public static var validation: [SyntheticApplication] { Array(split(seed: 1).training.suffix(40)) }
}

// The rules' frontier of violations and bill, and where a policy's trade-offs lie against it.

import Base
import Scaling

/// The frontier of the rules, and where a policy lies against it.
public struct BillFrontier: Sendable {
    /// Rising violations, falling bill: the lower hull of what the rules reached.
    public let points: [(violations: Double, bill: Double)]

    public init(_ all: [(violations: Double, bill: Double)]) {
        var kept: [(violations: Double, bill: Double)] = []
        for point in all.sorted(by: { ($0.violations, $0.bill) < ($1.violations, $1.bill) })
        where kept.last.map({ point.bill < $0.bill }) ?? true {
            kept.append(point)
        }
        points = kept
    }

    /// The rules' bill at so many violations: between two of their points linear in both; beyond the ends the nearest.
    public func bill(at violations: Double) -> Double? {
        guard let first = points.first, let last = points.last else { return nil }
        if violations <= first.violations { return first.bill }
        if violations >= last.violations { return last.bill }
        for (left, right) in zip(points, points.dropFirst()) where violations <= right.violations {
            let share = (violations - left.violations) / max(right.violations - left.violations, 1e-12)
            return left.bill + share * (right.bill - left.bill)
        }
        return last.bill
    }
}

extension BillStudy {
    /// A policy with one trade-off, or the rules with one budget.
    public struct Line: Sendable {
        /// The owner's savings of a policy, the violation budget of the rules.
        public let setting: Double
        public let point: BillPoint
        /// Bill over the rules' bill at the same violations, with its interval over applications; 1 for the rules.
        public let billAtEqualViolations: Estimate
    }

    /// What a study found.
    public struct Result: Sendable {
        public let cells: [Cell]
        let seed: UInt64

        public init(cells: [Cell], seed: UInt64) {
            self.cells = cells
            self.seed = seed
        }

        /// Loads that were played.
        public var sources: [String] {
            cells.flatMap(\.sources).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        }

        private func sum(
            _ chosen: [Cell], _ source: String?, _ pick: (Cell, Int) -> BillPoint
        ) -> BillPoint {
            chosen.reduce(into: BillPoint()) { sum, cell in
                for index in cell.sources.indices where source == nil || cell.sources[index] == source {
                    sum += pick(cell, index)
                }
            }
        }

        private func frontier(_ chosen: [Cell], _ source: String?) -> BillFrontier {
            BillFrontier(
                budgets.indices.map { budget in
                    let point = sum(chosen, source) { $0.rules[$1][budget] }
                    return (point.violationRate, point.billOverNeed)
                })
        }

        /// The rules, one line a violation budget.
        public func rules(source: String? = nil) -> [Line] {
            budgets.indices.map { budget in
                Line(
                    setting: budgets[budget], point: sum(cells, source) { $0.rules[$1][budget] },
                    billAtEqualViolations: Estimate(mean: 1, low: 1, high: 1))
            }
        }

        /// A policy, one line a trade-off. Intervals are over resampled applications, rules and policy together.
        public func lines(policy: Int, source: String? = nil, resamples: Int = 200) -> [Line] {
            savings.indices.map { saving in
                func ratio(_ chosen: [Cell]) -> Double {
                    let point = sum(chosen, source) { $0.policies[policy][$1][saving] }
                    guard let same = frontier(chosen, source).bill(at: point.violationRate), same > 0 else { return 1 }
                    return point.billOverNeed / same
                }
                var random = SimulationRandom(seed: seed)
                let drawn = (0..<resamples).map { _ in
                    ratio(cells.map { _ in cells[Int(random.next() % UInt64(cells.count))] })
                }.sorted()
                return Line(
                    setting: savings[saving], point: sum(cells, source) { $0.policies[policy][$1][saving] },
                    billAtEqualViolations: Estimate(
                        mean: ratio(cells), low: drawn[resamples * 25 / 1000],
                        high: drawn[resamples * 975 / 1000 - 1]))
            }
        }
    }
}

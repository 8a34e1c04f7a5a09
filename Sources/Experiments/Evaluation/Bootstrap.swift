// Confidence intervals without assumptions about distributions: resampling (Efron 1979).

import Base

/// A mean with its 95 % interval.
public struct Estimate: Sendable, Equatable {
    public let mean: Double
    public let low: Double
    public let high: Double

    public init(mean: Double, low: Double, high: Double) {
        self.mean = mean
        self.low = low
        self.high = high
    }
}

public enum Bootstrap {
    /// Resamples; 2,000 leave the ends of a 95 % interval within a few percent of its width.
    public static let resamples = 2000

    /// The mean of `groups`' values, and the percentile interval over resampled groups: windows of one application are
    /// not independent of each other, so applications are drawn, with all of their windows.
    /// - Returns: `nil` when there is no value.
    public static func mean(of groups: [[Double]], seed: UInt64) -> Estimate? {
        let sums = groups.filter { !$0.isEmpty }.map { (sum: $0.reduce(0, +), count: Double($0.count)) }
        guard !sums.isEmpty else { return nil }
        let total = sums.reduce((0, 0)) { ($0.0 + $1.sum, $0.1 + $1.count) }
        var random = SimulationRandom(seed: seed)
        var means = (0..<resamples).map { _ in
            var sum = 0.0
            var count = 0.0
            for _ in sums {
                let drawn = sums[Int(random.next() % UInt64(sums.count))]
                sum += drawn.sum
                count += drawn.count
            }
            return sum / count
        }
        means.sort()
        return Estimate(
            mean: total.0 / total.1, low: means[resamples * 25 / 1000], high: means[resamples * 975 / 1000 - 1])
    }

    /// Sum of `values` over sum of `references`, pair by pair of the same application, with the percentile interval over
    /// resampled applications.
    /// - Returns: `nil` when there is nothing to divide by.
    public static func ratio(of values: [Double], to references: [Double], seed: UInt64) -> Estimate? {
        let pairs = Array(zip(values, references))
        let sum = pairs.reduce((0.0, 0.0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        guard sum.1 != 0 else { return nil }
        var random = SimulationRandom(seed: seed)
        let ratios = (0..<resamples).map { _ in
            var drawn = (0.0, 0.0)
            for _ in pairs {
                let pair = pairs[Int(random.next() % UInt64(pairs.count))]
                drawn = (drawn.0 + pair.0, drawn.1 + pair.1)
            }
            return drawn.1 != 0 ? drawn.0 / drawn.1 : .infinity
        }.sorted()
        return Estimate(
            mean: sum.0 / sum.1, low: ratios[resamples * 25 / 1000], high: ratios[resamples * 975 / 1000 - 1])
    }
}

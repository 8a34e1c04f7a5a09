// Mean and deviation of a few numbers.

extension [Double] {
    /// 0 of nothing.
    public var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }

    /// Of the sample (with n - 1); 0 of fewer than two.
    public var deviation: Double {
        guard count > 1 else { return 0 }
        let mean = mean
        return (reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)).squareRoot()
    }

    /// The least value that at least `share` (0...1) of all do not exceed; 0 of nothing.
    public func quantile(_ share: Double) -> Double {
        guard !isEmpty else { return 0 }
        return sorted()[Swift.min(count - 1, Swift.max(0, Int((share * Double(count)).rounded(.up)) - 1))]
    }
}

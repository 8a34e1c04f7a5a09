// From rewards to what a step was worth: advantages and returns.

/// Generalised advantage estimation (Schulman et al. 2016).
///
///     delta_t = r_t + discount V_{t+1} - V_t
///     A_t     = delta_t + discount lambda A_{t+1}
///
/// Behind the last step stands `bootstrap`: the value of what comes next at a time limit, 0 when the task ended.
public func generalizedAdvantages(
    rewards: [Float], values: [Float], bootstrap: Float, discount: Float, lambda: Float
) -> [Float] {
    precondition(rewards.count == values.count, "every reward has a value")
    var advantages = [Float](repeating: 0, count: rewards.count)
    var next = bootstrap
    var advantage: Float = 0
    for step in rewards.indices.reversed() {
        let delta = rewards[step] + discount * next - values[step]
        advantage = delta + discount * lambda * advantage
        advantages[step] = advantage
        next = values[step]
    }
    return advantages
}

/// Discounted sums of what follows each step, `bootstrap` behind the last.
public func discountedReturns(rewards: [Float], bootstrap: Float, discount: Float) -> [Float] {
    var returns = [Float](repeating: 0, count: rewards.count)
    var next = bootstrap
    for step in rewards.indices.reversed() {
        next = rewards[step] + discount * next
        returns[step] = next
    }
    return returns
}

/// Mean and standard deviation, summed in double precision.
public func moments(_ values: [Float]) -> (mean: Float, deviation: Float) {
    guard !values.isEmpty else { return (0, 0) }
    let count = Double(values.count)
    let mean = values.reduce(0.0) { $0 + Double($1) } / count
    let variance = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    return (Float(mean), Float(variance.squareRoot()))
}

/// 1 - Var(returns - values) / Var(returns): 1 = the critic explains everything, 0 = no better than their mean.
public func explainedVariance(values: [Float], returns: [Float]) -> Float {
    let total = moments(returns).deviation
    guard total > 1e-12 else { return 0 }
    let rest = moments(zip(returns, values).map { $0 - $1 }).deviation
    return 1 - (rest * rest) / (total * total)
}

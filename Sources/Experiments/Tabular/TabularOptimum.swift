// The best that any policy can do in the tabular environment, by dynamic programming.

import Learning

/// Returns that no policy can exceed.
public enum TabularOptimum {
    /// The largest sum of rewards over `steps` steps from no containers, at a constant load.
    ///
    /// V_k(n, d) = max over horizontal actions of r + V_{k-1}(n', d'), where d is the direction of the last action.
    /// Vertical actions need no place in it: they earn what doing nothing earns.
    public static func totalReward(load: Int, steps: Int, reward: TabularReward = .published, table: TabularTable? = nil) -> Double {
        func state(_ containers: Int) -> TabularState {
            table?.state(containers: containers, load: load) ?? TabularState(containers: containers, load: load)
        }
        let directions = [-1, 0, 1]
        let counts = 0...TabularEnvironment.maxContainers
        var values = [[Double]](repeating: [Double](repeating: 0, count: 3), count: counts.count)
        for _ in 0..<steps {
            values = counts.map { n in
                directions.map { last in
                    let illegal = reward.illegal(state(n)) + values[n][last + 1]
                    let legal = directions.compactMap { move -> Double? in
                        guard counts.contains(n + move) else { return nil }
                        return reward.value(state(n + move), isReversal: last * move < 0) + values[n + move][move + 1]
                    }
                    return legal.reduce(illegal) { Swift.max($0, $1) }
                }
            }
        }
        return values[0][1]
    }

    /// The mean over all loads.
    public static func meanTotalReward(steps: Int, reward: TabularReward = .published, table: TabularTable? = nil) -> Double {
        TabularEnvironment.loads.reduce(0) { $0 + totalReward(load: $1, steps: steps, reward: reward, table: table) }
            / Double(TabularEnvironment.loads.count)
    }
}

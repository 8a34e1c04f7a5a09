// Minibatches of an update, whole episodes or single steps, in an order that the caller has shuffled.

import Base

/// Cuts the shuffled order of an update's units, which are rows or episodes, into minibatches.
struct Batching {
    let units: Int
    private let size: Int
    private let longest: Int
    private let isByEpisode: Bool

    init(_ table: StepTable, _ minibatch: PPO.Minibatch, isRecurrent: Bool) {
        longest = table.episodes.reduce(0) { Swift.max($0, $1.count) }
        switch minibatch {
        case .steps(let steps) where !isRecurrent:
            isByEpisode = false
            size = Swift.min(Swift.max(steps, 1), table.rows)
            units = table.rows
        case .steps(let steps):
            // A GRU cannot learn from single steps; as many whole episodes as make up about the same number.
            isByEpisode = true
            size = Swift.min(Swift.max(steps / Swift.max(longest, 1), 1), table.episodes.count)
            units = table.episodes.count
        case .episodes(let count):
            isByEpisode = true
            size = Swift.min(Swift.max(count, 1), table.episodes.count)
            units = table.episodes.count
        }
    }

    /// Lanes, and rows, of the largest part of a minibatch.
    func maxLanes(_ shards: Int) -> Int { (size + shards - 1) / shards }
    func maxRows(_ shards: Int) -> Int { maxLanes(shards) * (isByEpisode ? longest : 1) }

    /// Minibatches of at most `shards` parts each. The last one takes what is left.
    func minibatches(_ order: [Int], shards: Int, table: StepTable) -> [[StepTable.Minibatch]] {
        stride(from: 0, to: units, by: size).map { start in
            let end = Swift.min(start + size, units)
            return stride(from: start, to: end, by: maxLanes(shards)).map { first in
                let chosen = order[first..<Swift.min(first + maxLanes(shards), end)]
                return isByEpisode ? table.minibatch(ofEpisodes: chosen) : table.minibatch(ofRows: chosen)
            }
        }
    }
}

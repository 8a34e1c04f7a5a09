// Many episodes as one table of rows, and minibatches gathered from it.

import Base
import Neural

/// The steps of a set of episodes, row behind row, in the form in which the networks read them.
struct StepTable {
    let shape: PolicyShape
    /// Rows of each episode.
    private(set) var episodes: [Range<Int>] = []
    /// (rows, observationSize + embeddingSize).
    private var inputs: [Float] = []
    /// (rows, recurrentInputSize), empty when feed-forward.
    private var recurrentInputs: [Float] = []
    /// (episodes, recurrentSize).
    private var initialStates: [Float] = []
    /// (rows, heads).
    private(set) var actions: [Int32] = []
    /// (rows, actionCount).
    private(set) var masks: [UInt8] = []

    /// The episode that a row belongs to.
    func episode(ofRow row: Int) -> Int? {
        var (low, high) = (0, episodes.count)
        while low < high {
            let middle = (low + high) / 2
            if episodes[middle].upperBound <= row { low = middle + 1 } else { high = middle }
        }
        return low < episodes.count && episodes[low].contains(row) ? low : nil
    }

    var rows: Int { episodes.last?.upperBound ?? 0 }

    /// The GRU reads rewards unscaled, as it does when it serves.
    /// - Precondition: every episode is valid for the shape.
    init(_ episodes: [Episode], shape: PolicyShape) {
        self.shape = shape
        let total = episodes.reduce(0) { $0 + $1.count }
        inputs.reserveCapacity(total * (shape.observationSize + shape.embeddingSize))
        recurrentInputs.reserveCapacity(shape.recurrentSize == 0 ? 0 : total * shape.recurrentInputSize)
        for episode in episodes { append(episode) }
    }

    private mutating func append(_ episode: Episode) {
        let start = rows
        let size = shape.observationSize
        episodes.append(start..<start + episode.count)
        for step in 0..<episode.count {
            inputs.append(contentsOf: episode.observations[step * size..<(step + 1) * size])
            inputs.append(contentsOf: episode.embedding)
        }
        actions.append(contentsOf: episode.actions)
        if episode.masks.isEmpty {
            masks.append(contentsOf: repeatElement(1, count: episode.count * shape.actionCount))
        } else {
            masks.append(contentsOf: episode.masks)
        }
        guard shape.recurrentSize > 0 else { return }
        let memory = episode.initialMemory.isEmpty ? shape.emptyMemory() : episode.initialMemory
        initialStates.append(contentsOf: memory[..<shape.recurrentSize])
        for step in 0..<episode.count {
            recurrentInputs.append(contentsOf: episode.observations[step * size..<(step + 1) * size])
            if step == 0 {
                recurrentInputs.append(contentsOf: memory[shape.recurrentSize...])
            } else {
                let before = recurrentInputs.count
                recurrentInputs.append(contentsOf: repeatElement(0, count: shape.actionCount))
                var offset = before
                for (head, count) in shape.heads.enumerated() {
                    let action = Int(episode.actions[(step - 1) * shape.heads.count + head])
                    recurrentInputs[offset + action] = 1
                    offset += count
                }
                recurrentInputs.append(episode.rewards[step - 1])
            }
        }
    }

    /// Rows of a minibatch, time first: `rows[step * lanes + lane]`, -1 where a shorter episode has already ended.
    struct Minibatch {
        var rows: [Int]
        let steps: Int
        let lanes: Int
        /// Episode of each lane when the lanes are whole episodes.
        let episodes: [Int]

        /// Rows that exist.
        var count: Int { rows.reduce(0) { $0 + ($1 >= 0 ? 1 : 0) } }
    }

    /// Whole episodes side by side.
    func minibatch(ofEpisodes chosen: ArraySlice<Int>) -> Minibatch {
        let steps = chosen.reduce(0) { Swift.max($0, episodes[$1].count) }
        var rows = [Int](repeating: -1, count: steps * chosen.count)
        for (lane, episode) in chosen.enumerated() {
            for (step, row) in episodes[episode].enumerated() { rows[step * chosen.count + lane] = row }
        }
        return Minibatch(rows: rows, steps: steps, lanes: chosen.count, episodes: Array(chosen))
    }

    /// Single rows in any order. Only a feed-forward network can learn from them.
    func minibatch(ofRows chosen: ArraySlice<Int>) -> Minibatch {
        Minibatch(rows: Array(chosen), steps: 1, lanes: chosen.count, episodes: [])
    }

    /// Copies a minibatch's inputs to where `ActorCritic.forward` reads them; rows that do not exist become zeros.
    func load(_ minibatch: Minibatch, into work: ActorCritic.Workspace) {
        let width = shape.observationSize + shape.embeddingSize
        copy(inputs, width: width, rows: minibatch.rows, to: work.inputs.pointer, stride: shape.inputSize)
        guard shape.recurrentSize > 0 else { return }
        let recurrentWidth = shape.recurrentInputSize
        copy(
            recurrentInputs, width: recurrentWidth, rows: minibatch.rows, to: work.recurrentInputs.pointer,
            stride: recurrentWidth)
        copy(
            initialStates, width: shape.recurrentSize, rows: minibatch.episodes, to: work.hidden.pointer,
            stride: shape.recurrentSize)
    }

    private func copy(
        _ source: [Float], width: Int, rows: [Int], to target: UnsafeMutablePointer<Float>, stride: Int
    ) {
        source.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            for (index, row) in rows.enumerated() {
                let line = target + index * stride
                if row >= 0 {
                    line.update(from: base + row * width, count: width)
                } else {
                    line.update(repeating: 0, count: width)
                }
            }
        }
    }
}

extension RandomGenerator {
    /// Fisher-Yates: every order equally likely, the same on every platform for a seed.
    mutating func shuffle(_ values: inout [Int]) {
        for index in stride(from: values.count - 1, to: 0, by: -1) { values.swapAt(index, below(index + 1)) }
    }
}

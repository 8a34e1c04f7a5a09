// The network that decides for clusters: its sizes follow from the state vector and the action space.

import Learning
import Scaling

extension PolicyShape {
    /// The state vector, a head for each dimension, a GRU of 32 and two layers of 64.
    ///
    /// - Parameter additional: values behind the state vector (`StateExtension`).
    public static func cluster(
        space: ActionSpace = .standard, recurrentSize: Int = 32, embeddingSize: Int = 0, hidden: [Int] = [64, 64],
        additional: Int = 0
    ) -> PolicyShape {
        PolicyShape(
            observationSize: StateEncoder.count + additional, embeddingSize: embeddingSize,
            recurrentSize: recurrentSize, hidden: hidden, heads: space.headSizes, noOps: space.heads.map(\.noop))
    }
}

// Curves over episodes: means of several, and means over windows.

import Base

enum Curve {
    /// Episode by episode, as long as the shortest.
    static func mean(_ curves: [[Double]]) -> [Double] {
        let length = curves.map(\.count).min() ?? 0
        return (0..<length).map { index in curves.map { $0[index] }.mean }
    }

    /// Mean of the last `window` values at each place from the first full window on (or of all there are).
    static func smoothed(_ curve: [Double], window: Int) -> [(x: Double, y: Double)] {
        curve.indices.map { index in
            (x: Double(index + 1), y: Array(curve[max(0, index + 1 - window)...index]).mean)
        }
    }

    /// Means of all full windows.
    static func windows(_ curve: [Double], _ window: Int) -> [Double] {
        guard curve.count >= window else { return curve.isEmpty ? [] : [curve.mean] }
        return (0...curve.count - window).map { Array(curve[$0..<$0 + window]).mean }
    }
}

// Small statistics of the experiments: rank correlation and principal components.

import Base

/// Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank.
enum RankCorrelation {
    static func spearman(_ first: [Double], _ second: [Double]) -> Double {
        guard first.count == second.count, first.count > 1 else { return .nan }
        return pearson(ranks(first), ranks(second))
    }

    private static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var result = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for position in start..<end { result[order[position]] = Double(start + end - 1) / 2 }
            start = end
        }
        return result
    }

    private static func pearson(_ first: [Double], _ second: [Double]) -> Double {
        let (a, b) = (first.mean, second.mean)
        let product = zip(first, second).reduce(0) { $0 + ($1.0 - a) * ($1.1 - b) }
        let squares = (
            first.reduce(0) { $0 + ($1 - a) * ($1 - a) }, second.reduce(0) { $0 + ($1 - b) * ($1 - b) }
        )
        let scale = (squares.0 * squares.1).squareRoot()
        return scale > 0 ? product / scale : .nan
    }
}

/// The two directions in which centred rows vary most.
enum PrincipalComponents {
    /// Power iteration on the covariance, the second direction after taking the first out.
    static func project(_ rows: [[Float]]) -> [(x: Double, y: Double)] {
        let data = rows.map { $0.map(Double.init) }
        guard let width = data.first?.count, width > 0 else { return rows.map { _ in (0, 0) } }
        let first = direction(data)
        let rest = data.map { row in
            let along = dot(row, first)
            return row.indices.map { row[$0] - along * first[$0] }
        }
        let second = direction(rest)
        return data.map { (x: dot($0, first), y: dot($0, second)) }
    }

    private static func direction(_ rows: [[Double]]) -> [Double] {
        let width = rows[0].count
        var vector = (0..<width).map { 1 + Double($0) / Double(width) }
        for _ in 0..<200 {
            var next = [Double](repeating: 0, count: width)
            for row in rows {
                let along = dot(row, vector)
                for index in 0..<width { next[index] += along * row[index] }
            }
            let length = dot(next, next).squareRoot()
            guard length > 1e-12 else { return [Double](repeating: 0, count: width) }
            vector = next.map { $0 / length }
        }
        return vector
    }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}

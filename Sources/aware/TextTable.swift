// Columns of text: the first at the left, the others at the right.

enum TextTable {
    /// - Parameter rows: the first is the heading; all have as many fields.
    static func text(_ rows: [[String]]) -> String {
        guard let heading = rows.first else { return "" }
        let widths = heading.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column in
                let fill = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + fill : fill + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

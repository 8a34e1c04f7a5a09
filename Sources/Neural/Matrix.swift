// Products of matrices. Everything is row-major, and weights are stored (input, output).

import CMatrix

/// y (rows, columns) = x (rows, inner) . w (inner, columns) + beta * y, with beta 0 or 1.
func multiply(
    _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, rows: Int, inner: Int, columns: Int,
    into y: UnsafeMutablePointer<Float>, beta: Int32 = 0
) {
    matrix_multiply(
        Int32(rows), Int32(inner), Int32(columns), x, Int32(inner), 1, w, Int32(columns), 1, beta, y)
}

/// dw (inner, columns) += x (rows, inner) transposed . dy (rows, columns).
func accumulateWeightGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, rows: Int, inner: Int, columns: Int,
    into dw: UnsafeMutablePointer<Float>
) {
    matrix_multiply(
        Int32(inner), Int32(rows), Int32(columns), x, 1, Int32(inner), dy, Int32(columns), 1, 1, dw)
}

/// dx (rows, inner) = dy (rows, columns) . w (inner, columns) transposed + beta * dx, with beta 0 or 1.
func multiplyTransposed(
    _ dy: UnsafePointer<Float>, _ w: UnsafePointer<Float>, rows: Int, inner: Int, columns: Int,
    into dx: UnsafeMutablePointer<Float>, beta: Int32 = 0
) {
    matrix_multiply(
        Int32(rows), Int32(columns), Int32(inner), dy, Int32(columns), 1, w, 1, Int32(columns), beta, dx)
}

/// y (columns) += x (inner) . w (inner, columns): one row, as an agent that decides has it.
func multiplyRow(
    _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, inner: Int, columns: Int,
    into y: UnsafeMutablePointer<Float>
) {
    vector_multiply(Int32(inner), Int32(columns), x, w, y)
}

/// db (columns) += the sum of dy (rows, columns) over its rows.
func accumulateColumnSums(
    _ dy: UnsafePointer<Float>, rows: Int, columns: Int, into db: UnsafeMutablePointer<Float>
) {
    for row in 0..<rows {
        let line = dy + row * columns
        for column in 0..<columns { db[column] += line[column] }
    }
}

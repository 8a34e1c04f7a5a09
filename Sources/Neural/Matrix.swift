// Products of matrices by OpenBLAS. Everything is row-major, and weights are stored (input, output).

import CBLAS

/// y (rows, columns) = x (rows, inner) . w (inner, columns) + beta * y.
func multiply(
    _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, rows: Int, inner: Int, columns: Int,
    into y: UnsafeMutablePointer<Float>, beta: Float = 0
) {
    cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(columns), Int32(inner), 1, x, Int32(inner), w,
        Int32(columns), beta, y, Int32(columns))
}

/// dw (inner, columns) += x (rows, inner) transposed . dy (rows, columns).
func accumulateWeightGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, rows: Int, inner: Int, columns: Int,
    into dw: UnsafeMutablePointer<Float>
) {
    cblas_sgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(inner), Int32(columns), Int32(rows), 1, x, Int32(inner), dy,
        Int32(columns), 1, dw, Int32(columns))
}

/// dx (rows, inner) = dy (rows, columns) . w (inner, columns) transposed + beta * dx.
func multiplyTransposed(
    _ dy: UnsafePointer<Float>, _ w: UnsafePointer<Float>, rows: Int, inner: Int, columns: Int,
    into dx: UnsafeMutablePointer<Float>, beta: Float = 0
) {
    cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(inner), Int32(columns), 1, dy, Int32(columns), w,
        Int32(columns), beta, dx, Int32(inner))
}

/// y (columns) += x (inner) . w (inner, columns): one row, as an agent that decides has it.
func multiplyRow(
    _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, inner: Int, columns: Int,
    into y: UnsafeMutablePointer<Float>
) {
    cblas_sgemv(
        CblasRowMajor, CblasTrans, Int32(inner), Int32(columns), 1, w, Int32(columns), x, 1, 1, y, 1)
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

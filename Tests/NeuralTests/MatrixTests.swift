// The matrix kernels against sums in double precision, in every shape that has a code path of its own, and from many
// threads at once.

@testable import Base
import Testing

@testable import Neural

struct MatrixTests {
    private func random(_ count: Int, _ generator: inout RandomGenerator) -> [Float] {
        (0..<count).map { _ in generator.normal() }
    }

    /// c[i, j] = sum over p of a(i, p) b(p, j), slowly.
    private func product(
        _ rows: Int, _ inner: Int, _ columns: Int, _ a: (Int, Int) -> Float, _ b: (Int, Int) -> Float
    ) -> [Float] {
        (0..<rows * columns).map { index in
            let (i, j) = (index / columns, index % columns)
            return Float((0..<inner).reduce(0.0) { $0 + Double(a(i, $1)) * Double(b($1, j)) })
        }
    }

    @Test(arguments: [1, 2, 5, 6, 7, 64], [1, 5, 16, 17, 48, 80])
    func equalsPlainSums(rows: Int, columns: Int) {
        var generator = RandomGenerator(seed: UInt64(rows * 100 + columns))
        // 300 is beyond the depth of one panel.
        for inner in [1, 6, 300] {
            let x = random(rows * inner, &generator)
            let w = random(inner * columns, &generator)
            let start = random(rows * columns, &generator)
            let expected = product(rows, inner, columns, { x[$0 * inner + $1] }, { w[$0 * columns + $1] })
            var y = start
            multiply(x, w, rows: rows, inner: inner, columns: columns, into: &y, beta: 0)
            #expect(largestError(y, expected) < 2e-5)
            y = start
            multiply(x, w, rows: rows, inner: inner, columns: columns, into: &y, beta: 1)
            #expect(largestError(y, zip(expected, start).map { $0 + $1 }) < 2e-5)

            var dw = [Float](repeating: 0, count: inner * columns)
            accumulateWeightGradient(x, start, rows: rows, inner: inner, columns: columns, into: &dw)
            let weightGradient = product(
                inner, rows, columns, { x[$1 * inner + $0] }, { start[$0 * columns + $1] })
            #expect(largestError(dw, weightGradient) < 2e-5)

            var dx = [Float](repeating: 7, count: rows * inner)
            multiplyTransposed(start, w, rows: rows, inner: inner, columns: columns, into: &dx)
            let inputGradient = product(
                rows, columns, inner, { start[$0 * columns + $1] }, { w[$1 * columns + $0] })
            #expect(largestError(dx, inputGradient) < 2e-5)

            var row = Array(start[..<columns])
            multiplyRow(x, w, inner: inner, columns: columns, into: &row)
            #expect(largestError(row, zip(expected, start).prefix(columns).map { $0 + $1 }) < 2e-5)
        }
    }

    /// A BLAS that shares work buffers between threads failed exactly this.
    @Test func threadsDoNotDisturbEachOther() async {
        var generator = RandomGenerator(seed: 1)
        let x = random(64 * 96, &generator)
        let w = random(96 * 64, &generator)
        @Sendable func chain() -> [Float] {
            var y = [Float](repeating: 0, count: 64 * 64)
            for _ in 0..<2000 {
                multiply(x, w, rows: 64, inner: 96, columns: 64, into: &y)
            }
            return y
        }
        let expected = chain()
        let results = await withTaskGroup(of: [Float].self) { group in
            for _ in 0..<4 { group.addTask { chain() } }
            return await group.reduce(into: [[Float]]()) { $0.append($1) }
        }
        #expect(results.allSatisfy { $0 == expected })
    }
}

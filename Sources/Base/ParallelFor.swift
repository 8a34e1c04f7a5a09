// How work that can be done side by side reaches threads: the caller decides, the result does not depend on it.

/// Runs `unit` for 0..<count, in any order and on as many threads as it likes, and returns when all are done.
public typealias ParallelFor = @Sendable (_ count: Int, _ unit: (Int) -> Void) -> Void

/// One after the other, on the calling thread.
@Sendable public func sequentially(_ count: Int, _ unit: (Int) -> Void) {
    for index in 0..<count { unit(index) }
}

// Computing without the cooperative pool, which must not be blocked for minutes.

import Base
import Foundation
import Synchronization

enum Threads {
    static var count: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// Units of a piece of work on so many threads, each taking the next one when it is free.
    static func parallelFor(over threads: Int) -> ParallelFor {
        { count, unit in
            // Dispatch wants a Sendable closure; the units touch nothing in common, and all are done when this returns.
            withoutActuallyEscaping(unit) { unit in
                nonisolated(unsafe) let unit = unit
                let next = Atomic(0)
                DispatchQueue.concurrentPerform(iterations: min(threads, max(1, count))) { _ in
                    while true {
                        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                        guard index < count else { return }
                        unit(index)
                    }
                }
            }
        }
    }

    /// Computes on a thread of its own.
    static func run<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: body()) }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }
}

// What all applications of a server may have together, and what each of them has been given of it.

import Scaling
import Synchronization

/// Resources of the whole cluster. Growth beyond what is left of them is cut by the guards; nothing is taken away.
public final class CapacityLedger: Sendable {
    private let total: Capacity
    /// Sum of what agents hold.
    private let used = Mutex(Capacity(cpuMillicores: 0, memoryBytes: 0))

    public init(total: Capacity) { self.total = total }

    /// Lets `decide` use what the others leave of the total, and notes what it comes to. Decisions that share a total
    /// are made one after the other: two that grow at the same time must not both be given the rest of it.
    /// - Parameter held: what the application was given before; replaced by what it is given now.
    func share<Result>(_ held: inout Capacity, _ decide: (Capacity) -> (Result, Allocation?)) -> Result {
        used.withLock { used in
            used -= held
            let (result, given) = decide(total - used)
            if let given { held = Capacity(of: given) }
            used += held
            return result
        }
    }

    /// Counts `allocation` (`nil`: nothing any more) instead of `held`, whatever is left.
    func set(_ held: inout Capacity, to allocation: Allocation?) {
        used.withLock { used in
            used -= held
            held = allocation.map { Capacity(of: $0) } ?? Capacity(cpuMillicores: 0, memoryBytes: 0)
            used += held
        }
    }
}

extension Capacity {
    /// Of all replicas together; what no integer can hold counts as the largest.
    init(of allocation: Allocation) {
        func product(_ size: Int) -> Int {
            let (product, overflow) = max(0, size).multipliedReportingOverflow(by: max(0, allocation.replicas))
            return overflow ? .max : product
        }
        self.init(cpuMillicores: product(allocation.cpuMillicores), memoryBytes: product(allocation.memoryBytes))
    }

    fileprivate static func += (left: inout Capacity, right: Capacity) {
        left = Capacity(
            cpuMillicores: sum(left.cpuMillicores, right.cpuMillicores),
            memoryBytes: sum(left.memoryBytes, right.memoryBytes))
    }

    fileprivate static func -= (left: inout Capacity, right: Capacity) { left = left - right }

    /// Never below zero.
    fileprivate static func - (left: Capacity, right: Capacity) -> Capacity {
        Capacity(
            cpuMillicores: max(0, left.cpuMillicores - right.cpuMillicores),
            memoryBytes: max(0, left.memoryBytes - right.memoryBytes))
    }

    private static func sum(_ first: Int, _ second: Int) -> Int {
        let (sum, overflow) = first.addingReportingOverflow(second)
        return overflow ? .max : sum
    }
}

// Where requests wait that need the database or time: urgent things in order of urgency, reads beside them.

import Dispatch
import HTTPServer
import Synchronization

/// Two lanes. Health, control and work share a serial one, because they change things; of what waits there the most
/// urgent goes first. Reads have a lane of their own, two at a time: they are never in anybody's way.
final class WorkLanes: Sendable {
    private struct Item {
        let deferral: Deferral
        /// What tells it from another item of the same request.
        let number: UInt64
        let work: @Sendable () -> Void
    }

    private struct State {
        var waiting = [[Item]](repeating: [], count: Priority.allCases.count)
        /// Where the oldest item of each list stands.
        var first = [Int](repeating: 0, count: Priority.allCases.count)
        /// Items that wait and were not cancelled.
        var live: [Deferral: UInt64] = [:]
        var next: UInt64 = 0
    }

    /// Carries what changes things. The database may be written here.
    let urgent = DispatchQueue(label: "aware.api.urgent", qos: .userInitiated)
    /// For what takes seconds and must be in nobody's way.
    let moves = DispatchQueue(label: "aware.api.moves", qos: .utility)
    private let reads = [DispatchQueue(label: "aware.api.reads-0"), DispatchQueue(label: "aware.api.reads-1")]
    private let state = Mutex(State())

    /// Does `work` when it is its turn, by the priority of the request.
    func submit(_ deferral: Deferral, _ work: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.next += 1
            state.live[deferral] = state.next
            state.waiting[deferral.priority.rawValue].append(Item(deferral: deferral, number: state.next, work: work))
        }
        guard deferral.priority == .read else { return urgent.async { [self] in run([.control, .work]) } }
        // Whichever is free first takes it; the other finds nothing.
        for queue in reads { queue.async { [self] in run([.read]) } }
    }

    /// Whether the work for `deferral` had not begun; then it never will.
    func cancel(_ deferral: Deferral) -> Bool { state.withLock { $0.live.removeValue(forKey: deferral) != nil } }

    private func run(_ priorities: [Priority]) {
        let item = state.withLock { state -> Item? in
            for priority in priorities {
                if let item = Self.take(priority.rawValue, &state) { return item }
            }
            return nil
        }
        item?.work()
    }

    /// The oldest item of a list that was not cancelled.
    private static func take(_ list: Int, _ state: inout State) -> Item? {
        while state.first[list] < state.waiting[list].count {
            let item = state.waiting[list][state.first[list]]
            state.first[list] += 1
            if state.first[list] == state.waiting[list].count {
                state.waiting[list].removeAll(keepingCapacity: true)
                state.first[list] = 0
            } else if state.first[list] >= 512 {
                state.waiting[list].removeFirst(state.first[list])
                state.first[list] = 0
            }
            guard state.live[item.deferral] == item.number else { continue }
            state.live[item.deferral] = nil
            return item
        }
        return nil
    }

    /// Waits for what has begun, and for what waits.
    func finish() async {
        for queue in [moves, urgent] + reads {
            await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
        }
    }
}

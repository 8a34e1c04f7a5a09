// Applications that wait for training: each stands in the queue at most once, and is with one thread at a time.

import Dispatch
import Synchronization

final class TrainingQueue: Sendable {
    private struct Contents {
        var waiting: [Agent] = []
        var members: Set<Int64> = []
        /// With a thread; what arrives for them meanwhile waits until they are given back.
        var taken: [Int64: Bool] = [:]
        var isClosed = false
    }

    private let contents = Mutex(Contents())
    /// Counts what waits; only trainer threads block on it.
    private let available = DispatchSemaphore(value: 0)

    /// - Parameter first: before all others, for what a person waits for.
    func push(_ agent: Agent, first: Bool = false) {
        let isNew = contents.withLock { contents in
            guard !contents.isClosed else { return false }
            if contents.taken[agent.id] != nil {
                contents.taken[agent.id] = true
                return false
            }
            guard contents.members.insert(agent.id).inserted else { return false }
            contents.waiting.insert(agent, at: first ? 0 : contents.waiting.count)
            return true
        }
        if isNew { available.signal() }
    }

    /// Says that the thread which `pop` gave `agent` to is done with it.
    func giveBack(_ agent: Agent) {
        if contents.withLock({ $0.taken.removeValue(forKey: agent.id) }) == true { push(agent) }
    }

    /// Waits for the next application; `nil` when the queue was closed.
    func pop() -> Agent? {
        available.wait()
        return contents.withLock { contents in
            guard !contents.isClosed, !contents.waiting.isEmpty else { return nil }
            let agent = contents.waiting.removeFirst()
            contents.members.remove(agent.id)
            contents.taken[agent.id] = false
            return agent
        }
    }

    /// Drops what waits and lets `threads` waiting threads go; the store knows what is left to train.
    func close(threads: Int) {
        contents.withLock { $0.isClosed = true }
        for _ in 0..<threads { available.signal() }
    }

    /// Whether what is under way should end soon.
    var isClosed: Bool { contents.withLock { $0.isClosed } }

    var count: Int { contents.withLock { $0.waiting.count } }
}

// Applications whose finished episodes wait for training: each stands in the queue at most once.

import Dispatch
import Synchronization

final class TrainingQueue: Sendable {
    private struct Contents {
        var waiting: [Agent] = []
        var members: Set<Int64> = []
        var isClosed = false
    }

    private let contents = Mutex(Contents())
    /// Counts what waits; only trainer threads block on it.
    private let available = DispatchSemaphore(value: 0)

    func push(_ agent: Agent) {
        let isNew = contents.withLock { contents in
            guard !contents.isClosed, contents.members.insert(agent.id).inserted else { return false }
            contents.waiting.append(agent)
            return true
        }
        if isNew { available.signal() }
    }

    /// Waits for the next application; `nil` when the queue was closed.
    func pop() -> Agent? {
        available.wait()
        return contents.withLock { contents in
            guard !contents.isClosed, !contents.waiting.isEmpty else { return nil }
            let agent = contents.waiting.removeFirst()
            contents.members.remove(agent.id)
            return agent
        }
    }

    /// Drops what waits and lets `threads` waiting threads go; the store knows what is left to train.
    func close(threads: Int) {
        contents.withLock { $0.isClosed = true }
        for _ in 0..<threads { available.signal() }
    }

    var count: Int { contents.withLock { $0.waiting.count } }
}

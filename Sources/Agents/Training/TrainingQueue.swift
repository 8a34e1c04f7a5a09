// Applications that wait for training: each stands in the queue at most once, and is with one thread at a time.

import Dispatch
import Synchronization

final class TrainingQueue: Sendable {
    private struct Contents {
        var waiting: [Agent] = []
        /// Those for which a person waits.
        var urgent: [Agent] = []
        /// Who waits, and whether for training.
        var members: [Int64: Bool] = [:]
        /// With a thread; what arrives for them meanwhile waits until they are given back.
        var taken: [Int64: Bool] = [:]
        var isClosed = false
    }

    private let contents = Mutex(Contents())
    /// Count what waits; only trainer threads block on them.
    private let available = DispatchSemaphore(value: 0)
    private let urgentAvailable = DispatchSemaphore(value: 0)

    /// Lets `agent` wait for training.
    func push(_ agent: Agent) {
        let isNew = admit(agent) { contents in
            // One that a person waits for is trained when that is done.
            guard contents.members.updateValue(true, forKey: agent.id) == nil else { return false }
            contents.waiting.append(agent)
            return true
        }
        if isNew { available.signal() }
    }

    /// Lets `agent` wait for the thread that only does what people wait for. One that stands in the queue already leaves it.
    func pushUrgently(_ agent: Agent) {
        let isNew = admit(agent) { contents in
            guard !contents.urgent.contains(where: { $0.id == agent.id }) else { return false }
            contents.waiting.removeAll { $0.id == agent.id }
            if contents.members[agent.id] == nil { contents.members[agent.id] = false }
            contents.urgent.append(agent)
            return true
        }
        if isNew { urgentAvailable.signal() }
    }

    /// Lets `place` put `agent` into a queue. One that a thread has waits until it is given back.
    private func admit(_ agent: Agent, _ place: (inout Contents) -> Bool) -> Bool {
        contents.withLock { contents in
            guard !contents.isClosed else { return false }
            guard contents.taken[agent.id] == nil else {
                contents.taken[agent.id] = true
                return false
            }
            return place(&contents)
        }
    }

    /// Says that the thread which `pop` or `popUrgent` gave `agent` to is done with it.
    func giveBack(_ agent: Agent) {
        if contents.withLock({ $0.taken.removeValue(forKey: agent.id) }) == true { push(agent) }
    }

    /// Waits for the next application; `nil` when the queue was closed.
    func pop() -> Agent? { next(\.waiting, available) }

    /// The same, of those for which a person waits.
    func popUrgent() -> Agent? { next(\.urgent, urgentAvailable) }

    private func next(_ queue: WritableKeyPath<Contents, [Agent]>, _ available: DispatchSemaphore) -> Agent? {
        while true {
            available.wait()
            let (agent, isClosed) = contents.withLock { contents -> (Agent?, Bool) in
                // What left the queue was counted.
                guard !contents.isClosed, !contents[keyPath: queue].isEmpty else { return (nil, contents.isClosed) }
                let agent = contents[keyPath: queue].removeFirst()
                let isForTraining = contents.members.removeValue(forKey: agent.id) == true
                contents.taken[agent.id] = queue == \.urgent && isForTraining
                return (agent, false)
            }
            if isClosed { return nil }
            if let agent { return agent }
        }
    }

    /// Drops what waits and lets the waiting threads go, `threads` and the urgent one; the store knows what is left to train.
    func close(threads: Int) {
        contents.withLock { $0.isClosed = true }
        for _ in 0..<threads { available.signal() }
        urgentAvailable.signal()
    }

    /// Whether what is under way should end soon.
    var isClosed: Bool { contents.withLock { $0.isClosed } }

    var count: Int { contents.withLock { $0.waiting.count + $0.urgent.count } }
}

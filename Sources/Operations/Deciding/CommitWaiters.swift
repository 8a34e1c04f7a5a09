// Who waits for a decision that another request has made and that is on its way to the disk.

import Agents
import Dispatch
import Synchronization

/// Wakes whoever waits for a decision when its commit is through.
final class CommitWaiters: Sendable {
    typealias Action = @Sendable (Result<Decision, any Error>) -> Void

    private struct Waiting {
        var next: UInt64 = 0
        var actions: [Int64: [(number: UInt64, action: Action)]] = [:]
    }

    /// A decision whose commit is this late was lost with its process or refused by the disk.
    private let patience: DispatchTimeInterval

    private let history: any DecisionHistory
    private let waiting = Mutex(Waiting())
    /// Most of the time nobody waits: a commit then looks at one number.
    private let count = Atomic<Int>(0)
    private let queue = DispatchQueue(label: "aware.commit-waiters")

    init(history: any DecisionHistory, patience: DispatchTimeInterval) {
        self.history = history
        self.patience = patience
    }

    func wait(for seq: Int64, then action: @escaping Action) {
        // Before the look: a commit in between is then told.
        let number = waiting.withLock { waiting in
            waiting.next += 1
            waiting.actions[seq, default: []].append((waiting.next, action))
            return waiting.next
        }
        count.add(1, ordering: .sequentiallyConsistent)
        do {
            guard let decision = try history.decision(seq: seq, of: nil) else {
                return queue.asyncAfter(deadline: .now() + patience) { [self] in giveUp(seq, number) }
            }
            take(seq, number)?(.success(decision))
        } catch {
            take(seq, number)?(.failure(error))
        }
    }

    /// Says that the commit of these decisions is through, or has failed.
    func announce(_ decisions: [PendingDecision]) {
        guard count.load(ordering: .sequentiallyConsistent) > 0 else { return }
        for decision in decisions {
            let woken = waiting.withLock { $0.actions.removeValue(forKey: decision.seq) ?? [] }
            guard !woken.isEmpty else { continue }
            count.subtract(woken.count, ordering: .sequentiallyConsistent)
            // The writer does not read: it has decisions to write.
            queue.async { [self] in
                let result = look(decision.seq)
                for waiter in woken { waiter.action(result) }
            }
        }
    }

    private func giveUp(_ seq: Int64, _ number: UInt64) { take(seq, number)?(look(seq)) }

    private func look(_ seq: Int64) -> Result<Decision, any Error> {
        Result {
            if let decision = try history.decision(seq: seq, of: nil) { return decision }
            throw OperationError(
                .conflict, "A decision with this id is being made right now. Ask for it again.", retryAfterSeconds: 1)
        }
    }

    private func take(_ seq: Int64, _ number: UInt64) -> Action? {
        let action = waiting.withLock { waiting -> Action? in
            guard let index = waiting.actions[seq]?.firstIndex(where: { $0.number == number }) else { return nil }
            let action = waiting.actions[seq]?.remove(at: index).action
            if waiting.actions[seq]?.isEmpty == true { waiting.actions[seq] = nil }
            return action
        }
        if action != nil { count.subtract(1, ordering: .sequentiallyConsistent) }
        return action
    }
}

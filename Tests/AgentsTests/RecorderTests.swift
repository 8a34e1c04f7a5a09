// Group commit: what comes while a commit runs is the next one, and each batch hears of its own fate.

import Synchronization
import Testing

@testable import Agents

@Suite struct RecorderTests {
    /// A disk that works when it is told to.
    private final class SlowDisk: DecisionSink {
        typealias Body = @Sendable (_ write: ([PendingDecision]) throws -> Void) -> Void
        private let bodies = Mutex<[Body]>([])
        let groups = Mutex<[[Int64]]>([])
        struct Full: Error {}

        func enqueue(_ body: @escaping @Sendable (_ write: ([PendingDecision]) throws -> Void) -> Void) {
            bodies.withLock { $0.append(body) }
        }

        var scheduled: Int { bodies.withLock { $0.count } }

        func work(isFull: Bool = false, duringCommit: () -> Void = {}) {
            let body = bodies.withLock { $0.removeFirst() }
            body { batch in
                groups.withLock { $0.append(batch.map(\.seq)) }
                duringCommit()
                if isFull { throw Full() }
            }
        }
    }

    private static func decision(_ seq: Int64) -> PendingDecision {
        var decision = Decision.sample
        decision.seq = seq
        return PendingDecision(decision, closed: nil)
    }

    @Test func whatWaitsIsCommittedTogether() {
        let disk = SlowDisk()
        let recorder = Recorder(sink: disk)
        let done = Mutex<[Int64]>([])
        func submit(_ seqs: [Int64]) {
            recorder.submit(seqs.map(Self.decision)) { error in
                #expect(error == nil)
                done.withLock { $0 += seqs }
            }
        }
        submit([1, 2])
        submit([3])
        #expect(disk.scheduled == 1)
        var isFirst = true
        disk.work {
            // These come while the first group is being written.
            guard isFirst else { return }
            isFirst = false
            #expect(done.withLock { $0 } == [], "nothing is answered before its commit")
            submit([4])
            submit([5, 6])
        }
        #expect(disk.groups.withLock { $0 } == [[1, 2, 3], [4, 5, 6]])
        #expect(done.withLock { $0 } == [1, 2, 3, 4, 5, 6])
        let commits = recorder.commits.load(ordering: .relaxed)
        #expect(commits == 2 && disk.scheduled == 0)
        submit([7])
        #expect(disk.scheduled == 1)
    }

    @Test func aFailureConcernsItsGroupOnly() {
        let disk = SlowDisk()
        let recorder = Recorder(sink: disk)
        let failures = Mutex<[Bool]>([])
        for seq in Int64(1)...3 {
            recorder.submit([Self.decision(seq)]) { error in failures.withLock { $0.append(error != nil) } }
        }
        disk.work(isFull: true)
        recorder.submit([Self.decision(4)]) { error in failures.withLock { $0.append(error != nil) } }
        disk.work()
        #expect(failures.withLock { $0 } == [true, true, true, false])
        let failed = recorder.failures.load(ordering: .relaxed)
        #expect(failed == 1)
    }

    /// What was decided on top of a refused decision is not written, and what waits behind it hears of that first.
    @Test func whatIsNotSoundIsNotWritten() {
        let disk = SlowDisk()
        let recorder = Recorder(sink: disk)
        let refused = Mutex<Set<Int64>>([1])
        let done = Mutex<[Int64]>([])
        for (seq, base) in [(2, 1), (3, 2), (4, 0), (5, 4)] as [(Int64, Int64)] {
            recorder.submit([Self.decision(seq)], isSound: { refused.withLock { !$0.contains(base) } }) { error in
                if error is Recorder.Voided { refused.withLock { _ = $0.insert(seq) } } else { done.withLock { $0.append(seq) } }
            }
        }
        disk.work()
        #expect(disk.groups.withLock { $0 } == [[4, 5]])
        #expect(done.withLock { $0 } == [4, 5] && refused.withLock { $0 } == [1, 2, 3])
    }

    @Test func tooMuchWaitingIsOverload() {
        let disk = SlowDisk()
        let recorder = Recorder(sink: disk)
        let one = Self.decision(1)
        recorder.submit(Array(repeating: one, count: Recorder.waitingMax - 1)) { _ in }
        #expect(!recorder.isOverloaded)
        recorder.submit([one]) { _ in }
        #expect(recorder.isOverloaded)
        disk.work()
        #expect(!recorder.isOverloaded)
    }
}

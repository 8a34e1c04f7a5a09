// Runs an event loop's actor on a Dispatch serial queue, so that the actor's isolation and the queue are one thing.

import CLinux
import Dispatch
import Glibc
import Synchronization

/// A serial executor over one queue.
final class LoopExecutor: SerialExecutor {
    let queue: DispatchQueue
    /// Calls the loop back when it waits for events on the queue.
    let bell = Bell()
    private let jobs = Atomic<Int>(0)

    init(label: String) {
        queue = DispatchQueue(label: label, qos: .userInitiated)
    }

    /// Whether somebody waits for the actor's queue.
    var isAwaited: Bool { jobs.load(ordering: .sequentiallyConsistent) > 0 }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.add(1, ordering: .sequentiallyConsistent)
        queue.async { [self] in
            jobs.subtract(1, ordering: .sequentiallyConsistent)
            job.runSynchronously(on: asUnownedSerialExecutor())
        }
        bell.ring()
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(queue))
    }
}

/// Ends a loop's wait for events from another thread.
final class Bell: Sendable {
    /// Readable once it has been rung; -1 if the process had no descriptor left.
    let descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    private let isHeard = Atomic<Bool>(false)

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Says whether the loop waits, or is about to: what it looks at between the two, it sees, or the bell rings.
    func listen(_ listens: Bool) { isHeard.store(listens, ordering: .sequentiallyConsistent) }

    /// Whether the loop hears it. Whoever rings has done before what the loop is to see.
    @discardableResult func ring() -> Bool {
        guard isHeard.load(ordering: .sequentiallyConsistent) else { return false }
        eventfd_write(descriptor, 1)
        return true
    }

    func silence() {
        var count: eventfd_t = 0
        eventfd_read(descriptor, &count)
    }
}

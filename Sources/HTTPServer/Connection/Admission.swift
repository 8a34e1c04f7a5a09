// Which requests of a loop may begin: a bound for each priority, and for work one that follows how long answers take.

/// Counts the deferred answers that are open, and says whether one more may begin. Pure: time is a parameter.
///
/// A fixed bound on work is either too low for a fast disk or makes everybody wait on a slow one. This one opens while
/// answers come in time and closes by a quarter when they do not (additive increase, multiplicative decrease, as TCP).
struct Admission {
    private var open = (control: 0, work: 0, read: 0)
    private let bounds: (control: Int, work: Int, read: Int)
    private let target: UInt64
    /// How much work may be open at present.
    private(set) var window: Int
    private var narrowedAt: UInt64 = 0
    private static let windowMin = 64

    init(_ options: ServerOptions) {
        bounds = (
            max(1, options.controlDeferredMax), max(1, options.deferredMax), max(1, options.readDeferredMax)
        )
        window = bounds.work
        target = UInt64(max(1, options.workTargetMilliseconds)) * 1_000_000
    }

    var isWorking: Bool { open.work > 0 }
    var total: Int { open.control + open.work + open.read }

    func mayBegin(_ priority: Priority) -> Bool {
        switch priority {
        case .control: open.control < bounds.control
        case .work: open.work < window
        case .read: open.read < bounds.read
        }
    }

    mutating func began(_ priority: Priority) { add(1, priority) }

    /// An answer was completed after `took` nanoseconds.
    mutating func completed(_ priority: Priority, took: UInt64, now: UInt64) {
        add(-1, priority)
        guard priority == .work else { return }
        if took > target {
            guard now &- narrowedAt > target else { return }
            narrowedAt = now
            window = max(min(Self.windowMin, bounds.work), window * 3 / 4)
        } else if open.work >= window / 2 {
            window = min(bounds.work, window + 1)
        }
    }

    /// An answer that nobody waits for any more.
    mutating func abandoned(_ priority: Priority) { add(-1, priority) }

    private mutating func add(_ count: Int, _ priority: Priority) {
        switch priority {
        case .control: open.control += count
        case .work: open.work += count
        case .read: open.read += count
        }
    }
}

/// Requests that one pass of a loop over its connections may still take: however many are pipelined, the loop comes back
/// to everybody soon. Work is bounded by `Admission` instead.
struct PassBudget {
    private var control = 0
    private var read = 0
    /// Requests of one connection in a pass.
    static let requestsMax = 16

    /// Without work to protect a pass may take anything.
    mutating func refill(_ options: ServerOptions, isBusy: Bool) {
        control = isBusy ? options.controlPerPassMax : .max
        read = isBusy ? options.readPerPassMax : .max
    }

    func has(_ priority: Priority) -> Bool {
        switch priority {
        case .work: true
        case .control: control > 0
        case .read: read > 0
        }
    }

    /// Takes one; false when this pass has none left.
    mutating func take(_ priority: Priority) -> Bool {
        switch priority {
        case .work: return true
        case .control:
            guard control > 0 else { return false }
            control -= 1
            return true
        case .read:
            guard read > 0 else { return false }
            read -= 1
            return true
        }
    }
}

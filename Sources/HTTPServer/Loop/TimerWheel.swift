// Deadlines of many connections, cheap to postpone: a ring of buckets, one per tick, checked as time passes.

/// Timers for things that are named by a key. Setting a later deadline costs nothing: the owner just remembers it, and
/// the wheel asks again when the earlier time has come. Pure: time is a parameter.
struct TimerWheel {
    struct Entry {
        let key: UInt64
        let tick: UInt64
    }

    /// Nanoseconds of one tick: how late a timer may be.
    static let tickNanoseconds: UInt64 = 50_000_000
    private static let bucketCount = 1024

    private var buckets = [[Entry]](repeating: [], count: bucketCount)
    private var current: UInt64

    init(now: UInt64) {
        current = now / Self.tickNanoseconds
    }

    /// Remembers to ask about `key` at `deadline`, or a full turn from now if that is sooner. Returns the tick.
    mutating func add(_ key: UInt64, deadline: UInt64) -> UInt64 {
        let wanted = deadline / Self.tickNanoseconds + 1
        let tick = max(current + 1, min(wanted, current + UInt64(Self.bucketCount) - 1))
        buckets[Int(tick % UInt64(Self.bucketCount))].append(Entry(key: key, tick: tick))
        return tick
    }

    /// The entries whose tick has come by `now`; each is returned once.
    mutating func expired(now: UInt64) -> [Entry] {
        let target = now / Self.tickNanoseconds
        var due: [Entry] = []
        // After a long pause one turn over all buckets is enough.
        current = max(current, target > UInt64(Self.bucketCount) ? target - UInt64(Self.bucketCount) : 0)
        while current < target {
            current += 1
            let index = Int(current % UInt64(Self.bucketCount))
            if !buckets[index].isEmpty {
                due += buckets[index]
                buckets[index].removeAll(keepingCapacity: true)
            }
        }
        return due
    }
}

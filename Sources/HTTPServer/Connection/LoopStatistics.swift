// Counters of one loop: written by that loop alone, read by anyone, so neither side ever waits.

import Synchronization

/// What a server, or one loop, has done since it started.
public struct ServerStatistics: Sendable, Equatable {
    public var connectionsAccepted: UInt64 = 0
    public var connectionsOpen: UInt64 = 0
    /// Connections answered 503, or closed, because there were too many or no descriptor was left.
    public var connectionsRefused: UInt64 = 0
    public var requests: UInt64 = 0
    /// Answers by the first digit of their status, index 0 for 1xx to 4 for 5xx.
    public var answers: [UInt64] = [0, 0, 0, 0, 0]
    /// Requests answered 503 because too many of their kind were under way.
    public var shed: UInt64 = 0
    /// Requests that the parser refused.
    public var refusals: UInt64 = 0
    /// Connections ended by a timeout, of whatever kind.
    public var timeouts: UInt64 = 0
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    /// Deferred answers that were waiting when this was read.
    public var deferredOpen: UInt64 = 0
    public var streamsOpen: UInt64 = 0
    /// Times that a loop was woken, and batches of events it then took.
    public var wakeups: UInt64 = 0
    public var drains: UInt64 = 0
    /// From taking a request off the socket to handing its answer to the kernel.
    public var latency = LatencyHistogram()

    static func + (a: ServerStatistics, b: ServerStatistics) -> ServerStatistics {
        var sum = a
        sum.connectionsAccepted += b.connectionsAccepted
        sum.connectionsOpen += b.connectionsOpen
        sum.connectionsRefused += b.connectionsRefused
        sum.requests += b.requests
        for i in sum.answers.indices { sum.answers[i] += b.answers[i] }
        sum.refusals += b.refusals
        sum.shed += b.shed
        sum.timeouts += b.timeouts
        sum.bytesReceived += b.bytesReceived
        sum.bytesSent += b.bytesSent
        sum.deferredOpen += b.deferredOpen
        sum.streamsOpen += b.streamsOpen
        sum.wakeups += b.wakeups
        sum.drains += b.drains
        for i in sum.latency.counts.indices { sum.latency.counts[i] += b.latency.counts[i] }
        sum.latency.sumSeconds += b.latency.sumSeconds
        return sum
    }
}

/// Latencies in buckets as Prometheus has them.
public struct LatencyHistogram: Sendable, Equatable {
    /// Upper bounds of the buckets in seconds; a last bucket without bound follows.
    public static let bounds: [Double] = [
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// How many latencies fell into each bucket (not cumulated); one more than `bounds`.
    public var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    public var sumSeconds = 0.0
    /// How many latencies there were.
    public var count: UInt64 { counts.reduce(0, +) }
}

/// The counters of one loop. Only the loop adds, so an addition is a load and a store, no locked instruction.
final class LoopStatistics: Sendable {
    enum Counter: Int, CaseIterable {
        case accepted, open, refused, requests, answers1, answers2, answers3, answers4, answers5, refusals, timeouts
        case bytesReceived, bytesSent, deferred, streams, wakeups, drains, shed, latencyNanoseconds
    }

    /// Counters first, then the histogram's buckets.
    private let cells: Cells

    /// Memory of atomics, which arrays cannot hold.
    private struct Cells: ~Copyable, @unchecked Sendable {
        let start: UnsafeMutablePointer<Atomic<UInt64>>
        init(count: Int) {
            start = .allocate(capacity: count)
            for i in 0..<count { (start + i).initialize(to: Atomic(0)) }
        }
        deinit { start.deallocate() }
    }

    private static let boundsNanoseconds = LatencyHistogram.bounds.map { UInt64($0 * 1e9) }

    init() {
        cells = Cells(count: Counter.allCases.count + LatencyHistogram.bounds.count + 1)
    }

    @inline(__always)
    private func add(_ amount: UInt64, at index: Int) {
        let cell = cells.start + index
        cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    @inline(__always)
    func add(_ counter: Counter, _ amount: Int = 1) {
        add(UInt64(bitPattern: Int64(amount)), at: counter.rawValue)
    }

    func answered(_ status: Status) {
        add(1, at: Counter.answers1.rawValue + Int(status.rawValue / 100) - 1)
    }

    /// Counts `times` answers that took `nanoseconds` each.
    func took(_ nanoseconds: UInt64, times: Int = 1) {
        var bucket = 0
        while bucket < Self.boundsNanoseconds.count, nanoseconds > Self.boundsNanoseconds[bucket] { bucket += 1 }
        add(UInt64(times), at: Counter.allCases.count + bucket)
        add(.latencyNanoseconds, Int(truncatingIfNeeded: nanoseconds) * times)
    }

    private func read(_ counter: Counter) -> UInt64 {
        (cells.start + counter.rawValue).pointee.load(ordering: .relaxed)
    }

    var snapshot: ServerStatistics {
        var statistics = ServerStatistics()
        statistics.connectionsAccepted = read(.accepted)
        statistics.connectionsOpen = read(.open)
        statistics.connectionsRefused = read(.refused)
        statistics.requests = read(.requests)
        statistics.answers = [.answers1, .answers2, .answers3, .answers4, .answers5].map(read)
        statistics.refusals = read(.refusals)
        statistics.shed = read(.shed)
        statistics.timeouts = read(.timeouts)
        statistics.bytesReceived = read(.bytesReceived)
        statistics.bytesSent = read(.bytesSent)
        statistics.deferredOpen = read(.deferred)
        statistics.streamsOpen = read(.streams)
        statistics.wakeups = read(.wakeups)
        statistics.drains = read(.drains)
        statistics.latency.sumSeconds = Double(read(.latencyNanoseconds)) / 1e9
        for i in statistics.latency.counts.indices {
            statistics.latency.counts[i] =
                (cells.start + Counter.allCases.count + i).pointee.load(ordering: .relaxed)
        }
        return statistics
    }
}

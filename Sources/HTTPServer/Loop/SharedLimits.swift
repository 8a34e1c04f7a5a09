// Limits that hold over all loops together: connections, derived from what the process may open.

import Glibc
import Synchronization

/// The number of open connections, and how many there may be.
final class SharedLimits: Sendable {
    let connectionsMax: Int
    let reserveMax: Int
    private let open = Atomic<Int>(0)
    private let reserved = Atomic<Int>(0)

    /// Idle connections are small, but each is somebody who may send something.
    private static let connectionsMaxDefault = 16_384
    /// Descriptors for everything but connections: the database, its log, loops, listeners, timers, standard streams.
    private static let ownDescriptors = 64

    init(_ options: ServerOptions) {
        let descriptors = Self.descriptors()
        (connectionsMax, reserveMax) = Self.connections(
            descriptors: descriptors, wanted: options.connectionsMax, reserve: options.reservedConnectionsMax)
    }

    /// What the process may open: the soft limit is raised to the hard one first, as is the custom of servers.
    private static func descriptors() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        let wanted = min(limit.rlim_max, rlim_t(2 * connectionsMaxDefault))
        if limit.rlim_cur < wanted {
            var raised = limit
            raised.rlim_cur = wanted
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Connections, and further ones for health and control, that `descriptors` suffice for. With few descriptors a
    /// quarter serves clients: the database alone needs about twenty.
    static func connections(descriptors: Int, wanted: Int?, reserve: Int) -> (serve: Int, reserve: Int) {
        let safe = max(4, descriptors / 4, descriptors / 10 * 8 - ownDescriptors)
        let serve = max(1, wanted ?? min(connectionsMaxDefault, safe))
        return (serve, max(1, min(reserve, descriptors / 8)))
    }

    enum Place { case served, reserve }

    var isFull: Bool { open.load(ordering: .relaxed) >= connectionsMax }

    /// Counts one more connection; nil when it is to be closed at once.
    func admit() -> Place? {
        if open.add(1, ordering: .relaxed).newValue <= connectionsMax { return .served }
        open.subtract(1, ordering: .relaxed)
        if reserved.add(1, ordering: .relaxed).newValue <= reserveMax { return .reserve }
        reserved.subtract(1, ordering: .relaxed)
        return nil
    }

    func leave(isReserved: Bool) {
        if isReserved { reserved.subtract(1, ordering: .relaxed) } else { open.subtract(1, ordering: .relaxed) }
    }
}

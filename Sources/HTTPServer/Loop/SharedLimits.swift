// Limits that hold over all loops together.

import Glibc
import Synchronization

/// The number of open connections, and how many there may be.
final class SharedLimits: Sendable {
    let connectionsMax: Int
    private let open = Atomic<Int>(0)

    /// Connections beyond the limit that still get a 503 before they are closed; beyond these, they are just closed.
    private static let refusedMax = 128

    init(_ options: ServerOptions) {
        var limit = rlimit()
        let known = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        let descriptors = known ? Int(clamping: limit.rlim_cur) : 1024
        connectionsMax = max(1, options.connectionsMax ?? min(4096, descriptors / 10 * 8 - 64))
    }

    enum Admission { case serve, refuse, close }

    /// Counts one more connection, unless it is to be closed at once.
    func admit() -> Admission {
        let count = open.add(1, ordering: .relaxed).newValue
        if count <= connectionsMax { return .serve }
        if count <= connectionsMax + Self.refusedMax { return .refuse }
        leave()
        return .close
    }

    func leave() {
        open.subtract(1, ordering: .relaxed)
    }
}

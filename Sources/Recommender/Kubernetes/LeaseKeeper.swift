// The thread that holds a lease, or waits for it.

import Foundation
import Synchronization

/// Says at any time whether this process may act.
final class LeaseKeeper: @unchecked Sendable {
    private let namespace: String
    private let name: String
    private let client: KubernetesClient
    private let election: Mutex<Election>
    private let cancellation: Cancellation
    private let log: @Sendable (String) -> Void
    private let ended = DispatchSemaphore(value: 0)

    init(
        _ access: ClusterAccess, namespace: String, name: String, identity: String,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.namespace = namespace
        self.name = name
        self.log = log
        cancellation = Cancellation()
        election = Mutex(Election(identity: identity))
        var quick = access
        // A renewal that hangs must end before the deadline does.
        quick.options.timeoutSeconds = Int(Election.renewDeadlineSeconds) / 2
        quick.options.connectTimeoutSeconds = Int(Election.renewDeadlineSeconds) / 2
        client = KubernetesClient(quick)
    }

    var isLeader: Bool { election.withLock { $0.isLeader(now: Self.now) } }

    func start() {
        let thread = Thread { self.run() }
        thread.name = "lease"
        thread.start()
    }

    /// Gives the lease back, so that another takes over at once. Waits at most `seconds`.
    func stop(seconds: Int = 5) {
        cancellation.cancel()
        _ = ended.wait(timeout: .now() + .seconds(seconds))
    }

    private func run() {
        var wasLeader = false
        var told = ""
        while !cancellation.isCancelled {
            do {
                try tryOnce()
                told = ""
            } catch {
                // 409: another was faster. Anything else is told once.
                if error.remedy != .readAgain, told != error.description {
                    told = error.description
                    log("lease \(namespace)/\(name): \(error)")
                }
            }
            let leads = isLeader
            if leads != wasLeader { log(leads ? "leading" : "not leading: another recommender does, or the lease is lost") }
            wasLeader = leads
            let pause = Election.retrySeconds * (1 + Double.random(in: 0..<0.2))
            let end = Self.now + pause
            while Self.now < end, !cancellation.isCancelled { usleep(50_000) }
        }
        if let record = election.withLock({ $0.release() }) {
            _ = try? client.replace(
                Resource.leases.path(namespace, name), record.object(namespace: namespace, name: name))
        }
        ended.signal()
    }

    private func tryOnce() throws(KubernetesError) {
        var found: LeaseRecord?
        do throws(KubernetesError) {
            found = LeaseRecord(try client.get(Resource.leases.path(namespace, name)))
        } catch where error.status == 404 {
            found = nil
        }
        let begun = Self.now
        let time = Date().timeIntervalSince1970
        guard let record = election.withLock({ $0.propose(found, now: begun, time: time) }) else { return }
        let object = record.object(namespace: namespace, name: name)
        let written =
            found == nil
            ? try client.create(Resource.leases.path(namespace: namespace), object)
            : try client.replace(Resource.leases.path(namespace, name), object)
        election.withLock { $0.wrote(LeaseRecord(written), begun: begun, now: Self.now) }
    }

    private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }
}

// Who of several recommenders acts: the holder of a Lease. The rules of client-go tools/leaderelection.

/// The part of a `coordination.k8s.io/v1 Lease` that an election needs.
struct LeaseRecord: Equatable {
    var holder = ""
    var durationSeconds = 15
    var acquired = ""
    var renewed = ""
    var transitions = 0
    /// Of the object that carries it.
    var version = ""

    init() {}

    init(_ lease: JSON) {
        let spec = lease["spec"]
        holder = spec?["holderIdentity"]?.string ?? ""
        durationSeconds = spec?["leaseDurationSeconds"]?.integer ?? 15
        acquired = spec?["acquireTime"]?.string ?? ""
        renewed = spec?["renewTime"]?.string ?? ""
        transitions = spec?["leaseTransitions"]?.integer ?? 0
        version = lease["metadata"]?["resourceVersion"]?.string ?? ""
    }

    /// The object to write; without a version it is to be created.
    func object(namespace: String, name: String) -> JSON {
        var metadata: [String: JSON] = ["name": .string(name), "namespace": .string(namespace)]
        if !version.isEmpty { metadata["resourceVersion"] = .string(version) }
        var spec: [String: JSON] = [
            "holderIdentity": .string(holder), "leaseDurationSeconds": .integer(durationSeconds),
            "leaseTransitions": .integer(transitions),
        ]
        if !acquired.isEmpty { spec["acquireTime"] = .string(acquired) }
        if !renewed.isEmpty { spec["renewTime"] = .string(renewed) }
        return [
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": .object(metadata),
            "spec": .object(spec),
        ]
    }
}

/// One candidate's view. Pure: records and times in, the record to write out. Times are this machine's own clock since
/// a record was seen to change, never the times in the record: clocks of two machines differ.
struct Election {
    /// Of the lease; after it anyone may take it.
    static let durationSeconds = 12.0
    /// A leader that could not renew for so long stops acting, well before others may begin.
    static let renewDeadlineSeconds = 8.0
    static let retrySeconds = 2.0

    let identity: String
    private var seen: LeaseRecord?
    private var seenAt = -Double.infinity
    private var renewedAt = -Double.infinity

    init(identity: String) { self.identity = identity }

    /// Whether acting is allowed at `now` (monotonic seconds).
    func isLeader(now: Double) -> Bool {
        seen?.holder == identity && now - renewedAt < Self.renewDeadlineSeconds
    }

    /// The record to write, given what the server has; `nil` waits.
    /// - Parameter time: wall clock for the record.
    mutating func propose(_ found: LeaseRecord?, now: Double, time: Double) -> LeaseRecord? {
        if found != seen {
            seen = found
            seenAt = now
        }
        var record = found ?? LeaseRecord()
        let text = KubernetesTime.microText(time)
        if let found, found.holder == identity {
            record.renewed = text
        } else {
            if let found, !found.holder.isEmpty, now - seenAt < Double(found.durationSeconds) { return nil }
            record.holder = identity
            record.acquired = text
            record.renewed = text
            if found != nil { record.transitions += 1 }
        }
        record.durationSeconds = Int(Self.durationSeconds)
        return record
    }

    /// The server took the record; `begun` is when the write was sent.
    mutating func wrote(_ record: LeaseRecord, begun: Double, now: Double) {
        seen = record
        seenAt = now
        renewedAt = begun
    }

    /// The record that lets the next one begin at once; `nil` when the lease is not ours.
    mutating func release() -> LeaseRecord? {
        guard var record = seen, record.holder == identity else { return nil }
        seen = nil
        renewedAt = -.infinity
        record.holder = ""
        record.durationSeconds = 1
        return record
    }
}

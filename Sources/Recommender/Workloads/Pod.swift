// A pod, reduced to what scaling needs: whose it is, how large, whether it is ready, and how its containers ended.

/// One pod at one version.
struct Pod: Sendable, Equatable {
    /// How the kubelet stands to a change of size.
    enum Resize: Sendable, Equatable {
        case none, inProgress, deferred
        case infeasible(String)
        case failed(String)
    }

    var namespace: String
    var name: String
    var uid: String
    var owner: WorkloadID
    var isReady: Bool
    var isTerminating: Bool
    /// Succeeded or Failed: it runs no more.
    var isOver: Bool
    /// What the spec asks for.
    var containers: [Container]
    /// What the node gives, where it says so.
    var actual: [String: Resources]
    var resize: Resize
    var hasPodResources: Bool
    /// One a kill for want of memory that the status still shows, and when it was (0 when it does not say).
    var kills: [String: Double]

    /// `nil` for pods that no Deployment and no StatefulSet owns.
    init?(_ json: JSON) {
        let metadata = json["metadata"]
        let spec = json["spec"]
        let status = json["status"]
        guard let namespace = metadata?["namespace"]?.string, let name = metadata?["name"]?.string,
            let owner = Self.owner(metadata, namespace)
        else { return nil }
        self.namespace = namespace
        self.name = name
        self.owner = owner
        uid = metadata?["uid"]?.string ?? ""
        isTerminating = metadata?["deletionTimestamp"] != nil
        let phase = status?["phase"]?.string
        isOver = phase == "Succeeded" || phase == "Failed"
        containers = (spec?["containers"]?.array ?? []).compactMap { Container($0) }
        hasPodResources = !(spec?["resources"]?.object ?? [:]).isEmpty
        actual = [:]
        kills = [:]
        for container in status?["containerStatuses"]?.array ?? [] {
            guard let name = container["name"]?.string else { continue }
            if let resources = container["resources"] { actual[name] = Resources(resources) }
            for state in [container["state"], container["lastState"]] {
                guard let end = state?["terminated"], end["reason"]?.string == "OOMKilled" else { continue }
                let finished = end["finishedAt"]?.string ?? ""
                let id = end["containerID"]?.string ?? "\(finished)#\(container["restartCount"]?.integer ?? 0)"
                kills["\(name) \(id)"] = KubernetesTime.seconds(finished) ?? 0
            }
        }
        // The kubelet evicts for want of the node's memory: to the application it is a kill.
        if status?["reason"]?.string == "Evicted", status?["message"]?.string?.contains("memory") == true {
            kills["evicted"] = 0
        }
        var isReady = false
        resize = .none
        for condition in status?["conditions"]?.array ?? [] {
            let reason = condition["reason"]?.string ?? ""
            let message = condition["message"]?.string ?? ""
            switch condition["type"]?.string {
            case "Ready": isReady = condition["status"]?.string == "True"
            case "PodResizePending": resize = reason == "Infeasible" ? .infeasible(message) : .deferred
            case "PodResizeInProgress": resize = reason == "Error" ? .failed(message) : .inProgress
            default: break
            }
        }
        self.isReady = isReady
    }

    /// A replica set's name is its deployment's and the template's hash, which the pod carries as a label.
    private static func owner(_ metadata: JSON?, _ namespace: String) -> WorkloadID? {
        let owners = metadata?["ownerReferences"]?.array ?? []
        guard let owner = owners.first(where: { $0["controller"]?.bool == true }), let name = owner["name"]?.string
        else { return nil }
        switch owner["kind"]?.string {
        case "StatefulSet": return WorkloadID(kind: .statefulSet, namespace: namespace, name: name)
        case "ReplicaSet":
            guard let hash = metadata?["labels"]?["pod-template-hash"]?.string, name.hasSuffix("-\(hash)") else {
                return nil
            }
            return WorkloadID(
                kind: .deployment, namespace: namespace, name: String(name.dropLast(hash.utf8.count + 1)))
        default: return nil
        }
    }

    /// Requests and limits of a container as the node has them, or as the spec wants them.
    func resources(of container: Container) -> Resources { actual[container.name] ?? container.resources }
}

/// OOM kills since they were last told of: counted as they come, taken once.
struct KillCounter: Sendable {
    /// Kills that a status showed when the pod was first seen count only if they are not older.
    static let firstSightSeconds = 120.0

    private var counts: [WorkloadID: Int] = [:]

    /// How many kills `after` shows that `before` did not.
    static func kills(_ before: Pod?, _ after: Pod?, now: Double) -> Int {
        guard let after else { return 0 }
        guard let before, before.uid == after.uid else {
            return after.kills.values.filter { $0 > 0 && now - $0 <= firstSightSeconds }.count
        }
        return after.kills.keys.filter { before.kills[$0] == nil }.count
    }

    mutating func add(_ count: Int, to workload: WorkloadID) {
        if count > 0 { counts[workload, default: 0] += count }
    }

    func count(_ workload: WorkloadID) -> Int { counts[workload] ?? 0 }

    /// These were told of; what came meanwhile stays.
    mutating func told(_ count: Int, of workload: WorkloadID) {
        let rest = (counts[workload] ?? 0) - count
        counts[workload] = rest > 0 ? rest : nil
    }
}

// How the containers of one pod share the size that aware decides on: each keeps its share, sidecars keep their size.

import Scaling

/// What of a pod is sized, and how its parts stand to each other. aware thinks in limits of one replica; Kubernetes wants
/// requests and limits of containers.
struct Sizing: Sendable, Equatable {
    /// One resource of one container.
    struct Share: Sendable, Equatable {
        var container: String
        var resource: SizedResource
        /// What utilisation is measured against: the limit, or the request where there is no limit.
        var base: Int
        var request: Int?
        var limit: Int?
    }

    private(set) var shares: [Share] = []
    /// Resources of which some container has no limit: their requests are what aware works on.
    private(set) var withoutLimit: Set<SizedResource> = []
    /// Resources that no container asks for: there is nothing to size and nothing to measure against.
    private(set) var unsized: Set<SizedResource> = []

    /// - Parameter resources: requests and limits by container, as the node has them.
    init(containers: [String], resources: (String) -> Resources?) {
        for resource in SizedResource.allCases {
            var total = 0
            for name in containers {
                guard let found = resources(name) else { continue }
                let (request, limit) = (found.requests[resource], found.limits[resource])
                guard let base = limit ?? request else { continue }
                if limit == nil { withoutLimit.insert(resource) }
                shares.append(Share(container: name, resource: resource, base: base, request: request, limit: limit))
                total += base
            }
            if total == 0 { unsized.insert(resource) }
        }
    }

    /// What one replica has in all, in millicores or bytes; `nil` when no container asks for any.
    func total(_ resource: SizedResource) -> Int? {
        let own = shares.filter { $0.resource == resource }
        return own.isEmpty ? nil : own.reduce(0) { $0 + $1.base }
    }

    func base(_ resource: SizedResource, of container: String) -> Int? {
        shares.first { $0.resource == resource && $0.container == container }?.base
    }

    /// Requests and limits of each container when one replica gets `desired`, rounded up to a millicore or a MiB.
    ///
    /// The ratio of request to limit stays, as VPA's RequestsAndLimits has it; with `requestsOnly` the limit does.
    func resources(_ desired: Allocation, only controlled: Set<SizedResource>, requestsOnly: (String) -> Bool) -> [String: Resources] {
        var result: [String: Resources] = [:]
        for share in shares where controlled.contains(share.resource) {
            guard let total = total(share.resource) else { continue }
            let wanted = share.resource == .cpu ? desired.cpuMillicores : desired.memoryBytes
            let unit = share.resource == .cpu ? 1 : 1 << 20
            func scaled(_ amount: Int) -> Int {
                let exact = Double(amount) * Double(wanted) / Double(total)
                return max(unit, Int((exact / Double(unit)).rounded(.up)) * unit)
            }
            var own = result[share.container] ?? Resources()
            let fixed = requestsOnly(share.container) ? share.limit : nil
            if let request = share.request { own.requests[share.resource] = min(scaled(request), fixed ?? .max) }
            if let limit = share.limit, fixed == nil { own.limits[share.resource] = scaled(limit) }
            result[share.container] = own
        }
        return result
    }
}

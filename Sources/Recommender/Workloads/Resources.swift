// Requests and limits of a container, and the two resources that can be sized.

import Scaling

/// What can be sized.
public enum SizedResource: String, Sendable, CaseIterable, Hashable { case cpu, memory }

/// One container's requests and limits: millicores and bytes.
struct Resources: Sendable, Equatable {
    var requests: [SizedResource: Int] = [:]
    var limits: [SizedResource: Int] = [:]

    init() {}

    init(_ json: JSON?) {
        requests = Self.amounts(json?["requests"])
        limits = Self.amounts(json?["limits"])
        // As the API server defaults it: a limit without a request is the request.
        for (resource, limit) in limits where requests[resource] == nil { requests[resource] = limit }
    }

    /// The amounts of a resource list; zero and what is no quantity count as none.
    static func amounts(_ list: JSON?) -> [SizedResource: Int] {
        var amounts: [SizedResource: Int] = [:]
        for resource in SizedResource.allCases {
            guard let text = list?[resource.rawValue] else { continue }
            let string = text.string ?? text.number.map { "\($0)" } ?? ""
            let amount = resource == .cpu ? Quantity.millicores(string) : Quantity.bytes(string)
            if let amount, amount > 0 { amounts[resource] = amount }
        }
        return amounts
    }

    static func text(_ amount: Int, _ resource: SizedResource) -> String {
        resource == .cpu ? Quantity.text(millicores: amount) : Quantity.text(bytes: amount)
    }
}

/// A container as a template or a pod's spec describes it.
struct Container: Sendable, Equatable {
    var name: String
    var resources: Resources

    init(name: String, resources: Resources) {
        self.name = name
        self.resources = resources
    }

    init?(_ json: JSON) {
        guard let name = json["name"]?.string else { return nil }
        self.init(name: name, resources: Resources(json["resources"]))
    }
}

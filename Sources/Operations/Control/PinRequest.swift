// A pin as an operator asks for it: an allocation of which only the replicas must be given, and an end.

import Agents
import Base
import Scaling

/// What is to be answered until the pin ends.
public struct PinRequest: Sendable {
    public var replicas: Int
    public var cpuMillicores: Int?
    public var memoryBytes: Int?
    /// Seconds since 1970.
    public var until: Double?
    /// Seconds from now, instead of `until`.
    public var seconds: Double?

    public init(replicas: Int, cpuMillicores: Int?, memoryBytes: Int?, until: Double?, seconds: Double?) {
        self.replicas = replicas
        self.cpuMillicores = cpuMillicores
        self.memoryBytes = memoryBytes
        self.until = until
        self.seconds = seconds
    }

    /// The pin; what it leaves open stays as it was decided last.
    /// - Throws: `invalid` for what is missing, past, or outside the profile's limits.
    func pin(for agent: Agent, by action: OperatorAction) throws(OperationError) -> StoredControl.Pin {
        let last = agent.status(nil).allocation
        var faults: [OperationError.Fault] = []
        func complete(_ key: String, _ given: Int?, _ previous: Int?) -> Int {
            if let amount = given ?? previous { return amount }
            faults.append(
                .init(
                    pointer: "/\(key)", code: "required",
                    detail: "There is no decision yet that could tell \(key): give it in the pin."))
            return 1
        }
        let allocation = Allocation(
            replicas: replicas, cpuMillicores: complete("cpu", cpuMillicores, last?.cpuMillicores),
            memoryBytes: complete("memory", memoryBytes, last?.memoryBytes))
        let end = until ?? seconds.map { action.time + $0 }
        if let end, end <= action.time {
            faults.append(.init(pointer: "/until", code: "past", detail: "The pin would end before it begins."))
        }
        if faults.isEmpty { faults += Self.outside(agent.profile, allocation) }
        guard faults.isEmpty else { throw OperationError(.invalid, OperationError.summary(of: faults), faults: faults) }
        return StoredControl.Pin(
            allocation: allocation, until: end, reason: action.reason, operatorName: action.operatorName,
            created: action.time)
    }

    private static func outside(_ profile: Profile, _ allocation: Allocation) -> [OperationError.Fault] {
        let clamped = profile.clamp(allocation)
        let limits = [
            ("replicas", clamped.replicas == allocation.replicas, "\(profile.minReplicas) to \(profile.maxReplicas)"),
            (
                "cpu", clamped.cpuMillicores == allocation.cpuMillicores,
                "\(Quantity.text(millicores: profile.cpu.min)) to \(Quantity.text(millicores: profile.cpu.max))"
            ),
            (
                "memory", clamped.memoryBytes == allocation.memoryBytes,
                "\(Quantity.text(bytes: profile.memory.min)) to \(Quantity.text(bytes: profile.memory.max))"
            ),
        ]
        return limits.filter { !$0.1 }.prefix(1).map { key, _, allowed in
            .init(
                pointer: "/\(key)", code: "range",
                detail: "The profile allows \(allowed): no answer leaves its limits, not even a pin.")
        }
    }
}

extension OperatorControls {
    /// Puts a pin into force.
    /// - Throws: `invalid`.
    public func pin(_ request: PinRequest, _ agent: Agent, by action: OperatorAction) throws {
        let pin = try request.pin(for: agent, by: action)
        let desired = pin.allocation
        let detail =
            "{\"desired\":{\"replicas\":\(desired.replicas),\"cpu\":\"\(Quantity.text(millicores: desired.cpuMillicores))\",\"memory\":\"\(Quantity.text(bytes: desired.memoryBytes))\"}"
            + (pin.until.map { ",\"until\":\"\(Timestamp.text($0))\"" } ?? "") + "}"
        try change(agent, audit: action.entry(detail)) { $0.pin = pin }
    }
}

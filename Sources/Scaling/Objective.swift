// The objective in one place: the bill for what is allocated, relative to what the load needs, at a service level kept.
//
// The reported reward pays for utilisation per replica, and many tight replicas look efficient to it. What policies are
// trained for, judged and compared by is therefore the total bill; violations and OOM kills are constraints beside it.

import Base

/// The owner's trade-off between headroom and the bill, and the prices that the bill is made of.
public struct BillObjective: Sendable, Equatable {
    /// 0 keeps the most headroom, 1 saves the most.
    public var savings = 0.5
    /// Share of steps that may miss the service-level objective, above 0 and at most 1.
    public var maxViolations = 0.01
    /// Of one core, and of one GiB of memory, for an hour. Any currency: only their ratio and the bill's unit depend on it.
    public var cpuHourPrice = 1.0
    public var gibHourPrice = 0.125

    public init() {}

    /// Money for so many core-hours and GiB-hours. Of cores and GiB it is money an hour.
    public func bill(cores: Double, gibibytes: Double) -> Double { cpuHourPrice * cores + gibHourPrice * gibibytes }

    /// Of everything that an allocation has, for an hour.
    public func hourlyBill(_ allocation: Allocation) -> Double {
        let replicas = Double(max(0, allocation.replicas))
        return bill(
            cores: replicas * Double(allocation.cpuMillicores) / 1000,
            gibibytes: replicas * Double(allocation.memoryBytes) / 1_073_741_824)
    }

    /// CPU use that counts as needed headroom, and the least that an application is said to need, in cores.
    static let neededUtilization = 0.6
    static let leastCores = 0.1

    /// What the load needs for an hour: its CPU at 60 % utilisation, and the memory it uses.
    ///
    /// - Parameters:
    ///   - cores: CPU that the load uses in all replicas.
    ///   - gibibytes: memory that it uses in all replicas.
    public func hourlyNeed(cores: Double, gibibytes: Double) -> Double {
        max(bill(cores: max(cores / Self.neededUtilization, Self.leastCores), gibibytes: gibibytes), 1e-9)
    }

    /// The same from an observation; `nil` when CPU or memory was not measured.
    public func hourlyNeed(_ observation: Observation, _ allocation: Allocation) -> Double? {
        guard let cpu = observation.cpuUtilization, let memory = observation.memoryUtilization, cpu.isFinite,
            memory.isFinite, cpu >= 0, memory >= 0
        else { return nil }
        let replicas = Double(max(0, observation.readyReplicas ?? allocation.replicas))
        return hourlyNeed(
            cores: cpu * replicas * Double(allocation.cpuMillicores) / 1000,
            gibibytes: memory * replicas * Double(allocation.memoryBytes) / 1_073_741_824)
    }

    /// `savings` with `maxViolations` in it, 0...1: who bears ten times the violations of the default saves 0.3 more.
    public var thrift: Double {
        let tolerance = logarithm(min(max(maxViolations, 1e-4), 1) / 0.01) / 2 / logarithm(Self.span)
        return min(max(savings + tolerance, 0), 1)
    }

    /// Weight of the relative bill against one violating step: from 0.006, by this factor over the whole of `thrift`.
    private static let span = 50.0
    private var weight: Double { 0.006 * power(Self.span, thrift) }

    /// What one step did.
    public struct Step: Sendable, Equatable {
        /// The objective was missed, and by how much: min(1, objective / measured).
        public var violated = false
        public var preservation = 1.0
        public var oomKills = 0
        /// The step changed the number of replicas; the size of one.
        public var replicasChanged = false
        public var resized = false
        /// Money an hour for what was allocated, over what the load needed on average.
        public var relativeBill = 1.0

        public init() {}
    }

    /// Kills of one step that are counted at most.
    private static let killsMax = 10.0

    /// The cost of a step, at least 0: what training minimises. Its square root of the weight keeps the cost of all
    /// trade-offs of one size, so that one policy can learn them together.
    ///
    ///     [violation + 0.5 (1 - preservation) + 0.3 kills + (0.0005 + 0.12 w) changes + w relative bill] / sqrt(w)
    public func cost(_ step: Step) -> Double {
        let weight = weight
        let changes = (step.replicasChanged ? 1.0 : 0) + (step.resized ? 1.0 : 0)
        let service = (step.violated ? 1 : 0) + 0.5 * (1 - min(max(step.preservation, 0), 1))
        let kills = 0.3 * min(Double(max(0, step.oomKills)), Self.killsMax)
        let churn = (Self.changePrice.fixed + Self.changePrice.relative * weight) * changes
        return (service + kills + churn + weight * step.relativeBill) / weight.squareRoot()
    }

    /// Users hate churn; the fixed part must stay far below the least weight, or nothing ever comes down.
    private static let changePrice = (fixed: 0.0005, relative: 0.12)
}
